#include "kernels/launch.h"

namespace nagare::kernels::cuda {

void throw_launch_error(const char* kernel, cudaError_t error) {
  throw std::runtime_error(std::string("CUDA kernel ") + kernel + ": " + cudaGetErrorString(error));
}

}  // namespace nagare::kernels::cuda
