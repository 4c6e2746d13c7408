#pragma once
// NVTX ranges, as Nsight shows them. Header-only on NVIDIA's side: nothing is linked or opened without a profiler.
// Defined only in a build with CUDA.

namespace nagare::vendor::nvtx {

void push(const char* name);
void pop();

}  // namespace nagare::vendor::nvtx
