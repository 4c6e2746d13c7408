#pragma once
// What metrics.jsonl says, for TensorBoard: one event file per session in the run directory.
//
//   step line        numbers as train/NAME; what is about the machine (seconds, images, memory_bytes) as sys/NAME, with
//                    sys/images_per_second
//   evaluation line  numbers as eval/NAME, arrays as eval/NAME/1, eval/NAME/2, ..., objects as eval/NAME/FIELD, readouts as
//                    eval/READOUT/FIELD
//
// step, t, wall, task and null are no values. A session that goes on tells the reader to drop what earlier ones wrote
// of the steps that it does again.
#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "engine/io/event_file.h"

namespace nagare::apps {

class EventLog {
 public:
  // steps_done: of the run, before this session.
  // errors  CannotWrite
  EventLog(const io::Path& run, std::int64_t steps_done);
  void add(const nlohmann::ordered_json& line);

 private:
  std::optional<io::EventFile> file_;
};

}  // namespace nagare::apps
