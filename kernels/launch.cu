#include "kernels/launch.h"

#include "kernels/device_error.h"

namespace nagare::kernels::cuda {

void throw_launch_error(const char* kernel, cudaError_t error) {
  cudaGetLastError();  // clears it: the next launch must not report this one
  throw_device_error(std::string("CUDA kernel ") + kernel, error, cudaGetErrorString(error));
}

}  // namespace nagare::kernels::cuda
