#include "kernels/layer_norm.h"

#include "kernels/warp.cuh"

namespace nagare::kernels::cuda {
namespace {

template <class T>
__global__ void normalize_rows(LayerNorm p, const T* x, const float* gamma, const float* beta, T* y,
                               RowStatistics s) {
  for_each_row_of_this_warp(p.rows, [=](std::int64_t r, int lane) {
    const T* in = x + r * p.cols;
    const auto n = static_cast<float>(p.cols);
    float sum = 0.0F;
    for (std::int64_t c = lane; c < p.cols; c += kWarp) sum += load(in + c);
    const float about =
        warp_sum(sum) / n;  // the mean, but for its rounding error, which the next pass measures
    float rest = 0.0F;
    float squares = 0.0F;
    for (std::int64_t c = lane; c < p.cols; c += kWarp) {
      const float d = load(in + c) - about;
      rest += d;
      squares += d * d;
    }
    rest = warp_sum(rest) / n;
    const float variance = fmaxf(warp_sum(squares) / n - rest * rest, 0.0F);
    const float inverse = 1.0F / sqrtf(variance + p.epsilon);
    for (std::int64_t c = lane; c < p.cols; c += kWarp) {
      store(y + r * p.cols + c, ((load(in + c) - about) - rest) * inverse * gamma[c] + beta[c]);
    }
    if (lane == 0) {
      s.mean[r] = about + rest;
      s.inverse_deviation[r] = inverse;
    }
  });
}

template <class T>
__global__ void normalize_rows_backward(LayerNorm p, const T* x, const float* gamma, RowStatistics s,
                                        const T* dy, T* dx) {
  for_each_row_of_this_warp(p.rows, [=](std::int64_t r, int lane) {
    const T* in = x + r * p.cols;
    const T* upstream = dy + r * p.cols;
    float sum = 0.0F;
    float along = 0.0F;
    for (std::int64_t c = lane; c < p.cols; c += kWarp) {
      const float g = load(upstream + c) * gamma[c];
      sum += g;
      along += g * ((load(in + c) - s.mean[r]) * s.inverse_deviation[r]);
    }
    sum = warp_sum(sum) / static_cast<float>(p.cols);
    along = warp_sum(along) / static_cast<float>(p.cols);
    for (std::int64_t c = lane; c < p.cols; c += kWarp) {
      const float h = (load(in + c) - s.mean[r]) * s.inverse_deviation[r];
      store(dx + r * p.cols + c, s.inverse_deviation[r] * (load(upstream + c) * gamma[c] - sum - h * along));
    }
  });
}

// A block of 32 x 32 threads takes 32 neighbouring columns, every thread each 32nd row.
template <class T>
__global__ void add_parameter_gradients(LayerNorm p, const T* x, RowStatistics s, const T* dy,
                                        LayerNormGradients d) {
  NAGARE_SHARED(float, gamma_part, [kWarp][kWarp + 1]);
  NAGARE_SHARED(float, beta_part, [kWarp][kWarp + 1]);
  for (std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * kWarp; first < p.cols;
       first += gridDim.x * kWarp) {
    const std::int64_t c = first + threadIdx.x;
    float gamma = 0.0F;
    float beta = 0.0F;
    for (std::int64_t r = threadIdx.y; c < p.cols && r < p.rows; r += kWarp) {
      const float g = load(dy + r * p.cols + c);
      gamma += g * ((load(x + r * p.cols + c) - s.mean[r]) * s.inverse_deviation[r]);
      beta += g;
    }
    gamma_part[threadIdx.y][threadIdx.x] = gamma;
    beta_part[threadIdx.y][threadIdx.x] = beta;
    __syncthreads();
    gamma = warp_sum(gamma_part[threadIdx.x][threadIdx.y]);  // this warp now holds one column
    beta = warp_sum(beta_part[threadIdx.x][threadIdx.y]);
    if (threadIdx.x == 0 && first + threadIdx.y < p.cols) {
      d.gamma[first + threadIdx.y] = gamma;
      d.beta[first + threadIdx.y] = beta;
    }
    __syncthreads();
  }
}

}  // namespace

template <class T>
void layer_norm(const LayerNorm& p, const T* x, const float* gamma, const float* beta, T* y,
                const RowStatistics& s, Stream stream) {
  p.check();
  launch_warp_per_row("layer_norm", normalize_rows<T>, p.rows, stream, p, x, gamma, beta, y, s);
}

template <class T>
void layer_norm_backward(const LayerNorm& p, const T* x, const float* gamma, const RowStatistics& s,
                         const T* dy, T* dx, Stream stream) {
  p.check();
  launch_warp_per_row("layer_norm_backward", normalize_rows_backward<T>, p.rows, stream, p, x, gamma, s, dy,
                      dx);
}

template <class T>
void layer_norm_parameter_gradients(const LayerNorm& p, const T* x, const RowStatistics& s, const T* dy,
                                    const LayerNormGradients& d, Stream stream) {
  p.check();
  launch("layer_norm_parameter_gradients", add_parameter_gradients<T>, grid_for(p.cols, kWarp),
         dim3(kWarp, kWarp), 0, stream, p, x, s, dy, d);
}

#define NAGARE_INSTANTIATE(T)                                                                                \
  template void layer_norm(const LayerNorm&, const T*, const float*, const float*, T*, const RowStatistics&, \
                           Stream);                                                                          \
  template void layer_norm_backward(const LayerNorm&, const T*, const float*, const RowStatistics&,          \
                                    const T*, T*, Stream);                                                   \
  template void layer_norm_parameter_gradients(const LayerNorm&, const T*, const RowStatistics&, const T*,   \
                                               const LayerNormGradients&, Stream);
NAGARE_INSTANTIATE(float)
NAGARE_INSTANTIATE(bf16)
#undef NAGARE_INSTANTIATE

}  // namespace nagare::kernels::cuda
