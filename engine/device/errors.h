#pragma once
// Errors that the command line tells apart (each has its exit code). Everything else: std::invalid_argument for a
// caller's mistake, std::runtime_error for the outside world.
#include <stdexcept>

namespace nagare {

struct OutOfMemory : std::runtime_error {
  using std::runtime_error::runtime_error;
};
// --device cuda, but there is no usable GPU or a library that the GPU path needs is missing.
struct DeviceUnavailable : std::runtime_error {
  using std::runtime_error::runtime_error;
};
// A data file is missing, truncated, malformed or not what its name says.
struct BadData : std::runtime_error {
  using std::runtime_error::runtime_error;
};
// A checkpoint is missing, damaged, or belongs to another configuration.
struct BadCheckpoint : std::runtime_error {
  using std::runtime_error::runtime_error;
};
// The output cannot be written: permission, full disk, not a directory.
struct CannotWrite : std::runtime_error {
  using std::runtime_error::runtime_error;
};
// An option or a configuration file is wrong: unknown key or name, value out of range, contradiction.
struct BadConfig : std::runtime_error {
  using std::runtime_error::runtime_error;
};
// Training produced NaN or infinity.
struct Diverged : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace nagare
