#include "ssl/streams/table.h"

#include <vector>

namespace nagare::ssl {

std::span<const StreamKind> stream_kinds() {
  static const std::vector<StreamKind> kinds = {
      {.name = "iid",
       .summary = "all classes mixed: the upper bound that continual learning is compared with",
       .syntax = "iid",
       .reference = "the usual single-task setting"},
      {.name = "seq",
       .summary = "class-incremental: T tasks of equally many classes, one after the other",
       .syntax = "seq:T",
       .reference = "van de Ven and Tolias, Three scenarios for continual learning, 2019"},
  };
  return kinds;
}

}  // namespace nagare::ssl
