#pragma once
// The one way to launch a CUDA kernel (never <<<>>>): checks the launch and names the kernel in the error.
// Only .cu files include this header. The emulator replaces it, which is how a kernel runs without a GPU.
//
//   launch("relu", relu_kernel, grid_for(n), kBlock, 0, stream, n, x, y);
//
// Shared memory is declared by macros, so that the emulator can give it its exact size and fill it with NaN:
//
//   NAGARE_SHARED(float, tile, [32][33]);   float tile[32][33], one per block; a scalar is an array of [1]
//   NAGARE_DYNAMIC_SHARED(float, row);      float* row: the launch's shared_bytes, 16-byte aligned
#if defined(NAGARE_EMULATOR)
#include "kernels/emulator/launch.h"
#else
#include <cuda_runtime.h>

#include <cstdint>
#include <stdexcept>
#include <string>

#include "kernels/stream.h"

namespace nagare::kernels::cuda {

[[noreturn]] void throw_launch_error(const char* kernel, cudaError_t error);

template <class... Params, class... Args>
void launch(const char* name, void (*kernel)(Params...), dim3 grid, dim3 block, std::size_t shared_bytes,
            Stream stream, Args... args) {
  if (shared_bytes > 48 * 1024) {
    const cudaError_t raised = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                                    static_cast<int>(shared_bytes));
    if (raised != cudaSuccess) throw_launch_error(name, raised);
  }
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  config.stream = stream;
  const cudaError_t error = cudaLaunchKernelEx(&config, kernel, static_cast<Params>(args)...);
  if (error != cudaSuccess) throw_launch_error(name, error);
}

}  // namespace nagare::kernels::cuda

#define NAGARE_SHARED(type, name, dims) __shared__ type name dims
#define NAGARE_DYNAMIC_SHARED(type, name)                                \
  extern __shared__ __align__(16) unsigned char nagare_dynamic_shared[]; \
  type* name = reinterpret_cast<type*>(nagare_dynamic_shared)
#endif

namespace nagare::kernels::cuda {

inline constexpr int kWarp = 32;
inline constexpr int kBlock = 256;

// Blocks for one thread per element, capped: every kernel walks the rest in a grid-stride loop.
inline unsigned grid_for(std::int64_t n, std::int64_t per_block = kBlock) {
  const std::int64_t blocks = (n + per_block - 1) / per_block;
  return static_cast<unsigned>(blocks < 1 ? 1 : blocks > 65535 ? 65535 : blocks);
}

}  // namespace nagare::kernels::cuda
