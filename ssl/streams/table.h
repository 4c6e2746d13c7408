#pragma once
// The streams: one row each, feeding make_stream() and `nagare list streams`.
#include <span>
#include <string>

namespace nagare::ssl {

struct StreamKind {
  std::string name;
  std::string summary;
  std::string syntax;
  std::string reference;
};

// Sorted by name.
std::span<const StreamKind> stream_kinds();

}  // namespace nagare::ssl
