#pragma once
// CUDA's stream handle as an opaque pointer, so that no CUDA header is needed above kernels/.
// nullptr is the default stream; the CPU twins ignore it.
struct CUstream_st;

namespace nagare {
using Stream = CUstream_st*;
}  // namespace nagare
