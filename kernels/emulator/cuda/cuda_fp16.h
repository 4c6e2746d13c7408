#pragma once
// What kernels use of CUDA's <cuda_fp16.h>, so that they compile where there is no toolkit; bit for bit the same
// (CudaHeadersTest, where a toolkit is there).
#include "kernels/emulator/narrow_float.h"
#include "kernels/emulator/vector_types.h"

using __half = nagare::emulator::NarrowFloat<5, 10>;
using half = __half;
NAGARE_NARROW_FLOAT(__half, half)
using half2 = __half2;
