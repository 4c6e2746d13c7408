#pragma once
// The steps of the coding rate's CPU twin for which no library has a fast routine at these sizes: the half of a
// symmetric product, and Gaussian elimination of a block that stays in cache.
//
//   row_products      c[i,j] = sum_k a[i,k] b[j,k]; where a is b only its upper triangle, what is below is undefined
//   eliminate         m = U^T U: U into the upper triangle of m, the strict lower triangle of T = U^-T below it
//                     (the diagonal of T is 1 / U[k,k]). Row operations on [m | I] do both at once
//   minus_square      w = -T^T T = -m^-1, all of it, from a T with its diagonal and with zeros above
//
// a, b, c      f32 (rows, inner), (cols, inner) and (rows, cols); `stride` and `stride_c` elements from a row to the next
// m            f32 (size, size), `stride` elements from a row to the next; only the upper triangle is read.
//              size is a multiple of kCholeskyPanel, at most kCholeskyBlock
// t, w         f32 (size, size), `stride` elements from a row to the next
// returns      eliminate: 0, or 1 + the first row whose pivot is not positive and finite; m is then undefined
// threads      each call runs on the calling thread
// determinism  the same bits on every run of one machine; fused multiply-adds where the processor has them, so that
//              another processor may differ in the last bits, as it does in oneDNN's products
#include <cstdint>

namespace nagare::kernels::cpu {

inline constexpr std::int64_t kCholeskyPanel = 16;
inline constexpr std::int64_t kCholeskyBlock = 128;

struct RowProducts {
  std::int64_t rows;
  std::int64_t cols;
  std::int64_t inner;
  std::int64_t stride;  // of a and b
  std::int64_t stride_c;
};

void row_products(const RowProducts& p, const float* a, const float* b, float* c);

std::int64_t eliminate(std::int64_t size, float* m, std::int64_t stride);

void minus_square(std::int64_t size, const float* t, float* w, std::int64_t stride);

}  // namespace nagare::kernels::cpu
