#include "kernels/multi_tensor.h"

#include <algorithm>
#include <vector>

#include "kernels/parallel.h"
#include "kernels/simd.h"

namespace nagare::kernels::cpu {
namespace {

// body(segment, begin, end, block) for every block of every segment; `block` counts through all of them.
template <class Segment, class Body>
void for_each_segment_block(std::span<const Segment> segments, const Body& body) {
  struct Block {
    const Segment* segment;
    std::int64_t begin;
  };
  std::vector<Block> blocks;
  for (const Segment& s : segments) {
    for (std::int64_t begin = 0; begin < s.n; begin += kMultiTensorBlock) blocks.push_back({&s, begin});
  }
  parallel_for(static_cast<std::int64_t>(blocks.size()), [&](std::int64_t i) {
    const Block& b = blocks[static_cast<std::size_t>(i)];
    body(*b.segment, b.begin, std::min(b.segment->n, b.begin + kMultiTensorBlock), i);
  });
}

using simd::kLanes;
using simd::Vector;

// Sixteen sums of squares side by side: the additions' order is fixed, whatever the processor's vectors are.
NAGARE_INLINE float total(const Vector& lanes) {
  double sum = 0.0;
  for (int i = 0; i < kLanes; ++i) sum += static_cast<double>(lanes[i]);
  return static_cast<float>(sum);
}

NAGARE_SIMD float square_sum(std::int64_t n, const float* x) {
  Vector sum{};
  for (std::int64_t i = 0; i < n; i += kLanes) {
    Vector v;
    if (n - i >= kLanes) {
      simd::load(x + i, v);
    } else {
      simd::load_first(x + i, n - i, 0.0F, v);
    }
    sum += v * v;
  }
  return total(sum);
}

// The three sums of a block in one pass: every input is read once.
NAGARE_SIMD void square_sums(std::int64_t n, const SumWeights& p, const SumSegment& s, float* out) {
  Vector sum[3] = {};
  for (std::int64_t i = 0; i < n; i += kLanes) {
    Vector parameter;
    Vector gradient;
    Vector momentum{};
    const bool whole = n - i >= kLanes;
    if (whole) {
      simd::load(s.parameter + i, parameter);
      simd::load(s.gradient + i, gradient);
      if (s.momentum != nullptr) simd::load(s.momentum + i, momentum);
    } else {
      simd::load_first(s.parameter + i, n - i, 0.0F, parameter);
      simd::load_first(s.gradient + i, n - i, 0.0F, gradient);
      if (s.momentum != nullptr) simd::load_first(s.momentum + i, n - i, 0.0F, momentum);
    }
    Vector u = p.direction * (gradient + s.weight_decay * parameter);
    if (s.momentum != nullptr) u += p.momentum * momentum;
    sum[0] += parameter * parameter;
    sum[1] += gradient * gradient;
    sum[2] += u * u;
  }
  for (int k = 0; k < 3; ++k) out[k] = total(sum[k]);
}

// What a block of one segment needs, with the trust ratio already in `gradient` and `parameter`.
struct SgdBlock {
  std::int64_t n;
  TrustStep direction;
  float take;
};

NAGARE_SIMD void sgd_block(const SgdBlock& b, const SgdStep& p, float* parameter, const float* gradient,
                           float* momentum) {
  for (std::int64_t i = 0; i < b.n; ++i) {
    const float d = b.direction.gradient * gradient[i] + b.direction.parameter * parameter[i];
    const float m = p.momentum * momentum[i] + b.take * d;
    momentum[i] = m;
    parameter[i] -= p.rate * (p.from_gradient * d + p.from_momentum * m);
  }
}

NAGARE_SIMD void sgd_block_without_momentum(const SgdBlock& b, const SgdStep& p, float* parameter,
                                            const float* gradient) {
  for (std::int64_t i = 0; i < b.n; ++i) {
    parameter[i] -= p.rate * (b.direction.gradient * gradient[i] + b.direction.parameter * parameter[i]);
  }
}

NAGARE_SIMD void adam_block(std::int64_t n, const AdamStep& p, const AdamSegment& s) {
  float* parameter = s.parameter;
  const float* gradient = s.gradient;
  float* first = s.first;
  float* second = s.second;
  const float kept = p.decoupled ? 1.0F - p.rate * s.weight_decay : 1.0F;
  const float decay = p.decoupled ? 0.0F : s.weight_decay;
  const float step = p.rate / s.correction1;
  const float root = 1.0F / s.correction2;
  for (std::int64_t i = 0; i < n; ++i) {
    const float g = gradient[i] + decay * parameter[i];
    const float m = p.beta1 * first[i] + p.take1 * g;
    const float v = p.beta2 * second[i] + p.take2 * g * g;
    first[i] = m;
    second[i] = v;
    parameter[i] = kept * parameter[i] - step * (m / (std::sqrt(v * root) + p.epsilon));
  }
}

NAGARE_SIMD void ema_block(std::int64_t n, const EmaStep& p, float* target, const float* source) {
  for (std::int64_t i = 0; i < n; ++i) target[i] = p.keep * target[i] + p.take * source[i];
}

NAGARE_SIMD void scale_block(std::int64_t n, float factor, float* x) {
  for (std::int64_t i = 0; i < n; ++i) x[i] *= factor;
}

NAGARE_SIMD void clamp_block(std::int64_t n, float limit, float* x) {
  // A comparison with NaN is false, so NaN stays.
  for (std::int64_t i = 0; i < n; ++i) x[i] = x[i] > limit ? limit : x[i] < -limit ? -limit : x[i];
}

}  // namespace

void multi_tensor_sums(const SumWeights& p, std::span<const SumSegment> segments, float* partials,
                       float* sums, Stream) {
  for_each_segment_block(segments,
                         [&](const SumSegment& s, std::int64_t begin, std::int64_t end, std::int64_t i) {
                           float* out = partials + 3 * i;
                           SumSegment part = s;
                           part.gradient += begin;
                           if (s.parameter == nullptr) {
                             out[0] = out[2] = 0.0F;
                             out[1] = square_sum(end - begin, part.gradient);
                             return;
                           }
                           part.parameter += begin;
                           if (s.momentum != nullptr) part.momentum += begin;
                           square_sums(end - begin, p, part, out);
                         });
  for (const SumSegment& s : segments) {
    double sum[3] = {};
    for (std::int64_t begin = 0; begin < s.n; begin += kMultiTensorBlock, partials += 3) {
      for (int k = 0; k < 3; ++k) sum[k] += static_cast<double>(partials[k]);
    }
    for (const double total : sum) *sums++ = static_cast<float>(total);
  }
}

void multi_tensor_sgd(const SgdStep& p, std::span<const SgdSegment> segments, Stream) {
  for_each_segment_block(segments, [&](const SgdSegment& s, std::int64_t begin, std::int64_t end,
                                       std::int64_t) {
    SgdStep step = p;
    SgdBlock block{.n = end - begin, .direction = untrusted_step(p.trust, s.weight_decay), .take = s.take};
    if (s.trusted) {
      const TrustStep scaled = trust_step(p.trust, p.sums + 3 * (&s - segments.data()), s.weight_decay);
      if (p.trust_scales_rate) {
        step.rate *= scaled.gradient;
      } else {
        block.direction = scaled;
      }
    }
    if (s.momentum == nullptr) {
      sgd_block_without_momentum(block, step, s.parameter + begin, s.gradient + begin);
    } else {
      sgd_block(block, step, s.parameter + begin, s.gradient + begin, s.momentum + begin);
    }
  });
}

void multi_tensor_adam(const AdamStep& p, std::span<const AdamSegment> segments, Stream) {
  for_each_segment_block(segments,
                         [&](const AdamSegment& s, std::int64_t begin, std::int64_t end, std::int64_t) {
                           AdamSegment part = s;
                           part.parameter += begin;
                           part.gradient += begin;
                           part.first += begin;
                           part.second += begin;
                           adam_block(end - begin, p, part);
                         });
}

void multi_tensor_ema(const EmaStep& p, std::span<const PairSegment> segments, Stream) {
  for_each_segment_block(segments,
                         [&](const PairSegment& s, std::int64_t begin, std::int64_t end, std::int64_t) {
                           ema_block(end - begin, p, s.target + begin, s.source + begin);
                         });
}

void multi_tensor_clip_norm(float limit, const float* sums, std::span<const GradientSegment> segments,
                            float* norm, Stream) {
  double total = 0.0;
  for (std::size_t i = 0; i < segments.size(); ++i) total += static_cast<double>(sums[3 * i + 1]);
  *norm = static_cast<float>(std::sqrt(total));
  const float factor = limit / (*norm + 1e-6F);
  if (factor >= 1.0F) return;
  for_each_segment_block(segments,
                         [&](const GradientSegment& s, std::int64_t begin, std::int64_t end, std::int64_t) {
                           scale_block(end - begin, factor, s.gradient + begin);
                         });
}

void multi_tensor_clip_value(float limit, std::span<const GradientSegment> segments, Stream) {
  for_each_segment_block(segments,
                         [&](const GradientSegment& s, std::int64_t begin, std::int64_t end, std::int64_t) {
                           clamp_block(end - begin, limit, s.gradient + begin);
                         });
}

}  // namespace nagare::kernels::cpu
