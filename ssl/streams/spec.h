#pragma once
// What --stream says: KIND[:T][,key=value]...
//
// Reading is strict: an unknown kind or key, a key given twice, a value out of range and a key that does not fit the kind are
// BadConfig with the spec, the reason and the nearest name.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace nagare::ssl {

struct StreamSpec {
  std::string text;  // as it was given
  std::string kind;  // a name of stream_kinds()
  std::int64_t tasks = 1;
  std::vector<std::int64_t>
      samples;            // images of a task: task t has those of entry t mod size; 0, or empty: all
  double blur = 0.0;      // part of a task that exchanges images with its neighbours
  double spread = 0.5;    // drift: standard deviation of a class's time, in shares of the stream
  std::int64_t runs = 1;  // frames of each image
  double rotate = 0.0;    // degrees, turns and factor reached at the end of the stream
  double hue = 0.0;
  double zoom = 1.0;
  bool exposed = true;  // boundaries are told to the strategy
  bool drop_last = false;
  std::optional<std::uint64_t> seed;        // of the stream alone
  std::optional<std::uint32_t> torch_seed;  // data: the split is torch's

  bool moves() const { return runs > 1 || rotate != 0.0 || hue != 0.0 || zoom != 1.0; }
};

StreamSpec parse_stream(const std::string& text);

}  // namespace nagare::ssl
