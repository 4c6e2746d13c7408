#pragma once
// What `nagare data stream` prints: the tasks of a stream, and with --dry-run every arriving image.
#include <string>

#include "ssl/data/dataset.h"
#include "ssl/streams/stream.h"

namespace nagare::apps {

struct ListedStream {
  const ssl::Dataset& data;
  const ssl::Stream& stream;
  std::string spec;    // of the data and of the stream, as they were given
  std::string order;   // of the classes
  bool whole = false;  // the arriving images too
};

// One JSON document, in columns: docs/streams.md has its keys.
std::string stream_json(const ListedStream& listed);
std::string stream_text(const ListedStream& listed);

}  // namespace nagare::apps
