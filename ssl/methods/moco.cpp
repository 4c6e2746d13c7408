#include "ssl/methods/moco.h"

#include "engine/ops/elementwise.h"
#include "engine/ops/normalize.h"
#include "engine/ops/shape_ops.h"
#include "ssl/augment/recipes.h"
#include "ssl/buffers/feature_queue.h"
#include "ssl/losses/info_nce.h"
#include "ssl/methods/common.h"
#include "ssl/methods/encoder.h"

namespace nagare::ssl {
namespace {

constexpr std::uint32_t kQueueSeed = 1;  // beside the projector's 0

models::MlpOptions projector(const MocoOptions& options, const MethodContext& context) {
  return {.widths = {context.backbone->feature_dim(), options.hidden, options.dim},
          .hidden_norm = options.hidden_norm,
          .hidden_bias = true,
          .seed = head_seed(context.seed, 0),
          .device = context.device};
}

class Moco final : public KeyedMethod {
 public:
  Moco(const MocoOptions& options, MethodContext context)
      : options_(options),
        plan_(plan_of(simsiam_recipe(context.image_size), 2, context)),
        queue_({options.queue, options.dim}, head_seed(context.seed, kQueueSeed), context.device),
        queries_(encoder_of(context, projector(options, context))),
        keys_(queries_) {}

  const ViewPlan& view_plan() const override { return plan_; }
  std::int64_t embedding_dim() const override { return options_.dim; }
  models::Backbone& backbone() override { return queries_.backbone(); }
  const Network& network() const override { return queries_; }

  void check_update(const UpdateSize& largest) const override {
    check_queue({.who = "moco", .what = "keys", .queue = options_.queue, .rows = options_.symmetric ? 2 : 1},
                largest);
  }

  // The key encoder moves before it is used, as in the published program. What it makes is queued after the step.
  StepOutput loss(const Views& views, Pass pass) override {
    check_views("moco", views, 2);
    if (pass == Pass::step) keys_.follow(queries_, options_.momentum);
    const auto keep = [&](const std::vector<Pair>& pairs) {
      if (pass == Pass::step) pairs_ = pairs;
    };
    const Views first{.images = view_images(views, 0), .views = 1, .batch = views.batch};
    const EncodedViews encoded = queries_.forward_views(options_.symmetric ? views : first, pass);
    const std::vector<Tensor>& q = encoded.projections;  // (B, D) each
    const Tensor k2 = unit_keys(views, 1, pass);
    if (!options_.symmetric) {
      keep({{.query = q[0], .key = k2}});
      return joint_output(queue_info_nce(q[0], k2, queue_.rows(), options_.temperature), encoded);
    }
    const Tensor k1 = unit_keys(views, 0, pass);
    keep({{.query = q[1], .key = k1, .view = 1}, {.query = q[0], .key = k2}});
    return joint_output(add(queue_info_nce(q[0], k2, queue_.rows(), options_.temperature),
                            queue_info_nce(q[1], k1, queue_.rows(), options_.temperature)),
                        encoded);
  }

  void after_step(const Progress& /*progress*/) override {
    std::vector<Tensor> keys;
    for (const Pair& pair : pairs_) keys.push_back(pair.key);
    if (!keys.empty()) queue_.push(concat(keys, 0));
    pairs_.clear();
  }

  std::vector<Pair> pairs() const override { return pairs_; }
  const Tensor& queue() const override { return queue_.rows(); }
  float temperature() const override { return options_.temperature; }
  void restart_keys() override { keys_.follow(queries_, 0.0); }

  void list_state(nn::StateList& list) const override {
    queries_.list_state(list);
    keys_.list_state(list);
    queue_.list_state(list);
  }

 private:
  Tensor unit_keys(const Views& views, std::int64_t view, Pass pass) const {
    return l2_normalize(cast(keys_.forward(view_images(views, view), pass), DType::f32)).detach();
  }

  MocoOptions options_;
  ViewPlan plan_;
  FeatureQueue queue_;
  Encoder queries_;
  Teacher keys_;
  std::vector<Pair> pairs_;  // of the step under way
};

}  // namespace

OptionSet MocoOptions::bind() {
  OptionSet set;
  set.integer("hidden", hidden, {.low = 1, .high = 65536}, "width of the projector's hidden layer");
  set.integer("dim", dim, {.low = 1, .high = 65536}, "width of the projection");
  set.flag("hidden-norm", hidden_norm, "batch norm in the projector");
  set.number("temperature", temperature, {.low = 0.005, .high = 100.0}, "softmax temperature");
  set.integer("queue", queue, {.low = 1, .high = 1 << 24}, "keys of earlier batches to contrast with");
  set.number("momentum", momentum, {.low = 0.0, .high = 1.0}, "share of the key encoder that a step keeps");
  set.flag("symmetric", symmetric, "either view is query and key; the two losses are added");
  return set;
}

std::unique_ptr<Method> make_moco(MethodContext context) {
  MocoOptions options;
  options.bind().assign("moco", context.options);
  return std::make_unique<Moco>(options, std::move(context));
}

}  // namespace nagare::ssl
