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

// Exponents are of type Real: double in the log domain, where s / e may be in the thousands and f32 would round it to 1e-4;
// their differences from a maximum are small, and their exponentials f32.
//
// log u of a row, in every lane. Four columns at a time share one rescaling, so that there are 1.25 exponentials a column.
template <class Real, class T>
__device__ Real log_u(const T* s, std::int64_t cols, Real scale, const Real* g, int lane) {
  constexpr int kUnroll = 4;
  MaxSum row;
  for (std::int64_t first = lane; first < cols; first += kUnroll * kWarp) {
    Real t[kUnroll];
    float largest = row.max;
#pragma unroll
    for (int i = 0; i < kUnroll; ++i) {
      const std::int64_t c = first + i * kWarp;
      t[i] = c < cols ? load(s + c) * scale + g[c] : static_cast<Real>(-FLT_MAX);
      largest = fmaxf(largest, static_cast<float>(t[i]));
    }
    row.sum *= expf(row.max - largest);
#pragma unroll
    for (int i = 0; i < kUnroll; ++i) {
      if (first + i * kWarp < cols) row.sum += expf(static_cast<float>(t[i] - largest));
    }
    row.max = largest;
  }
  for (int step = kWarp / 2; step > 0; step /= 2) {
    row.merge({shuffle_xor(row.max, step), shuffle_xor(row.sum, step)});
  }
  return -(static_cast<Real>(row.max) + static_cast<Real>(logf(row.sum)));
}

// parts (shares, 2, cols): the columns' maxima and sums over the share's rows of exp(s scale + log u). Rows are dealt to
// the blocks in groups of eight.
template <class Real, class T>
__global__ void column_masses(Sinkhorn p, Real scale, bool first, Scores<T> scores, const Real* g,
                              float* parts) {
  NAGARE_SHARED(Real, f, [kRowsAtOnce]);
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  float* max = parts + static_cast<std::int64_t>(blockIdx.x) * 2 * p.cols;
  float* sum = max + p.cols;
  const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * kRowsAtOnce;
  const std::int64_t samples = p.rows + p.queue_rows;
  for (std::int64_t b = static_cast<std::int64_t>(blockIdx.x) * kRowsAtOnce; b < samples; b += stride) {
    const int count = static_cast<int>(samples - b < kRowsAtOnce ? samples - b : kRowsAtOnce);
    if (warp < count) {
      const Real value = first ? Real{0} : log_u(scores.row(p, b + warp), p.cols, scale, g, lane);
      if (lane == 0) f[warp] = value;
    }
    __syncthreads();
    for (std::int64_t c = threadIdx.x; c < p.cols; c += kBlock) {
      Real t[kRowsAtOnce];
      MaxSum column;
#pragma unroll
      for (int i = 0; i < kRowsAtOnce; ++i) {
        t[i] = i < count ? load(scores.row(p, b + i) + c) * scale + f[i] : static_cast<Real>(-FLT_MAX);
        column.max = fmaxf(column.max, static_cast<float>(t[i]));
      }
#pragma unroll
      for (int i = 0; i < kRowsAtOnce; ++i) {
        if (i < count) column.sum += expf(static_cast<float>(t[i] - column.max));
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
template <class Real>
__global__ void merge_masses(std::int64_t cols, std::int64_t shares, Real log_mass, const float* parts,
                             Real* g) {
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
  g[c] = log_mass - (static_cast<Real>(mine.max) + static_cast<Real>(logf(mine.sum)));
}

template <class Real, class T>
__global__ void assign_rows(Sinkhorn p, Real scale, const T* s, const Real* g, float* q) {
  for_each_row_of_this_warp(p.rows, [=](std::int64_t b, int lane) {
    const T* row = s + b * p.cols;
    const Real f = log_u(row, p.cols, scale, g, lane);
    for (std::int64_t c = lane; c < p.cols; c += kWarp) {
      q[b * p.cols + c] = expf(static_cast<float>(load(row + c) * scale + g[c] + f));
    }
  });
}

// g at the head of the workspace, then the shares' parts.
template <class Real, class T>
void run(const Sinkhorn& p, const Scores<T>& scores, float* q, float* workspace, Stream stream) {
  const std::int64_t shares = shares_of(p);
  const Real scale = 1.0F / p.epsilon;  // in f32 1 / 0.05F is 20, as it is meant to be
  const auto log_mass =
      static_cast<Real>(std::log(static_cast<double>(p.samples()) / static_cast<double>(p.cols)));
  Real* g = reinterpret_cast<Real*>(workspace);
  float* parts = workspace + 2 * p.cols;
  for (std::int64_t t = 0; t < p.iterations; ++t) {
    launch("sinkhorn_masses", column_masses<Real, T>, static_cast<unsigned>(shares), kBlock, 0, stream, p,
           scale, t == 0, scores, g, parts);
    launch("sinkhorn_merge", merge_masses<Real>, static_cast<unsigned>((p.cols + kWarp - 1) / kWarp),
           kSlices * kWarp, 0, stream, p.cols, shares, log_mass, parts, g);
  }
  launch_warp_per_row("sinkhorn_assign", assign_rows<Real, T>, p.rows, stream, p, scale, scores.batch, g, q);
}

}  // namespace

template <class T>
void sinkhorn(const Sinkhorn& p, const T* s, const T* queue, float* q, float* workspace, Stream stream) {
  p.check();
  if (p.rows == 0) return;
  if (p.domain == SinkhornDomain::log) {
    run<double>(p, Scores<T>{s, queue}, q, workspace, stream);
  } else {
    run<float>(p, Scores<T>{s, queue}, q, workspace, stream);
  }
}

template void sinkhorn(const Sinkhorn&, const float*, const float*, float*, float*, Stream);
template void sinkhorn(const Sinkhorn&, const bf16*, const bf16*, float*, float*, Stream);

}  // namespace nagare::kernels::cuda
