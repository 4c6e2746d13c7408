#pragma once
// Which images belong to which task of a stream, before they are shuffled: the formulas of stream.h.
#include <cstdint>
#include <string>
#include <vector>

#include "ssl/data/dataset.h"
#include "ssl/streams/spec.h"

namespace nagare::ssl {

struct TaskLists {
  std::vector<std::vector<std::int64_t>> ids;      // ascending; in the order of arrival for `drift`
  std::vector<std::vector<std::int64_t>> classes;  // of each task, in class order
  std::vector<std::int64_t> domains;               // the source of each task; empty but for `domain`
};

TaskLists task_lists(const StreamSpec& spec, const std::string& order, const Dataset& data,
                     std::uint64_t seed);

}  // namespace nagare::ssl
