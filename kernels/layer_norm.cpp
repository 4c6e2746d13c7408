#include "kernels/layer_norm.h"

#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/parallel.h"
#include "kernels/simd.h"

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

using simd::kLanes;
using simd::Vector;

constexpr std::int64_t kRows = 256;  // rows whose parameter gradients one task adds up ...
constexpr std::int64_t kStrip = 4;   // ... over this many vectors of columns: their sums stay in registers
constexpr std::int64_t kTaskSize = 4096;  // elements, at least, in what one thread takes at a time

struct Rows {
  std::int64_t begin, end;
};

// n <= kLanes of a row's columns; only its last vector is shorter than kLanes.
template <class T>
NAGARE_INLINE void get(const T* p, std::int64_t n, Vector& v) {
  if (n == kLanes) return simd::load(p, v);
  simd::load_first(p, n, 0.0F, v);
}
template <class T>
NAGARE_INLINE void put(T* p, std::int64_t n, const Vector& v) {
  if (n == kLanes) return simd::store(p, v);
  simd::store_first(p, n, v);
}
NAGARE_INLINE std::int64_t lanes_at(std::int64_t c, std::int64_t cols) {
  return cols - c < kLanes ? cols - c : kLanes;
}

// Zero in the lanes beyond n.
NAGARE_INLINE void mask(std::int64_t n, Vector& v) {
  if (n == kLanes) return;
  for (int i = 0; i < kLanes; ++i) v[i] = i < n ? v[i] : 0.0F;
}

// Sums of deviations from the row's first element: a large mean costs no digits.
template <class T>
NAGARE_INLINE void forward_rows(const LayerNorm& p, const Rows& rows, const T* x, const float* gamma,
                                const float* beta, T* y, const RowStatistics& s) {
  const double share = 1.0 / static_cast<double>(p.cols);
  for (std::int64_t r = rows.begin; r < rows.end; ++r) {
    const T* in = x + r * p.cols;
    const float shift = load(in);
    Vector sum{};
    for (std::int64_t c = 0; c < p.cols; c += kLanes) {
      Vector v;
      get(in + c, lanes_at(c, p.cols), v);
      v -= shift;
      mask(lanes_at(c, p.cols), v);
      sum += v;
    }
    const auto off = static_cast<float>(static_cast<double>(simd::sum(sum)) * share);  // mean - shift
    Vector squares{};
    for (std::int64_t c = 0; c < p.cols; c += kLanes) {
      Vector v;
      get(in + c, lanes_at(c, p.cols), v);
      v = (v - shift) - off;
      mask(lanes_at(c, p.cols), v);
      squares += v * v;
    }
    const double variance = static_cast<double>(simd::sum(squares)) * share;
    const auto inverse = static_cast<float>(1.0 / std::sqrt(variance + static_cast<double>(p.epsilon)));
    s.mean[r] = static_cast<float>(static_cast<double>(shift) + static_cast<double>(off));
    s.inverse_deviation[r] = inverse;
    for (std::int64_t c = 0; c < p.cols; c += kLanes) {
      const std::int64_t n = lanes_at(c, p.cols);
      Vector v, scale, add;
      get(in + c, n, v);
      get(gamma + c, n, scale);
      get(beta + c, n, add);
      put(y + r * p.cols + c, n, ((v - shift) - off) * inverse * scale + add);
    }
  }
}

template <class T>
struct GradientRows {
  const T* x;
  const float* gamma;
  const T* dy;
  T* dx;
};

template <class T>
NAGARE_INLINE void backward_rows(const LayerNorm& p, const Rows& rows, const GradientRows<T>& in,
                                 const RowStatistics& s) {
  const double share = 1.0 / static_cast<double>(p.cols);
  for (std::int64_t r = rows.begin; r < rows.end; ++r) {
    const T* x = in.x + r * p.cols;
    const T* dy = in.dy + r * p.cols;
    const float mean = s.mean[r];
    const float inverse = s.inverse_deviation[r];
    Vector sum{}, along{};
    for (std::int64_t c = 0; c < p.cols; c += kLanes) {
      const std::int64_t n = lanes_at(c, p.cols);
      Vector v, g, scale;
      get(x + c, n, v);
      get(dy + c, n, g);
      get(in.gamma + c, n, scale);
      g *= scale;
      Vector product = g * (v - mean);
      mask(n, product);  // g is 0 there already; a mean that is not finite is not
      sum += g;
      along += product;
    }
    const auto mean_g = static_cast<float>(static_cast<double>(simd::sum(sum)) * share);
    // (x - mean) slope = h q
    const auto slope = static_cast<float>(static_cast<double>(simd::sum(along)) * share * inverse * inverse);
    for (std::int64_t c = 0; c < p.cols; c += kLanes) {
      const std::int64_t n = lanes_at(c, p.cols);
      Vector v, g, scale;
      get(x + c, n, v);
      get(dy + c, n, g);
      get(in.gamma + c, n, scale);
      put(in.dx + r * p.cols + c, n, (g * scale - mean_g - (v - mean) * slope) * inverse);
    }
  }
}

// Sums of dy h and of dy over the rows, for V vectors of columns from c, each n wide.
template <int V, class T>
NAGARE_INLINE void add_strip(const LayerNorm& p, const Rows& rows, std::int64_t c, std::int64_t n, const T* x,
                             const RowStatistics& s, const T* dy, float* sums) {
  Vector gamma[V], beta[V];
  for (int v = 0; v < V; ++v) gamma[v] = beta[v] = Vector{};
  for (std::int64_t r = rows.begin; r < rows.end; ++r) {
    const std::int64_t at = r * p.cols + c;
    for (int v = 0; v < V; ++v) {
      Vector value, g;
      get(x + at + v * kLanes, n, value);
      get(dy + at + v * kLanes, n, g);
      gamma[v] += g * ((value - s.mean[r]) * s.inverse_deviation[r]);
      beta[v] += g;
    }
  }
  for (int v = 0; v < V; ++v) {
    put(sums + c + v * kLanes, n, gamma[v]);
    put(sums + p.cols + c + v * kLanes, n, beta[v]);
  }
}

template <class T>
NAGARE_INLINE void parameter_rows(const LayerNorm& p, const Rows& rows, const T* x, const RowStatistics& s,
                                  const T* dy, float* sums) {
  std::int64_t c = 0;
  for (; c + kStrip * kLanes <= p.cols; c += kStrip * kLanes) {
    add_strip<kStrip>(p, rows, c, kLanes, x, s, dy, sums);
  }
  for (; c < p.cols; c += kLanes) add_strip<1>(p, rows, c, lanes_at(c, p.cols), x, s, dy, sums);
}

// One definition per element type, as only plain functions can be compiled for several vector widths.
#define NAGARE_DEFINE_ROWS(T)                                                                           \
  NAGARE_SIMD void forward(const LayerNorm& p, const Rows& rows, const T* x, const float* gamma,        \
                           const float* beta, T* y, const RowStatistics& s) {                           \
    forward_rows(p, rows, x, gamma, beta, y, s);                                                        \
  }                                                                                                     \
  NAGARE_SIMD void backward(const LayerNorm& p, const Rows& rows, const GradientRows<T>& in,            \
                            const RowStatistics& s) {                                                   \
    backward_rows(p, rows, in, s);                                                                      \
  }                                                                                                     \
  NAGARE_SIMD void parameters(const LayerNorm& p, const Rows& rows, const T* x, const RowStatistics& s, \
                              const T* dy, float* sums) {                                               \
    parameter_rows(p, rows, x, s, dy, sums);                                                            \
  }
NAGARE_DEFINE_ROWS(float)
NAGARE_DEFINE_ROWS(bf16)
#undef NAGARE_DEFINE_ROWS

template <class Body>
void for_each_rows(const LayerNorm& p, const Body& body) {
  const std::int64_t rows = kTaskSize / p.cols + 1;
  for_each_block(p.rows, rows, [&](std::int64_t begin, std::int64_t end) { body(Rows{begin, end}); });
}

}  // namespace

template <class T>
void layer_norm(const LayerNorm& p, const T* x, const float* gamma, const float* beta, T* y,
                const RowStatistics& s, Stream) {
  p.check();
  for_each_rows(p, [&](const Rows& rows) { forward(p, rows, x, gamma, beta, y, s); });
}

template <class T>
void layer_norm_backward(const LayerNorm& p, const T* x, const float* gamma, const RowStatistics& s,
                         const T* dy, T* dx, Stream) {
  p.check();
  const GradientRows<T> in{x, gamma, dy, dx};
  for_each_rows(p, [&](const Rows& rows) { backward(p, rows, in, s); });
}

template <class T>
void layer_norm_parameter_gradients(const LayerNorm& p, const T* x, const RowStatistics& s, const T* dy,
                                    const LayerNormGradients& d, Stream) {
  p.check();
  const std::int64_t blocks = (p.rows + kRows - 1) / kRows;
  std::vector<float> partial(static_cast<std::size_t>(blocks * 2 * p.cols));  // gamma and beta of every block
  for_each_block(p.rows, kRows, [&](std::int64_t begin, std::int64_t end) {
    parameters(p, {begin, end}, x, s, dy, &partial[static_cast<std::size_t>(begin / kRows * 2 * p.cols)]);
  });
  for (std::int64_t c = 0; c < p.cols; ++c) {
    double gamma = 0.0;
    double beta = 0.0;
    for (std::int64_t b = 0; b < blocks; ++b) {
      gamma += static_cast<double>(partial[static_cast<std::size_t>(b * 2 * p.cols + c)]);
      beta += static_cast<double>(partial[static_cast<std::size_t>((b * 2 + 1) * p.cols + c)]);
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
