#pragma once
// What this program runs on: for `nagare info`, env.json and the `auto` choices.
#include <cstdint>
#include <string>
#include <vector>

#include "engine/tensor/dtype.h"
#include "kernels/device.h"

namespace nagare::apps {

struct Machine {
  std::string host;
  std::string system;                 // "Linux 6.1.0 x86_64"
  std::string cpu;                    // the processor's name
  std::vector<std::string> features;  // vector extensions that matter here, as /proc/cpuinfo spells them
  int cores = 1;                      // that this process may run on
  std::uint64_t memory_bytes = 0;
};

// errors  BadData: /proc/cpuinfo is there and cannot be read
Machine describe_machine();
bool cpu_has_bf16();

// "fp32", "bf16" or "auto" -> the element type of activations. BadConfig for another word.
DType choose_precision(const std::string& request, Device device);
// "fp32", "bf16": as --precision takes it.
std::string precision_name(DType precision);

// 0 -> the cores of this process. Tells the CPU twins.
int choose_threads(std::int64_t request);

}  // namespace nagare::apps
