#pragma once
// A dense tensor seen as (outer, count, inner), row-major: the middle axis is the one that is summed or
// broadcast over.
//
//   rows of a matrix (R, C)      outer 1, count R, inner C
//   columns of a matrix (R, C)   outer R, count C, inner 1
//   pixels of (N, H, W, C)       outer N, count H W, inner C
#include <cstdint>

namespace nagare::kernels {

struct Axis {
  std::int64_t outer = 1;
  std::int64_t count = 1;
  std::int64_t inner = 1;

  constexpr std::int64_t numel() const { return outer * count * inner; }
};

}  // namespace nagare::kernels
