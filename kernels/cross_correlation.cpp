#include "kernels/cross_correlation.h"

#include <cmath>
#include <stdexcept>
#include <string>

#include "kernels/cross_correlation_scratch.h"
#include "kernels/parallel.h"
#include "kernels/row_sums.h"
#include "kernels/tile_product.h"

namespace nagare::kernels {

void CrossCorrelation::check() const {
  const bool numbers = lambda >= 0.0F && std::isfinite(lambda) && std::isfinite(weight) && epsilon >= 0.0F &&
                       std::isfinite(epsilon);
  if (rows < 2 || cols < 1 || !numbers) {
    throw std::invalid_argument("cross_correlation: shape (" + std::to_string(rows) + ", " +
                                std::to_string(cols) + "), lambda " + std::to_string(lambda) + ", weight " +
                                std::to_string(weight) + ", epsilon " + std::to_string(epsilon) +
                                ": need rows >= 2, cols >= 1, lambda and epsilon >= 0, all finite");
  }
}

std::int64_t CrossCorrelation::scratch_floats() const {
  return std::max(cpu::CorrelationScratch(*this, ScratchParts(nullptr)).floats,
                  cuda::CorrelationScratch(*this, ScratchParts(nullptr)).floats);
}

namespace cpu {
namespace {

using simd::kLanes;
using simd::Vector;
using Scratch = CorrelationScratch;

// diagonal[c] = share sum_n a[n,c] b[n,c]
NAGARE_SIMD void column_products(const ColumnBlock& block, const float* a, const float* b, float share,
                                 float* diagonal) {
  for (std::int64_t c = 0; c < block.cols; c += kLanes) {
    const std::int64_t count = block.cols - c < kLanes ? block.cols - c : kLanes;
    Vector sum{};
    for (std::int64_t r = 0; r < block.rows; ++r) {
      Vector x, y;
      get_row(a + r * block.stride + c, count, x);
      get_row(b + r * block.stride + c, count, y);
      sum += x * y;
    }
    put_row(diagonal + c, count, sum * share);
  }
}

// Multiplies a row of a tile by `factor`; returns the sum of its squares before that.
NAGARE_SIMD float square_and_scale(std::int64_t n, float factor, float* row) {
  const float squares = row_dot(n, row, row);
  for (std::int64_t i = 0; i < n; i += kLanes) {
    const std::int64_t count = n - i < kLanes ? n - i : kLanes;
    Vector v;
    get_row(row + i, count, v);
    put_row(row + i, count, v * factor);
  }
  return squares;
}

// One view's gradient of some columns, once the product is there.
struct Finish {
  std::int64_t rows, cols;
  std::int64_t stride;  // of own and other
  std::int64_t dx_stride;
  const float* own;       // a, where the product is g_a
  const float* other;     // b
  const float* inverse;   // own 1 / deviation
  const float* diagonal;  // g = factor product + other diagonal; nullptr: without that term
  float factor;
  float mean_share;   // 1 / N
  float slope_share;  // 1 / M
};

template <class T>
NAGARE_INLINE void finish_sixteen(const Finish& f, std::int64_t c, std::int64_t count, float* product,
                                  T* dx) {
  Vector sum{};
  Vector along{};
  Vector diagonal{};
  if (f.diagonal != nullptr) get_row(f.diagonal + c, count, diagonal);
  for (std::int64_t r = 0; r < f.rows; ++r) {
    Vector g, a;
    get_row(product + r * Scratch::kTile + c, count, g);
    get_row(f.own + r * f.stride + c, count, a);
    g *= f.factor;
    if (f.diagonal != nullptr) {
      Vector b;
      get_row(f.other + r * f.stride + c, count, b);
      g += b * diagonal;
    }
    sum += g;
    along += g * a;
    put_row(product + r * Scratch::kTile + c, count, g);
  }
  Vector inverse;
  get_row(f.inverse + c, count, inverse);
  sum *= f.mean_share;
  along *= f.slope_share;
  for (std::int64_t r = 0; r < f.rows; ++r) {
    Vector g, a;
    get_row(product + r * Scratch::kTile + c, count, g);
    get_row(f.own + r * f.stride + c, count, a);
    put_row(dx + r * f.dx_stride + c, count, (g - sum - a * along) * inverse);
  }
}

#define NAGARE_DEFINE_FINISH(T)                                                     \
  NAGARE_SIMD void finish_columns(const Finish& f, float* product, T* dx) {         \
    for (std::int64_t c = 0; c < f.cols; c += kLanes) {                             \
      finish_sixteen(f, c, f.cols - c < kLanes ? f.cols - c : kLanes, product, dx); \
    }                                                                               \
  }
NAGARE_DEFINE_FINISH(float)
NAGARE_DEFINE_FINISH(bf16)
#undef NAGARE_DEFINE_FINISH

// Turns sums of squares into 1 / deviation.
void invert_deviations(const CrossCorrelation& p, std::int64_t count, float* squares) {
  const double divisor = static_cast<double>(p.unbiased ? p.rows - 1 : p.rows);
  for (std::int64_t c = 0; c < count; ++c) {
    const double variance = squares[c] / divisor + static_cast<double>(p.epsilon);
    squares[c] = variance == 0.0 ? 0.0F : static_cast<float>(1.0 / std::sqrt(variance));
  }
}

template <class T>
void standardise(const CrossCorrelation& p, const T* x, const T* y, const Scratch& s) {
  for_each_block(p.cols, kMomentColumns, [&](std::int64_t begin, std::int64_t end) {
    const auto one = [&](const T* from, float* to, float* inverse) {
      float mean[kMomentColumns];
      centre_columns({p.rows, end - begin, p.cols}, from + begin, s.stride, to + begin, mean,
                     inverse + begin);
      invert_deviations(p, end - begin, inverse + begin);
      scale_columns({p.rows, end - begin, s.stride}, inverse + begin, to + begin);
    };
    one(x, s.a, s.inverse_a);
    one(y, s.b, s.inverse_b);
    column_products({p.rows, end - begin, s.stride}, s.a + begin, s.b + begin,
                    1.0F / static_cast<float>(p.rows), s.diagonal + begin);
  });
}

double total(std::int64_t n, const float* values) {
  double sum = 0.0;
  for (std::int64_t i = 0; i < n; ++i) sum += values[i];
  return sum;
}

// A tile of C.
struct CorrelationTile {
  std::int64_t row, col, rows, cols;
};
CorrelationTile tile_of(const CrossCorrelation& p, const Scratch& s, std::int64_t i) {
  const std::int64_t row = i / s.blocks * Scratch::kTile;
  const std::int64_t col = i % s.blocks * Scratch::kTile;
  return {row, col, std::min(Scratch::kTile, p.cols - row), std::min(Scratch::kTile, p.cols - col)};
}
void multiply_tile(const CrossCorrelation& p, const Scratch& s, const CorrelationTile& t, std::int64_t stride,
                   float* c) {
  tile_product({.rows = t.rows,
                .cols = t.cols,
                .inner = p.rows,
                .stride_a = s.stride,
                .stride_b = s.stride,
                .stride_c = stride,
                .transpose_a = true,
                .scale = 1.0F / static_cast<float>(p.rows)},
               s.a + t.row, s.b + t.col, c + t.row * stride + t.col);
}

// The loss, and K_a and K_b; afterwards `diagonal` is e.
double loss_by_rows(const CrossCorrelation& p, const Scratch& s) {
  const Gram gram{.order = p.rows, .inner = p.cols, .stride = s.stride, .k_stride = s.order_stride};
  const std::int64_t tiles = lower_tiles(p.rows);
  parallel_for(2 * tiles, [&](std::int64_t i) {
    const bool first = i < tiles;
    gram_tile(gram, first ? i : i - tiles, first ? s.a : s.b, first ? s.matrix : s.other_matrix);
  });
  for_each_block(p.rows, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      s.partial[r] = dot(p.rows, s.matrix + r * s.order_stride, s.other_matrix + r * s.order_stride);
    }
  });
  const auto lambda = static_cast<double>(p.lambda);
  const auto count = static_cast<double>(p.rows);
  double loss = lambda * total(p.rows, s.partial) / (count * count);
  for (std::int64_t c = 0; c < p.cols; ++c) {
    const double d = s.diagonal[c];
    loss += (d - 1.0) * (d - 1.0) - lambda * d * d;
    s.diagonal[c] = static_cast<float>(2.0 * p.weight * (d - 1.0 - lambda * d) / count);
  }
  return loss;
}

// The loss; afterwards `matrix` is G.
double loss_by_columns(const CrossCorrelation& p, const Scratch& s, float* correlation) {
  parallel_for(s.blocks * s.blocks, [&](std::int64_t i) {
    const CorrelationTile t = tile_of(p, s, i);
    multiply_tile(p, s, t, s.order_stride, s.matrix);
    double diagonal = 0.0;
    double squares = 0.0;
    for (std::int64_t r = t.row; r < t.row + t.rows; ++r) {
      float* row = s.matrix + r * s.order_stride;
      if (correlation != nullptr) std::copy_n(row + t.col, t.cols, correlation + r * p.cols + t.col);
      const bool crosses = t.row == t.col;  // the diagonal of C
      const float on = crosses ? row[r] - 1.0F : 0.0F;
      if (crosses) row[r] = 0.0F;
      squares += square_and_scale(t.cols, 2.0F * p.weight * p.lambda, row + t.col);
      if (crosses) row[r] = 2.0F * p.weight * on;
      diagonal += static_cast<double>(on) * on;
    }
    s.partial[i] = static_cast<float>(diagonal + static_cast<double>(p.lambda) * squares);
  });
  return total(s.blocks * s.blocks, s.partial);
}

// dx (or, with `second`, dy) of some columns.
template <class T>
void column_gradients(const CrossCorrelation& p, const Scratch& s, bool second, std::int64_t begin,
                      float* tile, T* dx) {
  const std::int64_t cols = std::min(Scratch::kTile, p.cols - begin);
  const float* own = second ? s.b : s.a;
  const float* other = second ? s.a : s.b;
  const auto count = static_cast<float>(p.rows);
  TileProduct product{.rows = p.rows,
                      .cols = cols,
                      .inner = s.order,
                      .stride_a = s.order_stride,
                      .stride_b = s.stride,
                      .stride_c = Scratch::kTile};
  if (p.by_rows()) {
    tile_product(product, second ? s.matrix : s.other_matrix, own + begin, tile);
  } else {
    product.stride_a = s.stride;
    product.stride_b = s.order_stride;
    product.transpose_b = !second;  // g_a = b G^T, g_b = a G
    tile_product(product, other, s.matrix + (second ? begin : begin * s.order_stride), tile);
  }
  finish_columns({.rows = p.rows,
                  .cols = cols,
                  .stride = s.stride,
                  .dx_stride = p.cols,
                  .own = own + begin,
                  .other = other + begin,
                  .inverse = (second ? s.inverse_b : s.inverse_a) + begin,
                  .diagonal = p.by_rows() ? s.diagonal + begin : nullptr,
                  .factor = p.by_rows() ? 2.0F * p.weight * p.lambda / (count * count) : 1.0F / count,
                  .mean_share = 1.0F / count,
                  .slope_share = 1.0F / (p.unbiased ? count - 1.0F : count)},
                 tile, dx + begin);
}

}  // namespace

template <class T>
void cross_correlation(const CrossCorrelation& p, const T* x, const T* y, float* scratch,
                       const CrossCorrelationOutputs<T>& out, Stream) {
  p.check();
  const Scratch s(p, ScratchParts(scratch));
  standardise(p, x, y, s);
  if (p.by_rows()) {
    if (out.correlation != nullptr) {
      parallel_for(s.blocks * s.blocks,
                   [&](std::int64_t i) { multiply_tile(p, s, tile_of(p, s, i), p.cols, out.correlation); });
    }
    *out.loss = static_cast<float>(p.weight * loss_by_rows(p, s));
  } else {
    *out.loss = static_cast<float>(p.weight * loss_by_columns(p, s, out.correlation));
  }
  if (out.dx == nullptr && out.dy == nullptr) return;
  parallel_for(s.slots, [&](std::int64_t slot) {
    float* tile = s.tiles + slot * p.rows * Scratch::kTile;
    for (std::int64_t block = slot; block < s.blocks; block += s.slots) {
      const std::int64_t begin = block * Scratch::kTile;
      if (out.dx != nullptr) column_gradients(p, s, /*second=*/false, begin, tile, out.dx);
      if (out.dy != nullptr) column_gradients(p, s, /*second=*/true, begin, tile, out.dy);
    }
  });
}

#define NAGARE_INSTANTIATE(T)                                                          \
  template void cross_correlation(const CrossCorrelation&, const T*, const T*, float*, \
                                  const CrossCorrelationOutputs<T>&, Stream);
NAGARE_INSTANTIATE(float)
NAGARE_INSTANTIATE(bf16)
#undef NAGARE_INSTANTIATE

}  // namespace cpu
}  // namespace nagare::kernels
