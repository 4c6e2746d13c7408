#include "kernels/layer_norm.h"

#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/parallel.h"

namespace nagare::kernels {

void LayerNorm::check() const {
  if (rows < 0 || cols < 1 || !(epsilon > 0.0F && std::isfinite(epsilon))) {
    throw std::invalid_argument("layer_norm: shape (" + std::to_string(rows) + ", " + std::to_string(cols) +
                                "), epsilon " + std::to_string(epsilon) +
                                ": need rows >= 0, cols >= 1, epsilon positive and finite");
  }
}

namespace cpu {
namespace {

constexpr std::int64_t kRows = 256;  // rows whose parameter gradients one task adds up

}  // namespace

template <class T>
void layer_norm(const LayerNorm& p, const T* x, const float* gamma, const float* beta, T* y,
                const RowStatistics& s, Stream) {
  p.check();
  parallel_for(p.rows, [=](std::int64_t r) {
    const T* in = x + r * p.cols;
    double sum = 0.0;
    for (std::int64_t c = 0; c < p.cols; ++c) sum += load(in + c);
    const double mean = sum / static_cast<double>(p.cols);
    double squares = 0.0;
    for (std::int64_t c = 0; c < p.cols; ++c) squares += (load(in + c) - mean) * (load(in + c) - mean);
    const double inverse = 1.0 / std::sqrt(squares / static_cast<double>(p.cols) + p.epsilon);
    s.mean[r] = static_cast<float>(mean);
    s.inverse_deviation[r] = static_cast<float>(inverse);
    for (std::int64_t c = 0; c < p.cols; ++c) {
      store(y + r * p.cols + c, static_cast<float>((load(in + c) - mean) * inverse) * gamma[c] + beta[c]);
    }
  });
}

template <class T>
void layer_norm_backward(const LayerNorm& p, const T* x, const float* gamma, const RowStatistics& s,
                         const T* dy, T* dx, Stream) {
  p.check();
  parallel_for(p.rows, [=](std::int64_t r) {
    const T* in = x + r * p.cols;
    const T* upstream = dy + r * p.cols;
    const float mean = s.mean[r];
    const float inverse = s.inverse_deviation[r];
    double sum = 0.0;
    double along = 0.0;
    for (std::int64_t c = 0; c < p.cols; ++c) {
      const double g = static_cast<double>(load(upstream + c)) * gamma[c];
      sum += g;
      along += g * ((load(in + c) - mean) * inverse);
    }
    sum /= static_cast<double>(p.cols);
    along /= static_cast<double>(p.cols);
    for (std::int64_t c = 0; c < p.cols; ++c) {
      const double h = (load(in + c) - mean) * inverse;
      const double g = static_cast<double>(load(upstream + c)) * gamma[c];
      store(dx + r * p.cols + c, static_cast<float>(inverse * (g - sum - h * along)));
    }
  });
}

template <class T>
void layer_norm_parameter_gradients(const LayerNorm& p, const T* x, const RowStatistics& s, const T* dy,
                                    const LayerNormGradients& d, Stream) {
  p.check();
  const std::int64_t blocks = (p.rows + kRows - 1) / kRows;
  std::vector<double> partial(
      static_cast<std::size_t>(blocks * 2 * p.cols));  // gamma and beta of every block
  for_each_block(p.rows, kRows, [&](std::int64_t begin, std::int64_t end) {
    double* gamma = &partial[static_cast<std::size_t>(begin / kRows * 2 * p.cols)];
    double* beta = gamma + p.cols;
    for (std::int64_t r = begin; r < end; ++r) {
      for (std::int64_t c = 0; c < p.cols; ++c) {
        const double g = load(dy + r * p.cols + c);
        gamma[c] += g * ((load(x + r * p.cols + c) - s.mean[r]) * s.inverse_deviation[r]);
        beta[c] += g;
      }
    }
  });
  for (std::int64_t c = 0; c < p.cols; ++c) {
    double gamma = 0.0;
    double beta = 0.0;
    for (std::int64_t b = 0; b < blocks; ++b) {
      gamma += partial[static_cast<std::size_t>(b * 2 * p.cols + c)];
      beta += partial[static_cast<std::size_t>((b * 2 + 1) * p.cols + c)];
    }
    d.gamma[c] = static_cast<float>(gamma);
    d.beta[c] = static_cast<float>(beta);
  }
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

}  // namespace cpu
}  // namespace nagare::kernels
