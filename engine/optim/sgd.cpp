#include "engine/optim/sgd.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <stdexcept>

#include "engine/device/errors.h"
#include "engine/optim/slots.h"
#include "engine/text/nearest.h"
#include "kernels/dispatch.h"
#include "kernels/multi_tensor.h"

namespace nagare::optim {
namespace {

using kernels::Trust;

// How a variant of LARS differs from the others (see LarsOptions).
struct Variant {
  OptimizerRow text;
  Trust trust;
  bool may_clip = false;
  bool may_exclude = false;
  bool undecayed_is_excluded = false;
  bool rate_in_momentum = false;
};
constexpr Variant kVariants[] = {
    {.text = {"emp", "solo-learn's rule, EMP-SSL's constants", "github.com/tsb0601/EMP-SSL"},
     .trust = Trust::separate_norms,
     .may_clip = true,
     .may_exclude = true},
    {.text = {"fair", "ratio of the decayed gradient's norm", "github.com/facebookresearch/barlowtwins"},
     .trust = Trust::joint_norm,
     .may_exclude = true},
    {.text = {"google", "learning rate inside the momentum (classic)", "github.com/google-research/simclr"},
     .trust = Trust::joint_norm,
     .may_exclude = true,
     .rate_in_momentum = true},
    {.text = {"lightly", "never clipped, undecayed tensors excluded", "github.com/lightly-ai/lightly"},
     .trust = Trust::separate_norms,
     .undecayed_is_excluded = true},
    {.text = {"solo", "clipping and exclusion by choice", "github.com/vturrisi/solo-learn"},
     .trust = Trust::separate_norms,
     .may_clip = true,
     .may_exclude = true},
    {.text = {"ucl", "learning rate inside the momentum, no exclusions", "github.com/divyam3897/UCL"},
     .trust = Trust::separate_norms_unguarded,
     .rate_in_momentum = true},
};

const Variant& find_variant(const std::string& name) {
  const auto* found = std::ranges::find_if(kVariants, [&](const Variant& v) { return name == v.text.name; });
  if (found != std::end(kVariants)) return *found;
  std::vector<std::string> known;
  for (const Variant& v : kVariants) known.emplace_back(v.text.name);
  throw BadConfig(unknown_name("variant of lars", name, known));
}

class Sgd : public Optimizer {
 public:
  Sgd(const OptimizerOptions& options, std::vector<nn::StateEntry> parameters)
      : Optimizer(std::move(parameters)),
        options_(options),
        steps_(Tensor::zeros({static_cast<std::int64_t>(this->parameters().size())}, {.dtype = DType::i64})) {
    if (options.name == "lars") variant_ = find_variant(options.lars.variant);
    if (options.momentum > 0.0 || variant_) momentum_ = make_slots(this->parameters());
  }

  void step(double learning_rate) override {
    check_rate(learning_rate);
    collect();
    if (segments_.empty()) return;
    const auto rate = static_cast<float>(learning_rate);
    const auto momentum = static_cast<float>(options_.momentum);
    kernels::SgdStep p{.rate = rate,
                       .momentum = momentum,
                       .from_gradient = options_.nesterov ? 1.0F : 0.0F,
                       .from_momentum = options_.nesterov ? momentum : 1.0F};
    if (variant_) {
      p.trust = {.kind = variant_->trust, .eta = static_cast<float>(options_.lars.eta)};
      if (variant_->may_clip && options_.lars.clip) {
        // min(ratio / rate, 1): a rate of 0 clips every ratio to 1, and nothing moves.
        p.trust.clip_rate = std::max(rate, std::numeric_limits<float>::min());
      }
      if (variant_->rate_in_momentum && options_.lars.classic) {
        p.trust.scale = rate;
        p.rate = 1.0F;
      } else if (variant_->rate_in_momentum) {
        scale_the_step(p);
        return;
      }
      p.sums = norms({.direction = 1.0F}).data<float>();
    }
    update(p);
  }

  void list_state(nn::StateList& list) const override {
    list_slots(list, "momentum", parameters(), momentum_);
    list.add("steps", steps_, nn::kCount);
  }

 private:
  // Fills segments_ with the parameters that have a gradient.
  void collect() {
    segments_.clear();
    gradients_.clear();
    for (const std::size_t i : with_gradient(parameters())) {
      const nn::StateEntry& p = parameters()[i];
      const bool first = steps_.data<std::int64_t>()[i]++ == 0;
      gradients_.push_back(p.tensor.grad());
      segments_.push_back({.parameter = p.tensor.data<float>(),
                           .gradient = gradients_.back().data<float>(),
                           .momentum = momentum_.empty() ? nullptr : momentum_[i].data<float>(),
                           .n = p.tensor.numel(),
                           .weight_decay = decay_of(p),
                           .take = first ? 1.0F : static_cast<float>(1.0 - options_.dampening),
                           .trusted = is_trusted(p)});
    }
  }

  bool is_excluded(const nn::StateEntry& p) const {
    return variant_ && variant_->may_exclude && options_.lars.exclude_bias_and_norm &&
           p.role != nn::Role::weight;
  }
  float decay_of(const nn::StateEntry& p) const {
    const bool decay = p.role == nn::Role::weight || options_.decay_bias_and_norm;
    return decay && !is_excluded(p) ? static_cast<float>(options_.weight_decay) : 0.0F;
  }
  bool is_trusted(const nn::StateEntry& p) const {
    if (!variant_ || is_excluded(p)) return false;
    return !variant_->undecayed_is_excluded || decay_of(p) > 0.0F;
  }

  // The sums that the trust ratios are made of; kept until the next call.
  const Tensor& norms(const kernels::SumWeights& weights) {
    std::vector<kernels::SumSegment> segments;
    for (const kernels::SgdSegment& s : segments_) {
      segments.push_back({s.parameter, s.gradient, s.momentum, s.n, s.weight_decay});
    }
    const Tensor& any = parameters().front().tensor;
    const std::int64_t blocks = kernels::count_blocks(std::span<const kernels::SumSegment>(segments));
    const Tensor partials = Tensor::empty({blocks, 3}, {.device = any.device()});
    sums_ = Tensor::empty({static_cast<std::int64_t>(segments.size()), 3}, {.device = any.device()});
    NAGARE_DISPATCH(any.device(), multi_tensor_sums(weights, segments, partials.data<float>(),
                                                    sums_.data<float>(), any.stream()));
    return sums_;
  }

  void update(const kernels::SgdStep& p) const {
    const Tensor& any = parameters().front().tensor;
    NAGARE_DISPATCH(any.device(), multi_tensor_sgd(p, segments_, any.stream()));
  }

  // google, not classic: the ratio is of the finished step u, so the momentum is brought up to date first.
  void scale_the_step(kernels::SgdStep p) {
    kernels::SgdStep only_momentum = p;
    only_momentum.rate = 0.0F;
    const std::vector<kernels::SgdSegment> before = segments_;
    for (kernels::SgdSegment& s : segments_) s.trusted = false;
    update(only_momentum);
    p.sums = norms({.direction = p.from_gradient, .momentum = p.from_momentum}).data<float>();
    p.momentum = 1.0F;
    p.trust_scales_rate = true;
    for (std::size_t i = 0; i < segments_.size(); ++i) {
      segments_[i].take = 0.0F;
      segments_[i].trusted = before[i].trusted;
    }
    update(p);
  }

  OptimizerOptions options_;
  std::optional<Variant> variant_;
  std::vector<Tensor> momentum_;
  Tensor steps_;  // on the CPU: updates of each parameter
  std::vector<kernels::SgdSegment> segments_;
  std::vector<Tensor> gradients_;  // what segments_ points into
  Tensor sums_;
};

}  // namespace

std::unique_ptr<Optimizer> make_sgd(const OptimizerOptions& options, std::vector<nn::StateEntry> parameters) {
  return std::make_unique<Sgd>(options, std::move(parameters));
}

std::span<const OptimizerRow> lars_variants() {
  static const std::vector<OptimizerRow> rows = [] {
    std::vector<OptimizerRow> list;
    for (const Variant& v : kVariants) {
      list.push_back(v.text);
      list.back().uses = (v.may_clip ? kUsesClip : 0U) | (v.may_exclude ? kUsesExclusion : 0U);
    }
    return list;
  }();
  return rows;
}

}  // namespace nagare::optim
