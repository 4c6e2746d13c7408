#include "kernels/variance_covariance.h"

#include <cmath>
#include <stdexcept>
#include <string>

#include "kernels/parallel.h"
#include "kernels/row_sums.h"
#include "kernels/tile_product.h"
#include "kernels/variance_covariance_scratch.h"

namespace nagare::kernels {

void VarianceCovariance::check() const {
  const bool weights =
      std::isfinite(invariance_weight) && std::isfinite(variance_weight) && std::isfinite(covariance_weight);
  if (rows < (needs_moments() ? 2 : 1) || cols < 1 || !weights ||
      !(epsilon > 0.0F && std::isfinite(epsilon))) {
    throw std::invalid_argument("variance_covariance: shape (" + std::to_string(rows) + ", " +
                                std::to_string(cols) + "), weights " + std::to_string(invariance_weight) +
                                ", " + std::to_string(variance_weight) + ", " +
                                std::to_string(covariance_weight) + ", epsilon " + std::to_string(epsilon) +
                                ": need rows >= 2 (1 for the invariance alone), cols >= 1, finite weights, "
                                "epsilon positive and finite");
  }
}

std::int64_t VarianceCovariance::scratch_floats() const {
  return std::max(cpu::CovarianceScratch(*this, ScratchParts(nullptr)).floats,
                  cuda::CovarianceScratch(*this, ScratchParts(nullptr)).floats);
}

namespace cpu {
namespace {

using simd::kLanes;
using simd::Vector;
using Scratch = CovarianceScratch;

// One view's gradient of some columns of all rows: dx = difference (x - y) + own[c] (x - mean[c]) + product p.
template <class T>
struct Finish {
  std::int64_t rows, cols, stride;
  const T* x;
  const T* y;
  T* dx;
  const float* mean;  // nullptr: only the difference is there
  const float* own;
  const float* products;  // or nullptr; rows of kTile
  float difference;
  float product;
};

template <class T>
NAGARE_INLINE void finish_sixteen(const Finish<T>& f, std::int64_t c, std::int64_t count) {
  Vector mean{};
  Vector own{};
  if (f.mean != nullptr) {
    get_row(f.mean + c, count, mean);
    get_row(f.own + c, count, own);
  }
  for (std::int64_t r = 0; r < f.rows; ++r) {
    Vector x, y;
    get_row(f.x + r * f.stride + c, count, x);
    get_row(f.y + r * f.stride + c, count, y);
    Vector g = (x - y) * f.difference + (x - mean) * own;
    if (f.products != nullptr) {
      Vector product;
      get_row(f.products + r * Scratch::kTile + c, count, product);
      g += product * f.product;
    }
    put_row(f.dx + r * f.stride + c, count, g);
  }
}

template <class T>
NAGARE_INLINE float squared_difference_sixteen(const ColumnBlock& b, std::int64_t c, std::int64_t count,
                                               const T* x, const T* y) {
  Vector sum{};
  for (std::int64_t r = 0; r < b.rows; ++r) {
    Vector u, v;
    get_row(x + r * b.stride + c, count, u);
    get_row(y + r * b.stride + c, count, v);
    u -= v;
    sum += u * u;
  }
  return simd::sum(sum);
}

// One definition per element type, as only plain functions can be compiled for several vector widths.
#define NAGARE_DEFINE_COLUMNS(T)                                                                \
  NAGARE_SIMD void finish(const Finish<T>& f) {                                                 \
    for (std::int64_t c = 0; c < f.cols; c += kLanes) {                                         \
      finish_sixteen(f, c, f.cols - c < kLanes ? f.cols - c : kLanes);                          \
    }                                                                                           \
  }                                                                                             \
  NAGARE_SIMD float squared_difference(const ColumnBlock& b, const T* x, const T* y) {          \
    float sum = 0.0F;                                                                           \
    for (std::int64_t c = 0; c < b.cols; c += kLanes) {                                         \
      sum += squared_difference_sixteen(b, c, b.cols - c < kLanes ? b.cols - c : kLanes, x, y); \
    }                                                                                           \
    return sum;                                                                                 \
  }
NAGARE_DEFINE_COLUMNS(float)
NAGARE_DEFINE_COLUMNS(bf16)
#undef NAGARE_DEFINE_COLUMNS

double total(std::int64_t n, const float* values) {
  double sum = 0.0;
  for (std::int64_t i = 0; i < n; ++i) sum += values[i];
  return sum;
}

// The mean squared difference; with moments, both views' means, variances and centred copies on the way.
template <class T>
double invariance_and_moments(const VarianceCovariance& p, const T* x, const T* y, const Scratch& s) {
  const bool moments = p.needs_moments();
  for_each_block(p.cols, kMomentColumns, [&](std::int64_t begin, std::int64_t end) {
    const ColumnBlock block{p.rows, end - begin, p.cols};
    s.partial[begin / kMomentColumns] = squared_difference(block, x + begin, y + begin);
    for (int view = 0; moments && view < 2; ++view) {
      float* variance = s.variance[view] + begin;
      centre_columns(block, (view == 0 ? x : y) + begin, s.stride, s.centred[view] + begin,
                     s.mean[view] + begin, variance);
      for (std::int64_t c = 0; c < end - begin; ++c) variance[c] /= static_cast<float>(p.rows - 1);
    }
  });
  return total(s.moment_blocks, s.partial) / static_cast<double>(p.rows * p.cols);
}

double deviation(const VarianceCovariance& p, float variance) {
  return std::sqrt(static_cast<double>(variance) + static_cast<double>(p.epsilon));
}

double variance_term(const VarianceCovariance& p, const Scratch& s) {
  double sum = 0.0;
  for (const float* variance : s.variance) {
    for (std::int64_t c = 0; c < p.cols; ++c) {
      const double short_of = 1.0 - deviation(p, variance[c]);
      sum += short_of < 0.0 ? 0.0 : short_of;  // NaN stays
    }
  }
  return sum / static_cast<double>(p.cols);
}

// Makes `matrix` of both views on the way.
double covariance_term(const VarianceCovariance& p, const Scratch& s) {
  const Gram gram{.order = s.order,
                  .inner = p.by_rows() ? p.cols : p.rows,
                  .stride = s.stride,
                  .k_stride = s.order_stride,
                  .transpose = !p.by_rows(),
                  .scale = 1.0F / static_cast<float>(p.rows - 1)};
  const std::int64_t tiles = lower_tiles(s.order);
  parallel_for(2 * tiles, [&](std::int64_t i) {
    gram_tile(gram, i % tiles, s.centred[i / tiles], s.matrix[i / tiles]);
  });
  for_each_block(2 * s.order, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t r = i % s.order;
      float* row = s.matrix[i / s.order] + r * s.order_stride;
      if (!p.by_rows()) row[r] = 0.0F;
      s.partial[i] = dot(s.order, row, row);
    }
  });
  double squares = total(2 * s.order, s.partial);
  if (p.by_rows()) {
    for (const float* variance : s.variance) {
      for (std::int64_t c = 0; c < p.cols; ++c) squares -= static_cast<double>(variance[c]) * variance[c];
    }
  }
  return squares / static_cast<double>(p.cols);
}

// What (x - mean) is multiplied by in a gradient.
void own_factors(const VarianceCovariance& p, std::int64_t count, const float* variance, float* own) {
  const double share = 1.0 / (static_cast<double>(p.cols) * static_cast<double>(p.rows - 1));
  const double covariance = p.by_rows() ? 4.0 * p.covariance_weight * share : 0.0;
  for (std::int64_t c = 0; c < count; ++c) {
    const double sd = deviation(p, variance[c]);
    const double hinge = sd < 1.0 ? p.variance_weight * share / sd : 0.0;
    own[c] = static_cast<float>(-hinge - covariance * variance[c]);
  }
}

// The gradient of one view in some columns. `tile` holds the product.
template <class T>
void column_gradients(const VarianceCovariance& p, const Scratch& s, int view, std::int64_t begin,
                      const T* const* in, float* tile, T* dx) {
  const std::int64_t cols = std::min(Scratch::kTile, p.cols - begin);
  float own[Scratch::kTile];
  if (p.needs_moments()) own_factors(p, cols, s.variance[view] + begin, own);
  if (p.needs_products()) {
    const TileProduct product{.rows = p.rows,
                              .cols = cols,
                              .inner = s.order,
                              .stride_a = p.by_rows() ? s.order_stride : s.stride,
                              .stride_b = p.by_rows() ? s.stride : s.order_stride,
                              .stride_c = Scratch::kTile};
    const float* left = p.by_rows() ? s.matrix[view] : s.centred[view];
    const float* right = p.by_rows() ? s.centred[view] : s.matrix[view];
    tile_product(product, left, right + begin, tile);
  }
  const auto count = static_cast<double>(p.rows) * static_cast<double>(p.cols);
  finish(Finish<T>{
      .rows = p.rows,
      .cols = cols,
      .stride = p.cols,
      .x = in[view] + begin,
      .y = in[1 - view] + begin,
      .dx = dx + begin,
      .mean = p.needs_moments() ? s.mean[view] + begin : nullptr,
      .own = own,
      .products = p.needs_products() ? tile : nullptr,
      .difference = static_cast<float>(2.0 * p.invariance_weight / count),
      .product = 4.0F * p.covariance_weight / (static_cast<float>(p.cols) * static_cast<float>(p.rows - 1))});
}

}  // namespace

template <class T>
void variance_covariance(const VarianceCovariance& p, const T* x, const T* y, float* scratch,
                         const VarianceCovarianceOutputs<T>& out, Stream) {
  p.check();
  const Scratch s(p, ScratchParts(scratch));
  const double invariance = invariance_and_moments(p, x, y, s);
  const double variance = p.variance_weight != 0.0F ? variance_term(p, s) : 0.0;
  const double covariance = p.needs_products() ? covariance_term(p, s) : 0.0;
  const double loss =
      p.invariance_weight * invariance + p.variance_weight * variance + p.covariance_weight * covariance;
  const double terms[] = {loss, p.invariance_weight != 0.0F ? invariance : 0.0, variance, covariance};
  for (int i = 0; i < 4; ++i) out.terms[i] = static_cast<float>(terms[i]);
  const T* const in[] = {x, y};
  T* const gradients[] = {out.dx, out.dy};
  if (out.dx == nullptr && out.dy == nullptr) return;
  parallel_for(s.slots, [&](std::int64_t slot) {
    float* tile = p.needs_products() ? s.tiles + slot * p.rows * Scratch::kTile : nullptr;
    for (std::int64_t block = slot; block < s.blocks; block += s.slots) {
      for (int view = 0; view < 2; ++view) {
        if (gradients[view] == nullptr) continue;
        column_gradients(p, s, view, block * Scratch::kTile, in, tile, gradients[view]);
      }
    }
  });
}

#define NAGARE_INSTANTIATE(T)                                                              \
  template void variance_covariance(const VarianceCovariance&, const T*, const T*, float*, \
                                    const VarianceCovarianceOutputs<T>&, Stream);
NAGARE_INSTANTIATE(float)
NAGARE_INSTANTIATE(bf16)
#undef NAGARE_INSTANTIATE

}  // namespace cpu
}  // namespace nagare::kernels
