#pragma once
// One tile of a matrix product on the CPU, for kernels that consume a product tile by tile and never store it whole.
//
//   c = scale op(a) op(b) + keep c          op(m) = m, or its transpose where the flag says so
//
// a, b, c   row-major tiles of larger matrices: `stride_*` elements from a row to the next; a is (rows, inner) or
//           (inner, rows), b is (inner, cols) or (cols, inner), c is f32 (rows, cols)
// bf16      products summed in f32; scale 1 and keep 0 only; c must be contiguous (stride_c = cols)
// threads   a tile is computed by the calling thread alone, so its bits do not depend on the number of threads
// errors    std::invalid_argument for sizes < 1, strides shorter than a row, or a bf16 product that is scaled
// source    oneDNN: its f32 matrix product keeps up with the processor's peak from tiles of about 64 x 128 on
#include <cstdint>

#include "kernels/bf16.h"

namespace nagare::kernels::cpu {

struct TileProduct {
  std::int64_t rows;
  std::int64_t cols;
  std::int64_t inner;
  std::int64_t stride_a;
  std::int64_t stride_b;
  std::int64_t stride_c;
  bool transpose_a = false;
  bool transpose_b = false;
  float scale = 1.0F;
  float keep = 0.0F;

  void check() const;
};

void tile_product(const TileProduct& p, const float* a, const float* b, float* c);
void tile_product(const TileProduct& p, const bf16* a, const bf16* b, float* c);

}  // namespace nagare::kernels::cpu
