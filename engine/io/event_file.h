#pragma once
// TensorBoard's event file: scalars over the steps of a run.
//
//   file    records, one after another: u64 length | u32 mask(crc(length)) | bytes | u32 mask(crc(bytes))
//           little-endian; crc = CRC-32C, mask(c) = (c rotated right by 15) + 0xA282EAD8
//   record  an Event in protobuf: 1 wall time (double), 2 step (int64), then one of
//             3 file version    the first record: "brain.Event:2"
//             5 summary         values {1 tag, 2 number (float)}
//             7 session log     {1 status = 1 (start)}: readers drop what other files say of this step and later ones
//
// Every call reaches the system in one piece: a kill leaves at most one record cut short, which readers skip.
// errors  CannotWrite; nothing is read
// source  tensorflow/tensorboard: tensorboard/compat/proto/{event,summary}.proto; TFRecord: TensorFlow's guide
#include <cstdint>
#include <span>
#include <string>

#include "engine/io/file.h"

namespace nagare::io {

struct Scalar {
  std::string tag;  // "train/loss"; UTF-8
  float value = 0.0F;
};

// When something happened.
struct EventTime {
  double wall = 0.0;  // seconds since 1970
  std::int64_t step = 0;
};

class EventFile {
 public:
  // Creates the file, or writes behind what is there.
  EventFile(const Path& path, double wall);

  // One record; nothing for no scalars.
  void add(const EventTime& time, std::span<const Scalar> scalars);
  // A resumed run goes on from this step.
  void add_start(const EventTime& time);

 private:
  AppendFile file_;
};

}  // namespace nagare::io
