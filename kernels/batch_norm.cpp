#include "kernels/batch_norm.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/parallel.h"
#include "kernels/simd.h"

namespace nagare::kernels {
namespace {

constexpr std::int64_t kRowsPerBlock = 256;
constexpr std::int64_t kTile = 64;  // channels whose sums stay in registers together

std::int64_t blocks_of(const BatchNorm& p) { return (p.rows + kRowsPerBlock - 1) / kRowsPerBlock; }

}  // namespace

void BatchNorm::check() const {
  const bool numbers = momentum >= 0.0F && momentum <= 1.0F && epsilon > 0.0F && std::isfinite(epsilon);
  if (!(rows >= 0 && channels >= 1 && numbers)) {
    throw std::invalid_argument(
        "batch_norm: shape (" + std::to_string(rows) + ", " + std::to_string(channels) + "), momentum " +
        std::to_string(momentum) + ", epsilon " + std::to_string(epsilon) +
        ": need rows >= 0, channels >= 1, momentum in [0, 1], epsilon positive and finite");
  }
  if (training && rows < 2) {
    throw std::invalid_argument("batch_norm: training on shape (" + std::to_string(rows) + ", " +
                                std::to_string(channels) +
                                "): need at least 2 values per channel; use a larger batch");
  }
}

// Two numbers per block of rows and channel, on either device (the CUDA twin makes fewer, larger blocks).
std::int64_t BatchNorm::workspace_floats() const {
  return 2 * channels * std::max<std::int64_t>(blocks_of(*this), 1);
}

namespace cpu {
namespace {

using simd::kLanes;
using simd::Vector;

// Rows [row, row_end) and channels [channel, channel_end): what one thread works on at a time.
struct Tile {
  std::int64_t row, row_end, channel, channel_end;
};

template <class Body>
void for_each_tile(const BatchNorm& p, const Body& body) {
  const std::int64_t tiles = (p.channels + kTile - 1) / kTile;
  parallel_for(blocks_of(p) * tiles, [&](std::int64_t i) {
    const std::int64_t row = i / tiles * kRowsPerBlock;
    const std::int64_t channel = i % tiles * kTile;
    body(Tile{row, std::min(row + kRowsPerBlock, p.rows), channel, std::min(channel + kTile, p.channels)});
  });
}

// group.run<V>(c, n): V vectors of channels from c, of which the last holds n <= kLanes channels (V > 1: all full).
template <class Group>
NAGARE_INLINE void for_each_group(const Tile& tile, const Group& group) {
  std::int64_t c = tile.channel;
  for (; c + 4 * kLanes <= tile.channel_end; c += 4 * kLanes) group.template run<4>(c, kLanes);
  for (; c + kLanes <= tile.channel_end; c += kLanes) group.template run<1>(c, kLanes);
  if (c < tile.channel_end) group.template run<1>(c, tile.channel_end - c);
}

template <class T>
NAGARE_INLINE void get(const T* p, std::int64_t n, Vector& v) {
  if (n == kLanes) return simd::load(p, v);
  T padded[kLanes] = {};
  std::memcpy(static_cast<void*>(padded), p, static_cast<std::size_t>(n) * sizeof(T));
  simd::load(padded, v);
}

template <class T>
NAGARE_INLINE void put(T* p, std::int64_t n, const Vector& v) {
  if (n == kLanes) return simd::store(p, v);
  T padded[kLanes];
  simd::store(padded, v);
  std::memcpy(static_cast<void*>(p), padded, static_cast<std::size_t>(n) * sizeof(T));
}

NAGARE_INLINE void get_or(const float* p, std::int64_t c, std::int64_t n, float otherwise, Vector& v) {
  if (p != nullptr) {
    get(p + c, n, v);
  } else {
    v = Vector{} + otherwise;
  }
}

// h = (x - mean) * scale + beta for V vectors of channels.
template <int V>
struct Affine {
  Vector mean[V], inv_std[V], scale[V], beta[V];

  NAGARE_INLINE Affine(const BatchNormColumns& from, std::int64_t c, std::int64_t n) {
    for (int v = 0; v < V; ++v, c += kLanes) {
      get(from.mean + c, n, mean[v]);
      get(from.inv_std + c, n, inv_std[v]);
      get_or(from.gamma, c, n, 1.0F, scale[v]);
      get_or(from.beta, c, n, 0.0F, beta[v]);
      scale[v] *= inv_std[v];
    }
  }
};

// Per block and channel: the mean, and the sum of squared deviations from it.
template <class T>
struct BlockMoments {
  const BatchNorm& p;
  const Tile& tile;
  const T* x;
  float* out;  // mean, then squares, of this block

  template <int V>
  NAGARE_INLINE void run(std::int64_t c, std::int64_t n) const {
    Vector shift[V], sum[V], squares[V];
    for (int v = 0; v < V; ++v) {
      get(x + tile.row * p.channels + c + v * kLanes, n, shift[v]);
      sum[v] = squares[v] = Vector{};
    }
    for (std::int64_t r = tile.row; r < tile.row_end; ++r) {
      for (int v = 0; v < V; ++v) {
        Vector d;
        get(x + r * p.channels + c + v * kLanes, n, d);
        d -= shift[v];
        sum[v] += d;
        squares[v] += d * d;
      }
    }
    const auto count = static_cast<float>(tile.row_end - tile.row);
    for (int v = 0; v < V; ++v) {
      put(out + c + v * kLanes, n, shift[v] + sum[v] / count);
      put(out + p.channels + c + v * kLanes, n, squares[v] - sum[v] * sum[v] / count);
    }
  }
};

template <class T, bool kRelu, bool kResidual>
struct Apply {
  const BatchNorm& p;
  const Tile& tile;
  const T* x;
  const T* residual;
  const BatchNormColumns& columns;
  T* y;

  template <int V>
  NAGARE_INLINE void run(std::int64_t c, std::int64_t n) const {
    const Affine<V> a(columns, c, n);
    for (std::int64_t r = tile.row; r < tile.row_end; ++r) {
      for (int v = 0; v < V; ++v) {
        const std::int64_t at = r * p.channels + c + v * kLanes;
        Vector h;
        get(x + at, n, h);
        h = (h - a.mean[v]) * a.scale[v] + a.beta[v];
        if constexpr (kResidual) {
          Vector add;
          get(residual + at, n, add);
          h += add;
        }
        if constexpr (kRelu) h = h < 0.0F ? Vector{} : h;  // NaN stays
        put(y + at, n, h);
      }
    }
  }
};

// How ReLU's mask is found again: there is none; from h, computed anew; or from y, where a residual went into h.
enum class Mask { none, from_h, from_y };

// g = dy under the mask. d = x - mean.
template <Mask kMask, class T, int V>
NAGARE_INLINE void masked(const BatchNormInputs<T>& in, const Affine<V>& a, int v, std::int64_t at,
                          std::int64_t n, const Vector& d, Vector& g) {
  get(in.dy + at, n, g);
  if constexpr (kMask == Mask::from_h) {
    const Vector h = d * a.scale[v] + a.beta[v];
    g = h > 0.0F ? g : Vector{};
  } else if constexpr (kMask == Mask::from_y) {
    Vector y;
    get(in.y + at, n, y);
    g = y > 0.0F ? g : Vector{};
  }
}

// Per block and channel: sum of g, and of g (x - mean). Keeps g in dresidual where its mask came from y.
template <class T, Mask kMask>
struct BlockGradientSums {
  const BatchNorm& p;
  const Tile& tile;
  const BatchNormInputs<T>& in;
  const BatchNormColumns& columns;
  T* dresidual;
  float* out;

  template <int V>
  NAGARE_INLINE void run(std::int64_t c, std::int64_t n) const {
    const Affine<V> a(columns, c, n);
    Vector sum[V], products[V];
    for (int v = 0; v < V; ++v) sum[v] = products[v] = Vector{};
    for (std::int64_t r = tile.row; r < tile.row_end; ++r) {
      for (int v = 0; v < V; ++v) {
        const std::int64_t at = r * p.channels + c + v * kLanes;
        Vector d, g;
        get(in.x + at, n, d);
        d -= a.mean[v];
        masked<kMask>(in, a, v, at, n, d, g);
        if constexpr (kMask == Mask::from_y) put(dresidual + at, n, g);
        sum[v] += g;
        products[v] += g * d;
      }
    }
    for (int v = 0; v < V; ++v) {
      put(out + c + v * kLanes, n, sum[v]);
      put(out + p.channels + c + v * kLanes, n, products[v]);
    }
  }
};

// dx = scale (g - mean of g - (x - mean) slope): the last two terms in training only.
template <class T, Mask kMask>
struct InputGradient {
  const BatchNorm& p;
  const Tile& tile;
  const BatchNormInputs<T>& in;
  const BatchNormColumns& columns;
  const BatchNormGradients<T>& out;

  template <int V>
  NAGARE_INLINE void run(std::int64_t c, std::int64_t n) const {
    const Affine<V> a(columns, c, n);
    Vector mean_g[V], slope[V];
    const float share = p.training ? 1.0F / static_cast<float>(p.rows) : 0.0F;
    for (int v = 0; v < V; ++v) {
      get(out.dbeta + c + v * kLanes, n, mean_g[v]);
      get(out.dgamma + c + v * kLanes, n, slope[v]);
      mean_g[v] *= share;
      slope[v] *= share * a.inv_std[v];
    }
    for (std::int64_t r = tile.row; r < tile.row_end; ++r) {
      for (int v = 0; v < V; ++v) {
        const std::int64_t at = r * p.channels + c + v * kLanes;
        Vector d, g;
        get(in.x + at, n, d);
        d -= a.mean[v];
        masked<kMask>(in, a, v, at, n, d, g);
        put(out.dx + at, n, (g - mean_g[v] - d * slope[v]) * a.scale[v]);
      }
    }
  }
};

// One definition per element type, as only plain functions can be compiled for several vector widths.
#define NAGARE_DEFINE_TILES(T)                                                                         \
  NAGARE_SIMD void moments(const BatchNorm& p, const Tile& tile, const T* x, float* out) {             \
    for_each_group(tile, BlockMoments<T>{p, tile, x, out});                                            \
  }                                                                                                    \
  NAGARE_SIMD void apply(const BatchNorm& p, const Tile& tile, const T* x, const T* residual,          \
                         const BatchNormColumns& columns, T* y) {                                      \
    if (p.relu && residual != nullptr) {                                                               \
      for_each_group(tile, Apply<T, true, true>{p, tile, x, residual, columns, y});                    \
    } else if (p.relu) {                                                                               \
      for_each_group(tile, Apply<T, true, false>{p, tile, x, residual, columns, y});                   \
    } else if (residual != nullptr) {                                                                  \
      for_each_group(tile, Apply<T, false, true>{p, tile, x, residual, columns, y});                   \
    } else {                                                                                           \
      for_each_group(tile, Apply<T, false, false>{p, tile, x, residual, columns, y});                  \
    }                                                                                                  \
  }                                                                                                    \
  NAGARE_SIMD void gradient_sums(const BatchNorm& p, const Tile& tile, const BatchNormInputs<T>& in,   \
                                 const BatchNormColumns& columns, T* dresidual, float* out) {          \
    if (dresidual != nullptr) {                                                                        \
      for_each_group(tile, BlockGradientSums<T, Mask::from_y>{p, tile, in, columns, dresidual, out});  \
    } else if (p.relu) {                                                                               \
      for_each_group(tile, BlockGradientSums<T, Mask::from_h>{p, tile, in, columns, dresidual, out});  \
    } else {                                                                                           \
      for_each_group(tile, BlockGradientSums<T, Mask::none>{p, tile, in, columns, dresidual, out});    \
    }                                                                                                  \
  }                                                                                                    \
  NAGARE_SIMD void input_gradient(const BatchNorm& p, const Tile& tile, const BatchNormInputs<T>& in,  \
                                  const BatchNormColumns& columns, const BatchNormGradients<T>& out) { \
    if (p.relu && out.dresidual == nullptr) {                                                          \
      for_each_group(tile, InputGradient<T, Mask::from_h>{p, tile, in, columns, out});                 \
    } else {                                                                                           \
      for_each_group(tile, InputGradient<T, Mask::none>{p, tile, in, columns, out});                   \
    }                                                                                                  \
  }
NAGARE_DEFINE_TILES(float)
NAGARE_DEFINE_TILES(bf16)
#undef NAGARE_DEFINE_TILES

// Mean and variance of one channel from its blocks' means and squared deviations.
struct Moments {
  double mean = 0.0;
  double variance = 0.0;
};

Moments merged(const BatchNorm& p, const float* workspace, std::int64_t channel) {
  const auto at = [&](std::int64_t block, std::int64_t which) {
    return static_cast<double>(workspace[(2 * block + which) * p.channels + channel]);
  };
  const auto count = [&](std::int64_t block) {
    return static_cast<double>(std::min(kRowsPerBlock, p.rows - block * kRowsPerBlock));
  };
  Moments m;
  for (std::int64_t b = 0; b < blocks_of(p); ++b) m.mean += count(b) * at(b, 0);
  m.mean /= static_cast<double>(p.rows);
  for (std::int64_t b = 0; b < blocks_of(p); ++b) {
    const double off = at(b, 0) - m.mean;
    m.variance += at(b, 1) + count(b) * off * off;
  }
  m.variance /= static_cast<double>(p.rows);
  return m;
}

// Channels that one task merges: all of them where that takes less time than to wake a thread.
std::int64_t channels_per_task(const BatchNorm& p) {
  constexpr std::int64_t kSmall = 1 << 14;
  return p.channels * blocks_of(p) <= kSmall ? p.channels : kTile;
}

float* block_sums(const BatchNorm& p, const Tile& tile, float* workspace) {
  return workspace + tile.row / kRowsPerBlock * 2 * p.channels;
}

}  // namespace

template <class T>
void batch_norm_statistics(const BatchNorm& p, const T* x, float* workspace, const BatchNormStatistics& out,
                           Stream) {
  p.check();
  if (p.training) {
    for_each_tile(p, [&](const Tile& tile) { moments(p, tile, x, block_sums(p, tile, workspace)); });
  }
  const double unbiased = static_cast<double>(p.rows) / static_cast<double>(p.rows - 1);
  for_each_block(p.channels, channels_per_task(p), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t c = begin; c < end; ++c) {
      const Moments m =
          p.training ? merged(p, workspace, c) : Moments{out.running_mean[c], out.running_var[c]};
      out.mean[c] = static_cast<float>(m.mean);
      out.inv_std[c] = static_cast<float>(1.0 / std::sqrt(m.variance + static_cast<double>(p.epsilon)));
      if (!p.training || out.running_mean == nullptr) continue;
      const auto blend = [&](float& running, double now) {
        running = static_cast<float>(running + static_cast<double>(p.momentum) * (now - running));
      };
      blend(out.running_mean[c], m.mean);
      blend(out.running_var[c], m.variance * unbiased);
    }
  });
}

template <class T>
void batch_norm_apply(const BatchNorm& p, const T* x, const T* residual, const BatchNormColumns& columns,
                      T* y, Stream) {
  p.check();
  for_each_tile(p, [&](const Tile& tile) { apply(p, tile, x, residual, columns, y); });
}

template <class T>
void batch_norm_backward(const BatchNorm& p, const BatchNormInputs<T>& in, const BatchNormColumns& columns,
                         float* workspace, const BatchNormGradients<T>& out, Stream) {
  p.check();
  for_each_tile(p, [&](const Tile& tile) {
    gradient_sums(p, tile, in, columns, out.dresidual, block_sums(p, tile, workspace));
  });
  for_each_block(p.channels, channels_per_task(p), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t c = begin; c < end; ++c) {
      double sum = 0.0;
      double products = 0.0;
      for (std::int64_t b = 0; b < blocks_of(p); ++b) {
        sum += static_cast<double>(workspace[2 * b * p.channels + c]);
        products += static_cast<double>(workspace[(2 * b + 1) * p.channels + c]);
      }
      out.dbeta[c] = static_cast<float>(sum);
      out.dgamma[c] = static_cast<float>(products * static_cast<double>(columns.inv_std[c]));
    }
  });
  // With a residual, g is in dresidual already.
  const BatchNormInputs<T> masked_in{in.x, in.y, out.dresidual != nullptr ? out.dresidual : in.dy};
  for_each_tile(p, [&](const Tile& tile) { input_gradient(p, tile, masked_in, columns, out); });
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

}  // namespace cpu
}  // namespace nagare::kernels
