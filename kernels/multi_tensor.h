#pragma once
// One pass over all parameters of a network at once: optimiser steps, EMA, gradient clipping. A network has
// some sixty tensors, most of them tiny; one launch for all of them costs what one launch costs.
//
// Every tensor is a segment: its pointers, its length, and what is its own (weight decay). All elements are f32.
//
//   sums      per segment |p|^2, |g|^2 and |a (g + wd p) + b m|^2, to sums[3 i], [3 i + 1], [3 i + 2]
//   sgd       d = s (g + wd p);  m = mu m + take d;  u = from_gradient d + from_momentum m;  p -= rate u
//             s = trust.scale, or for a `trusted` segment what trust_step() below makes of its sums (LARS)
//   adam      g' = g + wd p (decoupled: p -= rate wd p instead);  m = b1 m + (1 - b1) g';
//             v = b2 v + (1 - b2) g'^2;
//             p -= rate (m / correction1) / (sqrt(v / correction2) + epsilon),  correction = 1 - beta^steps
//   ema       target = decay target + (1 - decay) source
//   clip_norm   g *= min(1, limit / (total + 1e-6)), total = sqrt(sum_i |g_i|^2) over the segments' sums, to *norm
//   clip_value  g = min(max(g, -limit), limit)
//
// pointers  memory of the twin's device; `segments` itself is host memory and is free again when the call returns
// partials  scratch for 3 * count_blocks(segments) floats
// aliasing  pointers of different roles or segments must not overlap
// special   NaN and infinity pass through all of them as arithmetic has it; clip_value keeps NaN
// accuracy  sums: relative 1e-6 for norms below 1e19, whose squares f32 can hold; added in an order given by the
//           lengths alone, so bits do not vary
// cost      one read and one write per pointer and element; launches: 1 per 128 segments
// source    PyTorch's torch.optim semantics; LARS: You et al., arXiv:1708.03888, and the variants named below
#include <cmath>
#include <cstdint>
#include <span>

#include "kernels/host_device.h"
#include "kernels/stream.h"

namespace nagare::kernels {

// Which ratio of norms scales a LARS step.
enum class Trust : std::uint8_t {
  // eta |p| / (|g| + wd |p| + 1e-8); where a norm is zero: the gradient alone, undecayed (solo-learn,
  // EMP-SSL, lightly)
  separate_norms,
  // eta |p| / |g + wd p|, 1 where a norm is zero (Barlow Twins, VICReg, TensorFlow's SimCLR)
  joint_norm,
  // eta |p| / (|g| + wd |p|), 1 where a norm is zero (UCL)
  separate_norms_unguarded,
};

struct TrustRule {
  Trust kind = Trust::separate_norms;
  float eta = 0.001F;
  float clip_rate = 0.0F;  // > 0: the ratio becomes min(ratio / clip_rate, 1)
  float scale = 1.0F;      // multiplies the ratio (the learning rate, where it belongs inside the momentum)
};

// d = gradient g + parameter p
struct TrustStep {
  float gradient;
  float parameter;
};

NAGARE_HOST_DEVICE inline TrustStep trust_step(const TrustRule& rule, const float* sums, float weight_decay) {
  const float p = std::sqrt(sums[0]);
  const float g = std::sqrt(rule.kind == Trust::joint_norm ? sums[2] : sums[1]);
  const bool usable = p > 0.0F && g > 0.0F;
  float ratio = 1.0F;
  if (rule.kind == Trust::separate_norms) {
    if (!usable) return {rule.scale, 0.0F};
    ratio = rule.eta * p / (g + weight_decay * p + 1e-8F);
  } else if (usable) {
    ratio = rule.eta * p / (rule.kind == Trust::joint_norm ? g : g + weight_decay * p);
  }
  if (rule.clip_rate > 0.0F) {
    ratio /= rule.clip_rate;
    if (ratio > 1.0F) ratio = 1.0F;
  }
  return {ratio * rule.scale, ratio * rule.scale * weight_decay};
}

// What a segment gets that is not `trusted`: ratio 1.
NAGARE_HOST_DEVICE inline TrustStep untrusted_step(const TrustRule& rule, float weight_decay) {
  return {rule.scale, rule.scale * weight_decay};
}

struct SumSegment {
  const float* parameter;  // may be null, with momentum: then only |g|^2 is meant
  const float* gradient;
  const float* momentum;  // may be null
  std::int64_t n;
  float weight_decay = 0.0F;
};
struct SumWeights {
  float direction = 1.0F;  // a
  float momentum = 0.0F;   // b
};

struct SgdSegment {
  float* parameter;
  const float* gradient;
  float* momentum;  // null: mu must be 0, and u = d
  std::int64_t n;
  float weight_decay = 0.0F;
  float take = 1.0F;
  bool trusted = false;
};
struct SgdStep {
  float rate = 0.0F;
  float momentum = 0.0F;
  float from_gradient = 0.0F;
  float from_momentum = 1.0F;
  TrustRule trust = {};
  const float* sums = nullptr;     // needed when a segment is trusted; device memory
  bool trust_scales_rate = false;  // rate, not the gradient, is multiplied by the ratio
};

struct AdamSegment {
  float* parameter;
  const float* gradient;
  float* first;   // m
  float* second;  // v
  std::int64_t n;
  float weight_decay = 0.0F;
  float correction1 = 1.0F;
  float correction2 = 1.0F;
};
struct AdamStep {
  float rate = 0.0F;
  float beta1 = 0.9F;
  float take1 = 0.1F;  // 1 - beta1, rounded once: in f32 arithmetic 1 - 0.999 is off by 1e-5
  float beta2 = 0.999F;
  float take2 = 0.001F;
  float epsilon = 1e-8F;
  bool decoupled = false;
};

struct EmaStep {
  float keep = 0.0F;  // decay
  float take = 1.0F;  // 1 - decay, rounded once
};
struct PairSegment {
  float* target;
  const float* source;
  std::int64_t n;
};

struct GradientSegment {
  float* gradient;
  std::int64_t n;
};

// Elements that one block works on; also the granularity of the partial sums.
inline constexpr std::int64_t kMultiTensorBlock = 8192;

template <class Segment>
std::int64_t count_blocks(std::span<const Segment> segments) {
  std::int64_t blocks = 0;
  for (const Segment& s : segments) blocks += (s.n + kMultiTensorBlock - 1) / kMultiTensorBlock;
  return blocks;
}

#define NAGARE_DECLARE_TWIN                                                                              \
  void multi_tensor_sums(const SumWeights& p, std::span<const SumSegment> segments, float* partials,     \
                         float* sums, Stream stream);                                                    \
  void multi_tensor_sgd(const SgdStep& p, std::span<const SgdSegment> segments, Stream stream);          \
  void multi_tensor_adam(const AdamStep& p, std::span<const AdamSegment> segments, Stream stream);       \
  void multi_tensor_ema(const EmaStep& p, std::span<const PairSegment> segments, Stream stream);         \
  void multi_tensor_clip_norm(float limit, const float* sums, std::span<const GradientSegment> segments, \
                              float* norm, Stream stream);                                               \
  void multi_tensor_clip_value(float limit, std::span<const GradientSegment> segments, Stream stream);

namespace cpu {
NAGARE_DECLARE_TWIN
}
namespace cuda {
NAGARE_DECLARE_TWIN
}
#undef NAGARE_DECLARE_TWIN

}  // namespace nagare::kernels
