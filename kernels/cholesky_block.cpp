#include "kernels/cholesky_block.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/simd.h"

namespace nagare::kernels::cpu {
namespace {

using simd::kLanes;
using simd::Vector;
static_assert(kLanes == kCholeskyPanel);

constexpr std::int64_t kRowChunk =
    1024;                     // elements of a row at a time: five rows stay in the first-level cache
constexpr int kGramRows = 5;  // 5 x 5 accumulators and 6 operands fill the 32 vector registers of AVX-512

// acc[i, j] += a_i * b_j over one vector of each row.
NAGARE_INLINE void multiply_rows(const float* const (&a)[kGramRows], const float* const (&b)[kGramRows],
                                 std::int64_t k, Vector (&acc)[kGramRows * kGramRows]) {
  Vector right[kGramRows];
#pragma GCC unroll 5
  for (int j = 0; j < kGramRows; ++j) simd::load(b[j] + k, right[j]);
#pragma GCC unroll 5
  for (int i = 0; i < kGramRows; ++i) {
    Vector left;
    simd::load(a[i] + k, left);
#pragma GCC unroll 5
    for (int j = 0; j < kGramRows; ++j) acc[i * kGramRows + j] += left * right[j];
  }
}

// The same with the last `count` (1..15) elements of each row.
NAGARE_INLINE void multiply_ends(const float* const (&a)[kGramRows], const float* const (&b)[kGramRows],
                                 std::int64_t k, std::int64_t count, Vector (&acc)[kGramRows * kGramRows]) {
  float ends[2][kGramRows][kLanes] = {};
  const float* left[kGramRows];
  const float* right[kGramRows];
  for (int i = 0; i < kGramRows; ++i) {
    for (std::int64_t l = 0; l < count; ++l) {
      ends[0][i][l] = a[i][k + l];
      ends[1][i][l] = b[i][k + l];
    }
    left[i] = ends[0][i];
    right[i] = ends[1][i];
  }
  multiply_rows(left, right, 0, acc);
}

// The sums of neighbouring lanes: those of in[2 i] in the lower half of out[i], those of in[2 i + 1] in the upper.
// Four rounds turn sixteen vectors into one that holds the sum of each.
template <int kCount>
NAGARE_INLINE void add_neighbours(const Vector (&in)[kCount], Vector (&out)[(kCount + 1) / 2]) {
#pragma GCC unroll 16
  for (int i = 0; i < kCount; i += 2) {
    const Vector& first = in[i];
    const Vector second = i + 1 < kCount ? in[i + 1] : Vector{};
    out[i / 2] =
        __builtin_shufflevector(first, second, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30) +
        __builtin_shufflevector(first, second, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
  }
}

// Products of up to five rows with up to five rows: vectors run along the rows, where memory is contiguous, so that
// nothing is packed.
NAGARE_SIMD void gram_tile(std::int64_t inner, const float* const (&a)[kGramRows],
                           const float* const (&b)[kGramRows], float (&sums)[kGramRows * kGramRows]) {
  Vector acc[kGramRows * kGramRows] = {};
  std::int64_t k = 0;
  for (; k + kLanes <= inner; k += kLanes) multiply_rows(a, b, k, acc);
  if (k < inner) multiply_ends(a, b, k, inner - k, acc);
  Vector once[13];
  Vector twice[7];
  Vector thrice[4];
  Vector total[2];
  add_neighbours(acc, once);
  add_neighbours(once, twice);
  add_neighbours(twice, thrice);
  add_neighbours(thrice, total);
  std::memcpy(sums, total, sizeof sums);
}

using Panel = float[kCholeskyPanel][kCholeskyPanel];

// U and T of the panel's diagonal block, whose upper triangle is in `u`. Returns as eliminate() does.
NAGARE_SIMD std::int64_t eliminate_diagonal(Panel& u, Panel& t) {
  for (std::int64_t k = 0; k < kCholeskyPanel; ++k) {
    for (std::int64_t c = 0; c < kCholeskyPanel; ++c) t[k][c] = k == c ? 1.0F : 0.0F;
  }
  for (std::int64_t k = 0; k < kCholeskyPanel; ++k) {
    const float pivot = u[k][k];
    if (!(pivot > 0.0F && std::isfinite(pivot))) return k + 1;
    const float over_root = 1.0F / __builtin_sqrtf(pivot);
    Vector upper;
    Vector lower;
    simd::load(u[k], upper);
    simd::load(t[k], lower);
    upper *= over_root;
    lower *= over_root;
    simd::store(u[k], upper);
    simd::store(t[k], lower);
    for (std::int64_t i = k + 1; i < kCholeskyPanel; ++i) {
      const float times = u[k][i];
      Vector row;
      simd::load(u[i], row);
      row -= times * upper;
      simd::store(u[i], row);
      simd::load(t[i], row);
      row -= times * lower;
      simd::store(t[i], row);
    }
  }
  return 0;
}

// Sixteen rows of `cols` columns become T times themselves.
NAGARE_SIMD void multiply_by_t(const Panel& t, std::int64_t cols, float* rows, std::int64_t stride) {
  for (std::int64_t c = 0; c < cols; c += kLanes) {
    Vector before[kCholeskyPanel];
#pragma GCC unroll 16
    for (int k = 0; k < kCholeskyPanel; ++k) simd::load(rows + k * stride + c, before[k]);
#pragma GCC unroll 16
    for (int i = 0; i < kCholeskyPanel; ++i) {
      Vector row = t[i][0] * before[0];
#pragma GCC unroll 16
      for (int k = 1; k <= i; ++k) row += t[i][k] * before[k];
      simd::store(rows + i * stride + c, row);
    }
  }
}

// Rows of an update: c -= u^T b, all of them of sixteen rows.
struct Update {
  const float* u;  // (16, 16): its transpose is taken
  std::int64_t stride_u;
  const float* b;  // (16, cols)
  std::int64_t stride_b;
  float* c;  // (16, cols)
  std::int64_t stride_c;
  bool from_zero;  // c is taken to be 0
};

constexpr int kUpdateRows = 8;

template <int kVectors>
NAGARE_INLINE void update_tile(const Update& p, std::int64_t row, std::int64_t col) {
  Vector acc[kUpdateRows][kVectors] = {};
  if (!p.from_zero) {
#pragma GCC unroll 8
    for (int i = 0; i < kUpdateRows; ++i) {
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) {
        simd::load(p.c + (row + i) * p.stride_c + col + v * kLanes, acc[i][v]);
      }
    }
  }
  for (std::int64_t k = 0; k < kCholeskyPanel; ++k) {
    Vector right[kVectors];
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) simd::load(p.b + k * p.stride_b + col + v * kLanes, right[v]);
#pragma GCC unroll 8
    for (int i = 0; i < kUpdateRows; ++i) {
      const float times = p.u[k * p.stride_u + row + i];
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) acc[i][v] -= times * right[v];
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < kUpdateRows; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      simd::store(p.c + (row + i) * p.stride_c + col + v * kLanes, acc[i][v]);
    }
  }
}

NAGARE_SIMD void update(const Update& p, std::int64_t cols) {
  for (std::int64_t row = 0; row < kCholeskyPanel; row += kUpdateRows) {
    std::int64_t col = 0;
    for (; col + 2 * kLanes <= cols; col += 2 * kLanes) update_tile<2>(p, row, col);
    if (col < cols) update_tile<1>(p, row, col);
  }
}

}  // namespace

void row_products(const RowProducts& p, const float* a, const float* b, float* c) {
  for (std::int64_t k = 0; k < p.inner; k += kRowChunk) {
    const std::int64_t chunk = std::min(kRowChunk, p.inner - k);
    for (std::int64_t i = 0; i < p.rows; i += kGramRows) {
      for (std::int64_t j = a == b ? i : 0; j < p.cols; j += kGramRows) {
        const float* left[kGramRows];
        const float* right[kGramRows];
        for (int r = 0; r < kGramRows; ++r) {  // a ragged end computes its last row again
          left[r] = a + std::min(i + r, p.rows - 1) * p.stride + k;
          right[r] = b + std::min(j + r, p.cols - 1) * p.stride + k;
        }
        float sums[kGramRows * kGramRows];
        gram_tile(chunk, left, right, sums);
        for (std::int64_t r = i; r < std::min(i + kGramRows, p.rows); ++r) {
          for (std::int64_t s = j; s < std::min(j + kGramRows, p.cols); ++s) {
            float& sum = c[r * p.stride_c + s];
            sum = (k == 0 ? 0.0F : sum) + sums[(r - i) * kGramRows + s - j];
          }
        }
      }
    }
  }
}

std::int64_t eliminate(std::int64_t size, float* m, std::int64_t stride) {
  alignas(64) Panel u;
  alignas(64) Panel t;
  for (std::int64_t p = 0; p < size; p += kCholeskyPanel) {
    const std::int64_t end = p + kCholeskyPanel;
    float* rows = m + p * stride;
    for (std::int64_t k = 0; k < kCholeskyPanel; ++k) std::copy_n(rows + k * stride + p, kLanes, u[k]);
    if (const std::int64_t bad = eliminate_diagonal(u, t); bad != 0) return p + bad;
    for (std::int64_t k = 0; k < kCholeskyPanel; ++k) {
      std::copy_n(t[k], k, rows + k * stride + p);
      std::copy_n(u[k] + k, kLanes - k, rows + k * stride + p + k);
    }
    multiply_by_t(t, p, rows, stride);
    multiply_by_t(t, size - end, rows + end, stride);
    for (std::int64_t i = end; i < size; i += kCholeskyPanel) {
      float* below = m + i * stride;
      const Update common{.u = rows + i,
                          .stride_u = stride,
                          .b = rows,
                          .stride_b = stride,
                          .c = below,
                          .stride_c = stride,
                          .from_zero = false};
      update(common, p);
      Update beside = common;  // the columns of this panel, where m has no T yet
      beside.b = t[0];
      beside.stride_b = kCholeskyPanel;
      beside.c = below + p;
      beside.from_zero = true;
      update(beside, kCholeskyPanel);
      Update right = common;
      right.b = rows + i;
      right.c = below + i;
      update(right, size - i);
    }
  }
  return 0;
}

void minus_square(std::int64_t size, const float* t, float* w, std::int64_t stride) {
  for (std::int64_t i = 0; i < size; i += kCholeskyPanel) {
    for (std::int64_t r = i; r < i + kCholeskyPanel; ++r) std::fill_n(w + r * stride, size, 0.0F);
    for (std::int64_t k = i; k < size; k += kCholeskyPanel) {  // T is 0 above its diagonal
      const float* rows = t + k * stride;
      update({.u = rows + i,
              .stride_u = stride,
              .b = rows,
              .stride_b = stride,
              .c = w + i * stride,
              .stride_c = stride,
              .from_zero = false},
             k + kCholeskyPanel);
    }
  }
}

}  // namespace nagare::kernels::cpu
