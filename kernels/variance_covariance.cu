#include "kernels/variance_covariance.h"

#include "kernels/gram.cuh"
#include "kernels/variance_covariance_scratch.h"

namespace nagare::kernels::cuda {
namespace {

using Scratch = CovarianceScratch;

template <class T>
__global__ void squared_difference(std::int64_t n, const T* x, const T* y, float* partial) {
  Sums<1> sum;
  for_each_index_of_this_thread(n, [&](std::int64_t i) {
    const float d = load(x + i) - load(y + i);
    sum.values[0] += d * d;
  });
  sum = team_sum<kBlock>(sum);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum.values[0];
}

__device__ float variance_of(const VarianceCovariance& p, const Scratch& s, std::int64_t i) {
  return s.squares[i] / static_cast<float>(p.rows - 1);
}

// Per block of columns: sums of max(0, 1 - sd) and, where the diagonal has to be taken off again, of v^2.
__global__ void column_terms(VarianceCovariance p, Scratch s, bool by_rows) {
  Sums<2> sum;
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kBlock + threadIdx.x;
  if (i < 2 * p.cols) {
    const float variance = variance_of(p, s, i);
    const float short_of = 1.0F - sqrtf(variance + p.epsilon);
    sum.values[0] = short_of < 0.0F ? 0.0F : short_of;  // NaN stays
    sum.values[1] = variance * variance;
  }
  sum = team_sum<kBlock>(sum);
  if (threadIdx.x != 0) return;
  s.hinge[blockIdx.x] = sum.values[0];
  s.diagonal[blockIdx.x] = by_rows ? sum.values[1] : 0.0F;
}

// K / (N - 1) of both views from their splits, and sums of its squares.
__global__ void finish_gram(VarianceCovariance p, Scratch s) {
  const std::int64_t elements = p.rows * p.rows;
  const float share = 1.0F / static_cast<float>(p.rows - 1);
  Sums<1> sum;
  for_each_index_of_this_thread(elements, [&](std::int64_t i) {
    for (std::int64_t view = 0; view < 2; ++view) {
      const float k = share * gram_element(p.rows, s.splits, s.split_matrix, view, i / p.rows, i % p.rows);
      s.matrix[view * elements + i] = k;
      sum.values[0] += k * k;
    }
  });
  sum = team_sum<kBlock>(sum);
  if (threadIdx.x == 0) s.covariance[blockIdx.x] = sum.values[0];
}

template <class T>
__device__ SampleOperand<T> view_of(const VarianceCovariance& p, const Views<T>& views, const Scratch& s,
                                    std::int64_t view) {
  return {views.of(view), s.mean + view * p.cols, nullptr, p.cols};
}

// A tile of C on or under the diagonal and its mirror image, without C's diagonal; and the sum of its squares.
// Grid: (tiles, views).
template <class T>
__global__ void covariance_tile(VarianceCovariance p, Views<T> views, Scratch s) {
  const LowerTile tile = lower_tile(blockIdx.x);
  const std::int64_t view = blockIdx.y;
  const ColumnOperand<T> x{view_of(p, views, s, view)};
  const TileOperand<ColumnOperand<T>> a{x, tile.row * kGemmSide, p.cols};
  const TileOperand<ColumnOperand<T>> b{x, tile.col * kGemmSide, p.cols};
  float acc[4][4];
  gemm_tile(a, b, 0, p.rows, acc);
  float* out = s.matrix + view * p.cols * p.cols;
  const float share = 1.0F / static_cast<float>(p.rows - 1);
  Sums<1> sum;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const std::int64_t row = a.first + gemm_row(i);
      const std::int64_t col = b.first + gemm_col(j);
      if (row >= p.cols || col >= p.cols) continue;
      const float c = row == col ? 0.0F : acc[i][j] * share;
      out[row * p.cols + col] = c;
      if (tile.row != tile.col) out[col * p.cols + row] = c;
      sum.values[0] += c * c;
    }
  }
  sum = team_sum<kBlock>(sum);
  const float copies = tile.row == tile.col ? 1.0F : 2.0F;
  if (threadIdx.x == 0) s.covariance[blockIdx.y * gridDim.x + blockIdx.x] = copies * sum.values[0];
}

__device__ float sum_of(std::int64_t n, const float* values) {
  Sums<1> sum;
  for (std::int64_t i = threadIdx.x; i < n; i += kBlock) sum.values[0] += values[i];
  return team_sum<kBlock>(sum).values[0];
}

// One block.
__global__ void finish_terms(VarianceCovariance p, Scratch s, float* terms) {
  const auto cols = static_cast<float>(p.cols);
  const float invariance = sum_of(s.invariance_parts, s.invariance) / static_cast<float>(p.rows * p.cols);
  const float variance = sum_of(s.column_parts, s.hinge) / cols;
  const float diagonal = sum_of(s.column_parts, s.diagonal);
  const float covariance = (sum_of(s.covariance_parts, s.covariance) - diagonal) / cols;
  if (threadIdx.x != 0) return;
  const bool has_variance = p.variance_weight != 0.0F;
  const bool has_covariance = p.covariance_weight != 0.0F;
  terms[1] = p.invariance_weight != 0.0F ? invariance : 0.0F;
  terms[2] = has_variance ? variance : 0.0F;
  terms[3] = has_covariance ? covariance : 0.0F;
  terms[0] = p.invariance_weight * invariance + p.variance_weight * terms[2] + p.covariance_weight * terms[3];
}

// An element of a view's gradient; `product` is X offdiag(C), with the diagonal's part still in it where it came by rows.
template <bool kByRows, class T>
__device__ float gradient(const VarianceCovariance& p, const Views<T>& views, const Scratch& s,
                          std::int64_t view, std::int64_t r, std::int64_t c, float product) {
  const std::int64_t at = r * p.cols + c;
  const float x = load(views.of(view) + at);
  float g = 2.0F * p.invariance_weight / (static_cast<float>(p.rows) * static_cast<float>(p.cols)) *
            (x - load(views.of(1 - view) + at));
  if (p.variance_weight == 0.0F && p.covariance_weight == 0.0F) return g;
  const float share = 1.0F / (static_cast<float>(p.cols) * static_cast<float>(p.rows - 1));
  const float variance = variance_of(p, s, view * p.cols + c);
  const float sd = sqrtf(variance + p.epsilon);
  const float centred = x - s.mean[view * p.cols + c];
  if (sd < 1.0F) g -= p.variance_weight * share / sd * centred;
  if (kByRows) product -= centred * variance;
  return p.covariance_weight == 0.0F ? g : g + 4.0F * p.covariance_weight * share * product;
}

// Grid: (column tiles, row tiles, views), the first of which is `first_view`.
template <bool kByRows, class T>
__global__ void gradient_tile(VarianceCovariance p, Views<T> views, Scratch s, int first_view, T* dx, T* dy) {
  const std::int64_t view = first_view + blockIdx.z;
  const SampleOperand<T> x = view_of(p, views, s, view);
  const float* matrix = s.matrix + view * s.order * s.order;
  const std::int64_t first_row = blockIdx.y * std::int64_t{kGemmSide};
  const std::int64_t first_col = blockIdx.x * std::int64_t{kGemmSide};
  float acc[4][4];
  if constexpr (kByRows) {
    gemm_tile(TileOperand<MatrixRows>{{matrix, p.rows}, first_row, p.rows},
              TileOperand<ColumnOperand<T>>{{x}, first_col, p.cols}, 0, p.rows, acc);
  } else {  // the matrix is symmetric: its rows are its columns
    gemm_tile(TileOperand<SampleOperand<T>>{x, first_row, p.rows},
              TileOperand<MatrixColumns>{{matrix, p.cols}, first_col, p.cols}, 0, p.cols, acc);
  }
  T* out = view == 0 ? dx : dy;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const std::int64_t r = first_row + gemm_row(i);
      const std::int64_t c = first_col + gemm_col(j);
      if (r < p.rows && c < p.cols)
        store(out + r * p.cols + c, gradient<kByRows>(p, views, s, view, r, c, acc[i][j]));
    }
  }
}

// The same where there is no product. Grid: (any, views).
template <class T>
__global__ void gradient_elements(VarianceCovariance p, Views<T> views, Scratch s, int first_view, T* dx,
                                  T* dy) {
  const std::int64_t view = first_view + blockIdx.y;
  T* out = view == 0 ? dx : dy;
  for_each_index_of_this_thread(p.rows * p.cols, [=](std::int64_t i) {
    store(out + i, gradient<false>(p, views, s, view, i / p.cols, i % p.cols, 0.0F));
  });
}

template <class T>
void launch_terms(const VarianceCovariance& p, const Views<T>& views, const Scratch& s, float* terms,
                  Stream stream) {
  launch("variance_covariance_invariance", squared_difference<T>, static_cast<unsigned>(s.invariance_parts),
         kBlock, 0, stream, p.rows * p.cols, views.first, views.second, s.invariance);
  if (p.needs_moments()) {
    launch_column_moments("variance_covariance_moments", p.rows, p.cols, views, s.mean, s.squares, stream);
    launch("variance_covariance_columns", column_terms, static_cast<unsigned>(s.column_parts), kBlock, 0,
           stream, p, s, p.by_rows());
  }
  if (p.needs_products() && p.by_rows()) {
    const dim3 grid(static_cast<unsigned>(lower_tiles(p.rows)), static_cast<unsigned>(s.splits), 2);
    const float* no_scale = nullptr;
    launch("variance_covariance_gram", gram_of_rows<T>, grid, kBlock, 0, stream, p.rows, p.cols, views,
           s.mean, no_scale, s.split_matrix);
    launch("variance_covariance_gram_sum", finish_gram, static_cast<unsigned>(s.covariance_parts), kBlock, 0,
           stream, p, s);
  } else if (p.needs_products()) {
    launch("variance_covariance_tile", covariance_tile<T>,
           dim3(static_cast<unsigned>(lower_tiles(p.cols)), 2), kBlock, 0, stream, p, views, s);
  }
  launch("variance_covariance_terms", finish_terms, 1, kBlock, 0, stream, p, s, terms);
}

}  // namespace

template <class T>
void variance_covariance(const VarianceCovariance& p, const T* x, const T* y, float* scratch,
                         const VarianceCovarianceOutputs<T>& out, Stream stream) {
  p.check();
  const Scratch s(p, ScratchParts(scratch));
  const Views<T> views{x, y};
  launch_terms(p, views, s, out.terms, stream);
  const unsigned learning = (out.dx != nullptr ? 1U : 0U) + (out.dy != nullptr ? 1U : 0U);
  if (learning == 0) return;
  const int first_view = out.dx != nullptr ? 0 : 1;
  if (!p.needs_products()) {
    launch("variance_covariance_elements", gradient_elements<T>, dim3(grid_for(p.rows * p.cols), learning),
           kBlock, 0, stream, p, views, s, first_view, out.dx, out.dy);
    return;
  }
  const dim3 tiles(static_cast<unsigned>(s.column_tiles), static_cast<unsigned>(s.row_tiles), learning);
  launch("variance_covariance_gradient", p.by_rows() ? gradient_tile<true, T> : gradient_tile<false, T>,
         tiles, kBlock, 0, stream, p, views, s, first_view, out.dx, out.dy);
}

#define NAGARE_INSTANTIATE(T)                                                              \
  template void variance_covariance(const VarianceCovariance&, const T*, const T*, float*, \
                                    const VarianceCovarianceOutputs<T>&, Stream);
NAGARE_INSTANTIATE(float)
NAGARE_INSTANTIATE(bf16)
#undef NAGARE_INSTANTIATE

}  // namespace nagare::kernels::cuda
