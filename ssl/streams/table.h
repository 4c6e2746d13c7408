#pragma once
// The streams and what may be said of any of them: one row each, feeding parse_stream(), make_stream(), `nagare list
// streams` and docs/streams.md.
#include <span>
#include <string>

namespace nagare::ssl {

// What follows a stream's name and a colon.
enum class StreamTasks { none, required };

struct StreamKind {
  std::string name;
  std::string summary;
  std::string syntax;
  std::string reference;
  StreamTasks tasks = StreamTasks::none;
};

struct StreamKey {
  std::string key;
  std::string summary;  // with range and default
};

// Sorted by name.
std::span<const StreamKind> stream_kinds();
// The keys of every kind, sorted.
std::span<const StreamKey> stream_keys();

}  // namespace nagare::ssl
