#include "ssl/streams/table.h"

#include <vector>

namespace nagare::ssl {

std::span<const StreamKind> stream_kinds() {
  static const std::vector<StreamKind> kinds = {
      {.name = "data",
       .summary = "data-incremental: T random parts of equal size, every class in each",
       .syntax = "data:T[,split=seeded|pytorch:SEED][,key=value...]",
       .reference = "Fini et al., CVPR 2022",
       .tasks = StreamTasks::required},
      {.name = "domain",
       .summary = "domain-incremental: the sources of --data, one after the other",
       .syntax = "domain[,key=value...]",
       .reference = "van de Ven and Tolias, Three scenarios for continual learning, 2019"},
      {.name = "drift",
       .summary = "class mixtures that change smoothly, in T nominal tasks without boundaries",
       .syntax = "drift:T[,spread=S][,key=value...]",
       .reference = "ours: docs/streams.md",
       .tasks = StreamTasks::required},
      {.name = "iid",
       .summary = "all classes mixed: the upper bound that continual learning is compared with",
       .syntax = "iid[,key=value...]",
       .reference = "the usual single-task setting"},
      {.name = "seq",
       .summary = "class-incremental: T tasks of equally many classes, one after the other",
       .syntax = "seq:T[,key=value...]",
       .reference = "van de Ven and Tolias, Three scenarios for continual learning, 2019",
       .tasks = StreamTasks::required},
  };
  return kinds;
}

std::span<const StreamKey> stream_keys() {
  static const std::vector<StreamKey> keys = {
      {"blur",
       "seq, data, domain: neighbouring tasks exchange images around their boundary; the part of a task that "
       "takes part, 0 to 1 (0)"},
      {"boundaries",
       "exposed: strategies hear when a task begins and ends; hidden: they see one stream (exposed; hidden "
       "with blur and drift)"},
      {"drop-last", "on: a pass ends with its last whole batch (off)"},
      {"hue", "colours are turned by this much until the end, in turns of the colour circle, -10 to 10 (0)"},
      {"rotate", "images are turned by this many degrees until the end, -36000 to 36000 (0)"},
      {"runs", "every image arrives as N frames of a moving camera in a row, 1 to 4096 (1)"},
      {"samples", "arriving images of each task, drawn; A/B: of every other task; 0: all (0)"},
      {"seed", "of orders and draws of the stream alone; the run's seed when left out"},
      {"split", "data: seeded, or pytorch:SEED as torch's random_split (seeded)"},
      {"spread", "drift: how long a class lasts, in its share of the stream, 0.01 to 100 (0.5)"},
      {"zoom", "images are enlarged up to this factor at the end, 0.5 to 4 (1)"},
  };
  return keys;
}

}  // namespace nagare::ssl
