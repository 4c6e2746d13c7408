// The CUDA twin of cholesky_log_det: kernels of our own, one block per matrix, no library.
//
// A matrix is worked on in shared memory up to order 234, in global scratch memory beyond. The leading dimension is odd,
// so that neither rows nor columns meet in one bank. Sums run in a fixed order: the same bits on every run.
#include <cmath>

#include "engine/device/memory.h"
#include "engine/vendor/cholesky.h"
#include "kernels/warp.cuh"

namespace nagare::vendor::cuda {
namespace {

using kernels::cuda::kBlock;
using kernels::cuda::launch;

constexpr int kTile = 16;                         // threads stand in kTile columns for two-dimensional loops
constexpr std::size_t kSharedLimit = 216 * 1024;  // beside the partial sums

struct Work {
  std::int64_t order;
  std::int64_t leading;  // elements from one row to the next
  bool in_shared;
  float* scratch;  // one matrix per block, where shared memory is too small

  std::size_t bytes() const { return static_cast<std::size_t>(order * leading) * sizeof(float); }
};

__device__ float* work_of_block(const Work& w, float* shared) {
  return w.in_shared ? shared : w.scratch + blockIdx.x * w.order * w.leading;
}

// body(row, column) for every entry of the lower triangle from `first` on.
template <class Body>
__device__ void for_each_lower(int first, int order, const Body& body) {
  const int x = static_cast<int>(threadIdx.x) % kTile;
  const int y = static_cast<int>(threadIdx.x) / kTile;
  const int rows = static_cast<int>(blockDim.x) / kTile;
  for (int r = first + y; r < order; r += rows) {
    for (int c = first + x; c <= r; c += kTile) body(r, c);
  }
}

// Column by column: scale it by the root of its pivot, then subtract its outer product from what lies to the right.
// Returns whether every pivot was positive; the same in all threads.
__device__ bool factorise(float* m, int n, int leading) {
  for (int k = 0; k < n; ++k) {
    const float pivot = m[k * leading + k];
    if (!(pivot > 0.0F) || isinf(pivot)) return false;
    __syncthreads();  // all have read the pivot
    const float root = sqrtf(pivot);
    for (int r = k + static_cast<int>(threadIdx.x); r < n; r += static_cast<int>(blockDim.x)) {
      m[r * leading + k] = r == k ? root : m[r * leading + k] / root;
    }
    __syncthreads();
    for_each_lower(k + 1, n,
                   [=](int r, int c) { m[r * leading + c] -= m[r * leading + k] * m[c * leading + k]; });
    __syncthreads();
  }
  return true;
}

// The sum over the diagonal of log(m[k,k]), in thread 0.
__device__ double log_diagonal(const float* m, int n, int leading) {
  NAGARE_SHARED(double, partial, [1024]);
  double sum = 0.0;
  for (int k = static_cast<int>(threadIdx.x); k < n; k += static_cast<int>(blockDim.x)) {
    sum += log(static_cast<double>(m[k * leading + k]));
  }
  partial[threadIdx.x] = sum;
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) partial[threadIdx.x] += partial[threadIdx.x + half];
  }
  return partial[0];
}

__global__ void log_det(Work w, float alpha, const float* gram, float* factor, float* half_log_det) {
  NAGARE_DYNAMIC_SHARED(float, shared);
  float* m = work_of_block(w, shared);
  const int n = static_cast<int>(w.order);
  const int leading = static_cast<int>(w.leading);
  const float* in = gram + blockIdx.x * w.order * w.order;
  float* out = factor + blockIdx.x * w.order * w.order;
  for_each_lower(0, n, [=](int r, int c) {
    m[r * leading + c] = alpha * in[static_cast<std::int64_t>(r) * n + c] + (r == c ? 1.0F : 0.0F);
  });
  __syncthreads();
  const bool good = factorise(m, n, leading);
  if (good) {
    const double sum = log_diagonal(m, n, leading);
    if (threadIdx.x == 0) half_log_det[blockIdx.x] = static_cast<float>(sum);
  } else if (threadIdx.x == 0) {
    half_log_det[blockIdx.x] = NAN;
  }
  for (int i = static_cast<int>(threadIdx.x); i < n * n; i += static_cast<int>(blockDim.x)) {
    const int r = i / n;
    const int c = i % n;
    // A NaN in the corner is how the backward knows that there is no factor.
    out[i] = !good && i == 0 ? NAN : c > r ? 0.0F : m[r * leading + c];
  }
}

// Turns the strict lower triangle L (with the diagonal) into: diagonal and strict upper triangle = (L^-1)^T.
__device__ void invert_beside(float* m, int n, int leading) {
  for (int k = static_cast<int>(threadIdx.x); k < n; k += static_cast<int>(blockDim.x)) {
    m[k * leading + k] = 1.0F / m[k * leading + k];
  }
  __syncthreads();
  // Column c of L^-1 is row c here: forward substitution, one column per thread.
  for (int c = static_cast<int>(threadIdx.x); c < n; c += static_cast<int>(blockDim.x)) {
    float* column = m + c * leading;
    for (int r = c + 1; r < n; ++r) {
      float sum = 0.0F;
      for (int k = c; k < r; ++k) sum += m[r * leading + k] * column[k];
      column[r] = -sum * m[r * leading + r];
    }
  }
  __syncthreads();
}

__global__ void scaled_inverse(Work w, float alpha, const float* factor, const float* scale, float* weight) {
  NAGARE_DYNAMIC_SHARED(float, shared);
  float* m = work_of_block(w, shared);
  const int n = static_cast<int>(w.order);
  const int leading = static_cast<int>(w.leading);
  const float* in = factor + blockIdx.x * w.order * w.order;
  float* out = weight + blockIdx.x * w.order * w.order;
  const float times = in[0] == in[0] ? alpha * scale[blockIdx.x] : NAN;
  for_each_lower(0, n, [=](int r, int c) { m[r * leading + c] = in[static_cast<std::int64_t>(r) * n + c]; });
  __syncthreads();
  invert_beside(m, n, leading);
  // m^-1 = L^-T L^-1: entry (r, c), r >= c, is the product of rows r and c from column r on.
  for_each_lower(0, n, [=](int r, int c) {
    float sum = 0.0F;
    for (int k = r; k < n; ++k) sum += m[r * leading + k] * m[c * leading + k];
    out[static_cast<std::int64_t>(r) * n + c] = out[static_cast<std::int64_t>(c) * n + r] = times * sum;
  });
}

// Where the matrices are worked on, the memory that takes, and how many threads share one.
struct Placement {
  explicit Placement(const CholeskyLogDet& p)
      : work{.order = p.order, .leading = p.order | 1, .in_shared = true, .scratch = nullptr} {
    if (work.bytes() <= kSharedLimit) return;
    work.in_shared = false;
    threads = 1024;
    block = allocate(Device::cuda, work.bytes() * static_cast<std::size_t>(p.batch));
    work.scratch = static_cast<float*>(block.get());
  }
  std::size_t shared_bytes() const { return work.in_shared ? work.bytes() : 0; }

  Work work;
  unsigned threads = kBlock;
  std::shared_ptr<void> block;
};

}  // namespace

void cholesky_log_det(const CholeskyLogDet& p, const float* gram, float* factor, float* half_log_det,
                      Stream stream) {
  p.check();
  if (p.batch == 0) return;
  const Placement at(p);
  launch("cholesky_log_det", log_det, static_cast<unsigned>(p.batch), at.threads, at.shared_bytes(), stream,
         at.work, p.alpha, gram, factor, half_log_det);
}

void cholesky_log_det_backward(const CholeskyLogDet& p, const float* factor, const float* scale,
                               float* weight, Stream stream) {
  p.check();
  if (p.batch == 0) return;
  const Placement at(p);
  launch("cholesky_log_det_backward", scaled_inverse, static_cast<unsigned>(p.batch), at.threads,
         at.shared_bytes(), stream, at.work, p.alpha, factor, scale, weight);
}

}  // namespace nagare::vendor::cuda
