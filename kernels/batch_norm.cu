#include "kernels/batch_norm.h"

#include <algorithm>
#include <cmath>

#include "kernels/warp.cuh"

namespace nagare::kernels::cuda {
namespace {

// A block of threads owns 32 neighbouring channels (one per lane, so that loads coalesce) and a share of the
// rows; its eight warps take those rows in turn. Partial results meet in shared memory, then in a second kernel.
constexpr int kRowsAtOnce = kBlock / kWarp;
constexpr std::int64_t kMaxShares = 256;

std::int64_t shares_of(const BatchNorm& p) {
  return std::clamp<std::int64_t>((p.rows + 255) / 256, 1, kMaxShares);
}

dim3 grid_of(const BatchNorm& p) {
  return {static_cast<unsigned>((p.channels + kWarp - 1) / kWarp), static_cast<unsigned>(shares_of(p))};
}

struct Share {
  std::int64_t begin, end;
};
// Rows of share i of n: sizes differ by one at most, and none is empty while there are rows enough.
__device__ Share share_of(std::int64_t rows, std::int64_t i, std::int64_t n) {
  return {rows * i / n, rows * (i + 1) / n};
}

struct Moments {
  float count = 0.0F;
  float mean = 0.0F;
  float squares = 0.0F;  // sum of squared deviations from the mean
};

__device__ Moments merge(const Moments& a, const Moments& b) {
  if (b.count == 0.0F) return a;
  if (a.count == 0.0F) return b;
  const float count = a.count + b.count;
  const float delta = b.mean - a.mean;
  return {count, a.mean + delta * (b.count / count),
          a.squares + b.squares + delta * delta * (a.count * b.count / count)};
}

// workspace: (shares, 2, channels): means and squared deviations.
template <class T>
__global__ void block_moments(BatchNorm p, const T* x, float* workspace) {
  NAGARE_SHARED(Moments, part, [kRowsAtOnce][kWarp]);
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const std::int64_t c = static_cast<std::int64_t>(blockIdx.x) * kWarp + lane;
  const Share rows = share_of(p.rows, blockIdx.y, gridDim.y);
  Moments mine;
  if (c < p.channels && rows.begin + warp < rows.end) {
    const float shift = load(x + (rows.begin + warp) * p.channels + c);
    float sum = 0.0F;
    float squares = 0.0F;
    for (std::int64_t r = rows.begin + warp; r < rows.end; r += kRowsAtOnce) {
      const float d = load(x + r * p.channels + c) - shift;
      sum += d;
      squares += d * d;
      mine.count += 1.0F;
    }
    mine.mean = shift + sum / mine.count;
    mine.squares = squares - sum * sum / mine.count;
  }
  part[warp][lane] = mine;
  __syncthreads();
  if (warp != 0 || c >= p.channels) return;
  for (int w = 1; w < kRowsAtOnce; ++w) mine = merge(mine, part[w][lane]);
  float* out = workspace + static_cast<std::int64_t>(blockIdx.y) * 2 * p.channels + c;
  out[0] = mine.mean;
  out[p.channels] = mine.squares;
}

__global__ void finish_moments(BatchNorm p, std::int64_t shares, const float* workspace,
                               BatchNormStatistics out) {
  for_each_index_of_this_thread(p.channels, [=](std::int64_t c) {
    Moments m;
    for (std::int64_t s = 0; s < shares; ++s) {
      const Share rows = share_of(p.rows, s, shares);
      const float* part = workspace + s * 2 * p.channels + c;
      m = merge(m, {static_cast<float>(rows.end - rows.begin), part[0], part[p.channels]});
    }
    const float variance = m.squares / m.count;
    out.mean[c] = m.mean;
    out.inv_std[c] = 1.0F / sqrtf(variance + p.epsilon);
    if (out.running_mean == nullptr) return;
    out.running_mean[c] += p.momentum * (m.mean - out.running_mean[c]);
    out.running_var[c] += p.momentum * (m.squares / (m.count - 1.0F) - out.running_var[c]);
  });
}

__global__ void use_running_moments(BatchNorm p, BatchNormStatistics out) {
  for_each_index_of_this_thread(p.channels, [=](std::int64_t c) {
    out.mean[c] = out.running_mean[c];
    out.inv_std[c] = 1.0F / sqrtf(out.running_var[c] + p.epsilon);
  });
}

__device__ float value_or(const float* p, std::int64_t c, float otherwise) {
  return p != nullptr ? p[c] : otherwise;
}

template <class T>
__global__ void apply_columns(BatchNorm p, const T* x, const T* residual, BatchNormColumns columns, T* y) {
  for_each_index_of_this_thread(p.rows * p.channels, [=](std::int64_t i) {
    const std::int64_t c = i % p.channels;
    const float scale = columns.inv_std[c] * value_or(columns.gamma, c, 1.0F);
    float h = (load(x + i) - columns.mean[c]) * scale + value_or(columns.beta, c, 0.0F);
    if (residual != nullptr) h += load(residual + i);
    store(y + i, p.relu && h < 0.0F ? 0.0F : h);  // NaN stays
  });
}

// dy under ReLU's mask; d = x - mean. The mask comes from y where a residual went in, else from h, computed anew.
template <class T>
__device__ float masked(const BatchNorm& p, const BatchNormInputs<T>& in, const BatchNormColumns& columns,
                        bool from_y, std::int64_t i, std::int64_t c, float d) {
  const float g = load(in.dy + i);
  if (!p.relu) return g;
  const float h =
      from_y ? load(in.y + i)
             : d * (columns.inv_std[c] * value_or(columns.gamma, c, 1.0F)) + value_or(columns.beta, c, 0.0F);
  return h > 0.0F ? g : 0.0F;
}

// workspace: (shares, 2, channels): sums of g and of g (x - mean).
template <class T>
__global__ void block_gradient_sums(BatchNorm p, BatchNormInputs<T> in, BatchNormColumns columns,
                                    T* dresidual, float* workspace) {
  NAGARE_SHARED(float, part, [2][kRowsAtOnce][kWarp]);
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const std::int64_t c = static_cast<std::int64_t>(blockIdx.x) * kWarp + lane;
  const Share rows = share_of(p.rows, blockIdx.y, gridDim.y);
  float sum = 0.0F;
  float products = 0.0F;
  if (c < p.channels) {
    for (std::int64_t r = rows.begin + warp; r < rows.end; r += kRowsAtOnce) {
      const std::int64_t i = r * p.channels + c;
      const float d = load(in.x + i) - columns.mean[c];
      const float g = masked(p, in, columns, dresidual != nullptr, i, c, d);
      if (dresidual != nullptr) store(dresidual + i, g);
      sum += g;
      products += g * d;
    }
  }
  part[0][warp][lane] = sum;
  part[1][warp][lane] = products;
  __syncthreads();
  if (warp != 0 || c >= p.channels) return;
  for (int w = 1; w < kRowsAtOnce; ++w) {
    sum += part[0][w][lane];
    products += part[1][w][lane];
  }
  float* out = workspace + static_cast<std::int64_t>(blockIdx.y) * 2 * p.channels + c;
  out[0] = sum;
  out[p.channels] = products;
}

__global__ void finish_gradient_sums(BatchNorm p, std::int64_t shares, const float* workspace,
                                     const float* inv_std, float* dgamma, float* dbeta) {
  for_each_index_of_this_thread(p.channels, [=](std::int64_t c) {
    float sum = 0.0F;
    float products = 0.0F;
    for (std::int64_t s = 0; s < shares; ++s) {
      sum += workspace[s * 2 * p.channels + c];
      products += workspace[(s * 2 + 1) * p.channels + c];
    }
    dbeta[c] = sum;
    dgamma[c] = products * inv_std[c];
  });
}

template <class T>
__global__ void input_gradient(BatchNorm p, BatchNormInputs<T> in, BatchNormColumns columns,
                               const float* dgamma, const float* dbeta, const T* dresidual, T* dx) {
  const float share = p.training ? 1.0F / static_cast<float>(p.rows) : 0.0F;
  for_each_index_of_this_thread(p.rows * p.channels, [=](std::int64_t i) {
    const std::int64_t c = i % p.channels;
    const float inv_std = columns.inv_std[c];
    const float d = load(in.x + i) - columns.mean[c];
    // With a residual, g is in dresidual already.
    const float g = dresidual != nullptr ? load(dresidual + i) : masked(p, in, columns, false, i, c, d);
    const float centred = g - dbeta[c] * share - d * (dgamma[c] * share * inv_std);
    store(dx + i, centred * (inv_std * value_or(columns.gamma, c, 1.0F)));
  });
}

}  // namespace

template <class T>
void batch_norm_statistics(const BatchNorm& p, const T* x, float* workspace, const BatchNormStatistics& out,
                           Stream stream) {
  p.check();
  if (!p.training) {
    launch("batch_norm_running", use_running_moments, grid_for(p.channels), kBlock, 0, stream, p, out);
    return;
  }
  launch("batch_norm_moments", block_moments<T>, grid_of(p), kBlock, 0, stream, p, x, workspace);
  launch("batch_norm_statistics", finish_moments, grid_for(p.channels), kBlock, 0, stream, p, shares_of(p),
         workspace, out);
}

template <class T>
void batch_norm_apply(const BatchNorm& p, const T* x, const T* residual, const BatchNormColumns& columns,
                      T* y, Stream stream) {
  p.check();
  if (p.rows == 0) return;
  launch("batch_norm_apply", apply_columns<T>, grid_for(p.rows * p.channels), kBlock, 0, stream, p, x,
         residual, columns, y);
}

template <class T>
void batch_norm_backward(const BatchNorm& p, const BatchNormInputs<T>& in, const BatchNormColumns& columns,
                         float* workspace, const BatchNormGradients<T>& out, Stream stream) {
  p.check();
  launch("batch_norm_gradient_sums", block_gradient_sums<T>, grid_of(p), kBlock, 0, stream, p, in, columns,
         out.dresidual, workspace);
  launch("batch_norm_parameter_gradients", finish_gradient_sums, grid_for(p.channels), kBlock, 0, stream, p,
         shares_of(p), workspace, columns.inv_std, out.dgamma, out.dbeta);
  if (p.rows == 0) return;
  launch("batch_norm_input_gradient", input_gradient<T>, grid_for(p.rows * p.channels), kBlock, 0, stream, p,
         in, columns, out.dgamma, out.dbeta, out.dresidual, out.dx);
}

#define NAGARE_INSTANTIATE(T)                                                                                \
  template void batch_norm_statistics(const BatchNorm&, const T*, float*, const BatchNormStatistics&,        \
                                      Stream);                                                               \
  template void batch_norm_apply(const BatchNorm&, const T*, const T*, const BatchNormColumns&, T*, Stream); \
  template void batch_norm_backward(const BatchNorm&, const BatchNormInputs<T>&, const BatchNormColumns&,    \
                                    float*, const BatchNormGradients<T>&, Stream);
NAGARE_INSTANTIATE(float)
NAGARE_INSTANTIATE(bf16)
#undef NAGARE_INSTANTIATE

}  // namespace nagare::kernels::cuda
