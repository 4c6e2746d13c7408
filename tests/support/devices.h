#pragma once
// The devices that tests run on: the CPU, and CUDA when this build has it and a GPU is there. In a program with emulated
// CUDA twins it is those alone: the CPU twins are tested by the program of their own.
#include <cstdlib>
#include <ostream>
#include <string_view>
#include <vector>

#include "engine/device/device_context.h"
#include "engine/tensor/dtype.h"

namespace nagare {

inline void PrintTo(Device device, std::ostream* out) { *out << to_string(device); }
inline void PrintTo(DType dtype, std::ostream* out) { *out << to_string(dtype); }

namespace test {

inline const std::vector<Device>& devices() {
  static const std::vector<Device> found = [] {
#if defined(NAGARE_EMULATOR)
    // One sanitized program can check both twins: scripts/test-sanitized.
    const char* wanted = std::getenv("NAGARE_TEST_DEVICES");
    std::vector<Device> list;
    if (wanted != nullptr && std::string_view(wanted) == "all") list.push_back(Device::cpu);
#else
    std::vector<Device> list{Device::cpu};
#endif
    if (choose_device("auto").device == Device::cuda) list.push_back(Device::cuda);
    return list;
  }();
  return found;
}

}  // namespace test
}  // namespace nagare
