#include "kernels/cross_correlation.h"

#include "kernels/cross_correlation_scratch.h"
#include "kernels/gram.cuh"

namespace nagare::kernels::cuda {
namespace {

using Scratch = CorrelationScratch;

constexpr std::int64_t kFinishRows = 64;  // rows whose gradients a block writes

// Sums of squares become 1 / deviation.
__global__ void invert_deviations(CrossCorrelation p, float* squares) {
  const auto divisor = static_cast<float>(p.unbiased ? p.rows - 1 : p.rows);
  for_each_index_of_this_thread(2 * p.cols, [=](std::int64_t i) {
    const float variance = squares[i] / divisor + p.epsilon;
    squares[i] = variance == 0.0F ? 0.0F : 1.0F / sqrtf(variance);
  });
}

template <class T>
__device__ SampleOperand<T> view_of(const CrossCorrelation& p, const Views<T>& views, const Scratch& s,
                                    std::int64_t view) {
  return {views.of(view), s.mean + view * p.cols, s.inverse + view * p.cols, p.cols};
}

// K_a and K_b from their splits, and the loss's <K_a, K_b>.
__global__ void finish_gram(CrossCorrelation p, Scratch s) {
  const std::int64_t elements = p.rows * p.rows;
  const auto count = static_cast<float>(p.rows);
  Sums<1> sum;
  for_each_index_of_this_thread(elements, [&](std::int64_t i) {
    const float a = gram_element(p.rows, s.splits, s.split_matrix, 0, i / p.rows, i % p.rows);
    const float b = gram_element(p.rows, s.splits, s.split_matrix, 1, i / p.rows, i % p.rows);
    s.matrix[i] = a;
    s.matrix[elements + i] = b;
    sum.values[0] += (a / count) * (b / count);
  });
  sum = team_sum<kBlock>(sum);
  if (threadIdx.x == 0) s.partial[blockIdx.x] = p.lambda * sum.values[0];
}

// C_ii, their terms of the loss, and e_i. A block owns 32 columns, its warps take the rows in turn.
template <class T>
__global__ void correlation_diagonal(CrossCorrelation p, Views<T> views, Scratch s) {
  constexpr int kWarps = kBlock / kWarp;
  NAGARE_SHARED(float, part, [kWarps][kWarp]);
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const std::int64_t c = static_cast<std::int64_t>(blockIdx.x) * kWarp + lane;
  const SampleOperand<T> a = view_of(p, views, s, 0);
  const SampleOperand<T> b = view_of(p, views, s, 1);
  float sum = 0.0F;
  if (c < p.cols) {
    for (std::int64_t r = warp; r < p.rows; r += kWarps) sum += a(r, c) * b(r, c);
  }
  part[warp][lane] = sum;
  __syncthreads();
  if (warp != 0) return;
  for (int w = 1; w < kWarps; ++w) sum += part[w][lane];
  const auto count = static_cast<float>(p.rows);
  const float d = sum / count;
  float loss = 0.0F;
  if (c < p.cols) {
    loss = (d - 1.0F) * (d - 1.0F) - p.lambda * d * d;
    s.diagonal[c] = 2.0F * p.weight * (d - 1.0F - p.lambda * d) / count;
  }
  loss = warp_sum(loss);
  if (lane == 0) s.partial[s.product_partials + blockIdx.x] = loss;
}

// A tile of C: written to `correlation` if that is not nullptr; with `loss`, its part of the loss and of G too.
template <class T>
__global__ void correlation_tile(CrossCorrelation p, Views<T> views, Scratch s, float* correlation,
                                 bool loss) {
  const TileOperand<ColumnOperand<T>> a{
      {view_of(p, views, s, 0)}, blockIdx.y * std::int64_t{kGemmSide}, p.cols};
  const TileOperand<ColumnOperand<T>> b{
      {view_of(p, views, s, 1)}, blockIdx.x * std::int64_t{kGemmSide}, p.cols};
  float acc[4][4];
  gemm_tile(a, b, 0, p.rows, acc);
  const auto count = static_cast<float>(p.rows);
  Sums<1> sum;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const std::int64_t row = a.first + gemm_row(i);
      const std::int64_t col = b.first + gemm_col(j);
      if (row >= p.cols || col >= p.cols) continue;
      const float c = acc[i][j] / count;
      const float off = row == col ? c - 1.0F : c;
      const float strength = row == col ? 1.0F : p.lambda;
      if (correlation != nullptr) correlation[row * p.cols + col] = c;
      if (loss) s.matrix[row * p.cols + col] = 2.0F * p.weight * strength * off;
      sum.values[0] += strength * off * off;
    }
  }
  if (!loss) return;
  sum = team_sum<kBlock>(sum);
  if (threadIdx.x == 0) s.partial[blockIdx.y * gridDim.x + blockIdx.x] = sum.values[0];
}

// From a tile of the product: g, and the sums of g a over the tile's rows.
template <bool kByRows, class T>
__device__ void write_gradient(const CrossCorrelation& p, const Scratch& s, const SampleOperand<T>& own,
                               const SampleOperand<T>& other, std::int64_t view, const float (&acc)[4][4]) {
  NAGARE_SHARED(float, part, [16][kGemmSide]);
  const auto count = static_cast<float>(p.rows);
  const float factor = kByRows ? 2.0F * p.weight * p.lambda / (count * count) : 1.0F / count;
  const std::int64_t first_row = blockIdx.y * std::int64_t{kGemmSide};
  const std::int64_t first_col = blockIdx.x * std::int64_t{kGemmSide};
  float* out = s.gradient + view * p.rows * p.cols;
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    const std::int64_t c = first_col + gemm_col(j);
    float along = 0.0F;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const std::int64_t r = first_row + gemm_row(i);
      if (r >= p.rows || c >= p.cols) continue;
      float g = factor * acc[i][j];
      if (kByRows) g += other(r, c) * s.diagonal[c];
      out[r * p.cols + c] = g;
      along += g * own(r, c);
    }
    part[gemm_row(0) / 4][gemm_col(j)] = along;
  }
  __syncthreads();
  const std::int64_t c = first_col + threadIdx.x;
  if (threadIdx.x >= kGemmSide || c >= p.cols) return;
  float along = 0.0F;
  for (int w = 0; w < 16; ++w) along += part[w][threadIdx.x];
  s.along[(view * s.row_tiles + blockIdx.y) * p.cols + c] = along;
}

// Grid: (column tiles, row tiles, views), the first of which is `first_view`.
template <class T>
__global__ void gradient_by_rows(CrossCorrelation p, Views<T> views, Scratch s, int first_view) {
  const std::int64_t view = first_view + blockIdx.z;
  const SampleOperand<T> own = view_of(p, views, s, view);
  const MatrixRows k{s.matrix + (1 - view) * p.rows * p.rows, p.rows};  // the other view's
  const TileOperand<MatrixRows> a{k, blockIdx.y * std::int64_t{kGemmSide}, p.rows};
  const TileOperand<ColumnOperand<T>> b{{own}, blockIdx.x * std::int64_t{kGemmSide}, p.cols};
  float acc[4][4];
  gemm_tile(a, b, 0, p.rows, acc);
  write_gradient<true>(p, s, own, view_of(p, views, s, 1 - view), view, acc);
}

// g_a = b G^T / N and g_b = a G / N.
template <class T>
__global__ void gradient_by_columns(CrossCorrelation p, Views<T> views, Scratch s, int first_view) {
  const std::int64_t view = first_view + blockIdx.z;
  const SampleOperand<T> other = view_of(p, views, s, 1 - view);
  const TileOperand<SampleOperand<T>> a{other, blockIdx.y * std::int64_t{kGemmSide}, p.rows};
  const std::int64_t first_col = blockIdx.x * std::int64_t{kGemmSide};
  float acc[4][4];
  if (view == 0) {
    gemm_tile(a, TileOperand<MatrixRows>{{s.matrix, p.cols}, first_col, p.cols}, 0, p.cols, acc);
  } else {
    gemm_tile(a, TileOperand<MatrixColumns>{{s.matrix, p.cols}, first_col, p.cols}, 0, p.cols, acc);
  }
  write_gradient<false>(p, s, view_of(p, views, s, view), other, view, acc);
}

// Through the standardisation. The mean of g over a column, which its formula subtracts, is 0: every term of g is a
// multiple of a centred column.
template <class T>
__global__ void input_gradient(CrossCorrelation p, Views<T> views, Scratch s, int first_view, T* dx, T* dy) {
  const std::int64_t view = first_view + blockIdx.z;
  const std::int64_t c = static_cast<std::int64_t>(blockIdx.x) * kWarp + threadIdx.x % kWarp;
  if (c >= p.cols) return;
  const SampleOperand<T> own = view_of(p, views, s, view);
  const float* g = s.gradient + view * p.rows * p.cols;
  float along = 0.0F;
  for (std::int64_t t = 0; t < s.row_tiles; ++t) along += s.along[(view * s.row_tiles + t) * p.cols + c];
  const float slope = along / static_cast<float>(p.unbiased ? p.rows - 1 : p.rows);
  const float inverse = s.inverse[view * p.cols + c];
  T* out = view == 0 ? dx : dy;
  const std::int64_t first = blockIdx.y * kFinishRows;
  const std::int64_t end = first + kFinishRows < p.rows ? first + kFinishRows : p.rows;
  for (std::int64_t r = first + threadIdx.x / kWarp; r < end; r += kBlock / kWarp) {
    store(out + r * p.cols + c, (g[r * p.cols + c] - own(r, c) * slope) * inverse);
  }
}

unsigned blocks_of(std::int64_t n, std::int64_t each) { return static_cast<unsigned>((n + each - 1) / each); }

}  // namespace

template <class T>
void cross_correlation(const CrossCorrelation& p, const T* x, const T* y, float* scratch,
                       const CrossCorrelationOutputs<T>& out, Stream stream) {
  p.check();
  const Scratch s(p, ScratchParts(scratch));
  const Views<T> views{x, y};
  const dim3 square(static_cast<unsigned>(s.column_tiles), static_cast<unsigned>(s.column_tiles));
  launch_column_moments("cross_correlation_moments", p.rows, p.cols, views, s.mean, s.inverse, stream);
  launch("cross_correlation_deviations", invert_deviations, grid_for(2 * p.cols), kBlock, 0, stream, p,
         s.inverse);
  if (p.by_rows()) {
    const dim3 grid(static_cast<unsigned>(lower_tiles(p.rows)), static_cast<unsigned>(s.splits), 2);
    launch("cross_correlation_gram", gram_of_rows<T>, grid, kBlock, 0, stream, p.rows, p.cols, views, s.mean,
           s.inverse, s.split_matrix);
    launch("cross_correlation_gram_sum", finish_gram, static_cast<unsigned>(s.product_partials), kBlock, 0,
           stream, p, s);
    launch("cross_correlation_diagonal", correlation_diagonal<T>, blocks_of(p.cols, kWarp), kBlock, 0, stream,
           p, views, s);
  }
  if (!p.by_rows() || out.correlation != nullptr) {
    launch("cross_correlation_tile", correlation_tile<T>, square, kBlock, 0, stream, p, views, s,
           out.correlation, !p.by_rows());
  }
  launch("cross_correlation_loss", weighted_sum<float>, 1, kBlock, 0, stream, s.partials, s.partial, p.weight,
         out.loss);
  const unsigned learning = (out.dx != nullptr ? 1U : 0U) + (out.dy != nullptr ? 1U : 0U);
  if (learning == 0) return;
  const int first_view = out.dx != nullptr ? 0 : 1;
  const dim3 tiles(static_cast<unsigned>(s.column_tiles), static_cast<unsigned>(s.row_tiles), learning);
  launch("cross_correlation_gradient", p.by_rows() ? gradient_by_rows<T> : gradient_by_columns<T>, tiles,
         kBlock, 0, stream, p, views, s, first_view);
  const dim3 finish(blocks_of(p.cols, kWarp), blocks_of(p.rows, kFinishRows), learning);
  launch("cross_correlation_input_gradient", input_gradient<T>, finish, kBlock, 0, stream, p, views, s,
         first_view, out.dx, out.dy);
}

#define NAGARE_INSTANTIATE(T)                                                          \
  template void cross_correlation(const CrossCorrelation&, const T*, const T*, float*, \
                                  const CrossCorrelationOutputs<T>&, Stream);
NAGARE_INSTANTIATE(float)
NAGARE_INSTANTIATE(bf16)
#undef NAGARE_INSTANTIATE

}  // namespace nagare::kernels::cuda
