#include "kernels/launch.h"

namespace nagare::kernels::cuda {

void throw_launch_error(const char* kernel, cudaError_t error) {
  cudaGetLastError();  // clears it: the next launch must not report this one
  throw std::runtime_error(std::string("CUDA kernel ") + kernel + ": " + cudaGetErrorString(error));
}

}  // namespace nagare::kernels::cuda
