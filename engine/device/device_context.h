#pragma once
// Which device this process computes on, and the stream its kernels run on.
#include <string>

#include "kernels/device.h"
#include "kernels/stream.h"

namespace nagare {

struct DeviceChoice {
  Device device = Device::cpu;
  std::string note;  // "" or one line for the user: why `auto` fell back to the CPU
};

// request  "auto", "cpu", "cuda" or "cuda:INDEX"
// auto     the first usable GPU, else the CPU with the reason in `note`
// errors   DeviceUnavailable when CUDA was asked for by name and cannot be used; BadConfig for another word
DeviceChoice choose_device(const std::string& request);

// nullptr on the CPU.
Stream compute_stream(Device device);
// Returns when everything launched so far has ended.
void synchronize(Device device);

}  // namespace nagare
