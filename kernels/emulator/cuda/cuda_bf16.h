#pragma once
// What kernels use of CUDA's <cuda_bf16.h>, so that they compile where there is no toolkit; bit for bit the same
// (CudaHeadersTest, where a toolkit is there).
#include "kernels/emulator/narrow_float.h"
#include "kernels/emulator/vector_types.h"

using __nv_bfloat16 = nagare::emulator::NarrowFloat<8, 7>;
using nv_bfloat16 = __nv_bfloat16;
NAGARE_NARROW_FLOAT(__nv_bfloat16, bfloat16)
using nv_bfloat162 = __nv_bfloat162;
