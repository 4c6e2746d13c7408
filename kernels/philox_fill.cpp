#include "kernels/philox_fill.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "kernels/box_muller.h"
#include "kernels/parallel.h"
#include "kernels/philox_group.h"
#include "kernels/simd.h"

namespace nagare::kernels {

void PhiloxFill::check() const {
  constexpr std::int64_t kDraws = std::int64_t{1} << 26;
  if (n < 0 || first < 0 || first > kDraws || n > kDraws - first) {
    throw std::invalid_argument("philox_fill: elements " + std::to_string(first) + " to " +
                                std::to_string(first) + " + " + std::to_string(n) +
                                ", need 0 <= first, n >= 0 and first + n <= 2^26");
  }
}

void UniformRange::check() const {
  if (low <= high && std::isfinite(low) && std::isfinite(high - low)) return;
  throw std::invalid_argument("philox_uniform: range " + std::to_string(low) + " to " + std::to_string(high) +
                              ", need finite numbers, low <= high");
}

void NormalShape::check() const {
  if (deviation >= 0.0F && std::isfinite(deviation) && std::isfinite(mean)) return;
  throw std::invalid_argument("philox_normal: mean " + std::to_string(mean) + ", deviation " +
                              std::to_string(deviation) + ", need finite numbers, deviation >= 0");
}

namespace cpu {
namespace {

using Group = PhiloxGroup;
constexpr int kBlocks = Group::kBlocks;
constexpr int kGroup = Group::kDraws;

// What becomes of a group's words.
struct ToUniform {
  float low;
  float span;

  NAGARE_INLINE void operator()(const Group& g, float* value) const {
    for (int b = 0; b < kBlocks; ++b) {
      for (int w = 0; w < 4; ++w) value[4 * b + w] = low + span * unit_float(g.word[w][b]);
    }
  }
};

struct ToNormal {
  float mean;
  float deviation;

  NAGARE_INLINE void operator()(const Group& g, float* value) const {
    float z[4][kBlocks];
    for (int w = 0; w < 4; w += 2) {
      for (int b = 0; b < kBlocks; ++b) {
        const NormalPair pair = box_muller(g.word[w][b], g.word[w + 1][b]);
        z[w][b] = mean + deviation * pair.z0;
        z[w + 1][b] = mean + deviation * pair.z1;
      }
    }
    for (int b = 0; b < kBlocks; ++b) {
      for (int w = 0; w < 4; ++w) value[4 * b + w] = z[w][b];
    }
  }
};

// Elements [begin, end) of the whole array, to out[0], out[1], ...
template <class Step, class T>
NAGARE_INLINE void fill_range(const RandomKey& key, const Step& step, std::int64_t begin, std::int64_t end,
                              T* out) {
  for (std::int64_t start = begin / kGroup * kGroup; start < end; start += kGroup) {
    Group group;
    draw_group(key, static_cast<std::uint32_t>(start / 4), group);
    float value[kGroup];
    step(group, value);
    if (start >= begin && start + kGroup <= end) {
      for (int i = 0; i < kGroup; ++i) store(out + (start - begin) + i, value[i]);
      continue;
    }
    for (std::int64_t i = std::max(begin, start); i < std::min(end, start + kGroup); ++i) {
      store(out + (i - begin), value[i - start]);
    }
  }
}

#define NAGARE_FILL(Step, T)                                                                          \
  NAGARE_SIMD void fill(const RandomKey& key, const Step& step, std::int64_t begin, std::int64_t end, \
                        T* out) {                                                                     \
    fill_range(key, step, begin, end, out);                                                           \
  }
NAGARE_FILL(ToUniform, float)
NAGARE_FILL(ToUniform, bf16)
NAGARE_FILL(ToNormal, float)
NAGARE_FILL(ToNormal, bf16)
#undef NAGARE_FILL

template <class Step, class T>
void fill_all(const PhiloxFill& p, const Step& step, T* out) {
  constexpr std::int64_t kPart = 16384;
  for_each_block(p.n, kPart, [&](std::int64_t begin, std::int64_t end) {
    fill(p.key, step, p.first + begin, p.first + end, out + begin);
  });
}

}  // namespace

template <class T>
void philox_uniform(const PhiloxFill& p, const UniformRange& range, T* out, Stream) {
  p.check();
  range.check();
  fill_all(p, ToUniform{range.low, range.high - range.low}, out);
}

template <class T>
void philox_normal(const PhiloxFill& p, const NormalShape& shape, T* out, Stream) {
  p.check();
  shape.check();
  fill_all(p, ToNormal{shape.mean, shape.deviation}, out);
}

template void philox_uniform(const PhiloxFill&, const UniformRange&, float*, Stream);
template void philox_uniform(const PhiloxFill&, const UniformRange&, bf16*, Stream);
template void philox_normal(const PhiloxFill&, const NormalShape&, float*, Stream);
template void philox_normal(const PhiloxFill&, const NormalShape&, bf16*, Stream);

}  // namespace cpu
}  // namespace nagare::kernels
