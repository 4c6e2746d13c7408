#pragma once
// Arithmetic of CUDA's own <cuda_bf16.h> and <cuda_fp16.h> on bits: their names are the emulator's too, so the two cannot
// meet in one file.
#include <cstdint>

namespace nagare::test {

struct NarrowOperations {
  std::uint16_t (*from_float)(float);
  float (*to_float)(std::uint16_t);
  std::uint16_t (*add)(std::uint16_t, std::uint16_t);
  std::uint16_t (*multiply)(std::uint16_t, std::uint16_t);
  std::uint16_t (*divide)(std::uint16_t, std::uint16_t);
  bool (*less)(std::uint16_t, std::uint16_t);
};

extern const NarrowOperations kToolkitBf16;
extern const NarrowOperations kToolkitHalf;

}  // namespace nagare::test
