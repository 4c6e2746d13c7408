#include "kernels/sinkhorn.h"

#include <cfloat>
#include <cmath>

#include "kernels/warp.cuh"

namespace nagare::kernels::cuda {
namespace {

// Every pass reads the scores once from memory. Eight warps take a row each for its log u; then the threads take columns
// and add the eight rows, which the first step left in L1, to the block's (max, sum) of those columns. The exponentials
// are computed again: at 16 a cycle and multiprocessor they take a third of the time that reading f32 scores does.
constexpr std::int64_t kRowsAtOnce = kBlock / kWarp;
constexpr std::int64_t kMaxShares = 256;  // two blocks on each of 132 multiprocessors
constexpr int kSlices = 8;                // of the shares, merged side by side

std::int64_t shares_of(const Sinkhorn& p) {
  const std::int64_t groups = (p.samples() + kRowsAtOnce - 1) / kRowsAtOnce;
  return groups < kMaxShares ? groups : kMaxShares;
}

// A running sum of exp(value - max).
struct MaxSum {
  float max = -FLT_MAX;  // not -inf, for which -inf - -inf would be NaN
  float sum = 0.0F;

  __device__ void merge(const MaxSum& other) {
    const float larger = fmaxf(max, other.max);
    sum = sum * expf(max - larger) + other.sum * expf(other.max - larger);
    max = larger;
  }
};

template <class T>
struct Scores {
  const T* batch;
  const T* queue;

  __device__ const T* row(const Sinkhorn& p, std::int64_t b) const {
    return b < p.rows ? batch + b * p.cols : queue + (b - p.rows) * p.cols;
  }
};

// log u of a row, in every lane. Four columns at a time share one rescaling, so that there are 1.25 exponentials a column.
template <class T>
__device__ float log_u(const T* s, std::int64_t cols, float scale, const float* g, int lane) {
  constexpr int kUnroll = 4;
  MaxSum row;
  for (std::int64_t first = lane; first < cols; first += kUnroll * kWarp) {
    float t[kUnroll];
    float largest = row.max;
#pragma unroll
    for (int i = 0; i < kUnroll; ++i) {
      const std::int64_t c = first + i * kWarp;
      t[i] = c < cols ? load(s + c) * scale + g[c] : -FLT_MAX;
      largest = fmaxf(largest, t[i]);
    }
    row.sum *= expf(row.max - largest);
#pragma unroll
    for (int i = 0; i < kUnroll; ++i) {
      if (first + i * kWarp < cols) row.sum += expf(t[i] - largest);
    }
    row.max = largest;
  }
  for (int step = kWarp / 2; step > 0; step /= 2) {
    row.merge({shuffle_xor(row.max, step), shuffle_xor(row.sum, step)});
  }
  return -(row.max + logf(row.sum));
}

// parts (shares, 2, cols): the columns' maxima and sums over the share's rows of exp(s scale + log u). Rows are dealt to
// the blocks in groups of eight.
template <class T>
__global__ void column_masses(Sinkhorn p, float scale, bool first, Scores<T> scores, const float* g,
                              float* parts) {
  NAGARE_SHARED(float, f, [kRowsAtOnce]);
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  float* max = parts + static_cast<std::int64_t>(blockIdx.x) * 2 * p.cols;
  float* sum = max + p.cols;
  const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * kRowsAtOnce;
  const std::int64_t samples = p.rows + p.queue_rows;
  for (std::int64_t b = static_cast<std::int64_t>(blockIdx.x) * kRowsAtOnce; b < samples; b += stride) {
    const int count = static_cast<int>(samples - b < kRowsAtOnce ? samples - b : kRowsAtOnce);
    if (warp < count) {
      const float value = first ? 0.0F : log_u(scores.row(p, b + warp), p.cols, scale, g, lane);
      if (lane == 0) f[warp] = value;
    }
    __syncthreads();
    for (std::int64_t c = threadIdx.x; c < p.cols; c += kBlock) {
      float t[kRowsAtOnce];
      MaxSum column;
#pragma unroll
      for (int i = 0; i < kRowsAtOnce; ++i) {
        t[i] = i < count ? load(scores.row(p, b + i) + c) * scale + f[i] : -FLT_MAX;
        column.max = fmaxf(column.max, t[i]);
      }
#pragma unroll
      for (int i = 0; i < kRowsAtOnce; ++i) {
        if (i < count) column.sum += expf(t[i] - column.max);
      }
      // The block's first group begins the column; a thread meets its own columns again in every group.
      if (b >= stride) column.merge({max[c], sum[c]});
      max[c] = column.max;
      sum[c] = column.sum;
    }
    __syncthreads();  // f is written again
  }
}

// g = log of the mass that a prototype shall have, less that which it has: a block owns 32 columns, its warps a slice of the shares each.
__global__ void merge_masses(std::int64_t cols, std::int64_t shares, float log_mass, const float* parts,
                             float* g) {
  NAGARE_SHARED(MaxSum, slice, [kSlices][kWarp]);
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const std::int64_t c = static_cast<std::int64_t>(blockIdx.x) * kWarp + lane;
  MaxSum mine;
  for (std::int64_t i = warp; c < cols && i < shares; i += kSlices) {
    mine.merge({parts[2 * i * cols + c], parts[(2 * i + 1) * cols + c]});
  }
  slice[warp][lane] = mine;
  __syncthreads();
  if (warp != 0 || c >= cols) return;
  for (int i = 1; i < kSlices; ++i) mine.merge(slice[i][lane]);
  g[c] = log_mass - (mine.max + logf(mine.sum));
}

template <class T>
__global__ void assign_rows(Sinkhorn p, float scale, const T* s, const float* g, float* q) {
  for_each_row_of_this_warp(p.rows, [=](std::int64_t b, int lane) {
    const T* row = s + b * p.cols;
    const float f = log_u(row, p.cols, scale, g, lane);
    for (std::int64_t c = lane; c < p.cols; c += kWarp) {
      q[b * p.cols + c] = expf(load(row + c) * scale + g[c] + f);
    }
  });
}

}  // namespace

template <class T>
void sinkhorn(const Sinkhorn& p, const T* s, const T* queue, float* q, float* workspace, Stream stream) {
  p.check();
  if (p.rows == 0) return;
  const std::int64_t shares = shares_of(p);
  const float scale = 1.0F / p.epsilon;
  const float log_mass = std::log(static_cast<float>(p.samples()) / static_cast<float>(p.cols));
  float* g = workspace + 2 * shares * p.cols;
  for (std::int64_t t = 0; t < p.iterations; ++t) {
    launch("sinkhorn_masses", column_masses<T>, static_cast<unsigned>(shares), kBlock, 0, stream, p, scale,
           t == 0, Scores<T>{s, queue}, g, workspace);
    launch("sinkhorn_merge", merge_masses, static_cast<unsigned>((p.cols + kWarp - 1) / kWarp),
           kSlices * kWarp, 0, stream, p.cols, shares, log_mass, workspace, g);
  }
  launch_warp_per_row("sinkhorn_assign", assign_rows<T>, p.rows, stream, p, scale, s, g, q);
}

template void sinkhorn(const Sinkhorn&, const float*, const float*, float*, float*, Stream);
template void sinkhorn(const Sinkhorn&, const bf16*, const bf16*, float*, float*, Stream);

}  // namespace nagare::kernels::cuda
