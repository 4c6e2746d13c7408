// The CUDA runtime of the emulated test programs: "device" memory is host memory, each block of its exact size and
// filled with 0xFF (NaN), so that a kernel which reads what nobody wrote shows it.
#include <cstdlib>
#include <cstring>

#include "engine/device/cuda_runtime.h"

namespace nagare::cuda_runtime {

void* allocate(std::size_t bytes) {
  void* block = nullptr;
  if (posix_memalign(&block, 256, bytes) != 0) return nullptr;
  return std::memset(block, 0xFF, bytes);
}

void release(void* block) noexcept { std::free(block); }
void fill_zero(void* block, std::size_t bytes) { std::memset(block, 0, bytes); }
void copy(void* to, const void* from, std::size_t bytes, bool) { std::memcpy(to, from, bytes); }
Stream compute_stream() { return nullptr; }
void synchronize() {}
std::string select(int) { return ""; }
std::string describe() { return "emulated"; }

}  // namespace nagare::cuda_runtime
