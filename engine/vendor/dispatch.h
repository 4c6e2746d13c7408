#pragma once
// Chooses between the CPU and the CUDA twin of a vendor library's function, as NAGARE_DISPATCH does for a kernel:
//
//   NAGARE_VENDOR_DISPATCH(x.device(), convolution(p, x.data<T>(), w.data<float>(), nullptr, y.data<T>(),
//   x.stream()));
#include "kernels/dispatch.h"

#define NAGARE_VENDOR_DISPATCH(device, ...)          \
  do {                                               \
    if ((device) == ::nagare::Device::cpu) {         \
      ::nagare::vendor::cpu::__VA_ARGS__;            \
    } else if constexpr (::nagare::kBuiltWithCuda) { \
      ::nagare::vendor::cuda::__VA_ARGS__;           \
    } else {                                         \
      ::nagare::throw_no_cuda(#__VA_ARGS__);         \
    }                                                \
  } while (false)
