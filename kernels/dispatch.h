#pragma once
// Chooses between the CPU and the CUDA twin of a kernel, in one visible line:
//
//   NAGARE_DISPATCH(x.device(), row_softmax(p, x.data<float>(), y.data<float>(), x.stream()));
//
// In a build without CUDA the second branch is discarded before it is linked, so no stubs exist.
#include <stdexcept>
#include <string>
#include <string_view>

#include "kernels/device.h"

namespace nagare {

[[noreturn]] inline void throw_no_cuda(std::string_view call) {
  throw std::invalid_argument(
      std::string(call.substr(0, call.find('('))) +
      ": this program was built without CUDA; use --device cpu, or build with NAGARE_CUDA=ON");
}

}  // namespace nagare

#define NAGARE_DISPATCH(device, ...)                 \
  do {                                               \
    if ((device) == ::nagare::Device::cpu) {         \
      ::nagare::kernels::cpu::__VA_ARGS__;           \
    } else if constexpr (::nagare::kBuiltWithCuda) { \
      ::nagare::kernels::cuda::__VA_ARGS__;          \
    } else {                                         \
      ::nagare::throw_no_cuda(#__VA_ARGS__);         \
    }                                                \
  } while (false)
