#include "ssl/methods/swav.h"

#include <algorithm>
#include <vector>

#include "engine/autograd/tape.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/linear.h"
#include "engine/ops/normalize.h"
#include "engine/ops/shape_ops.h"
#include "ssl/augment/recipes.h"
#include "ssl/buffers/feature_queue.h"
#include "ssl/methods/common.h"
#include "ssl/methods/encoder.h"

namespace nagare::ssl {
namespace {

constexpr std::uint32_t kQueueSeed = 2;  // and 3, beside the projector's 0 and the prototypes' 1
constexpr std::int64_t kAssigned = 2;    // views that get codes

models::MlpOptions projector(const SwavOptions& options, const MethodContext& context) {
  return {.widths = {context.backbone->feature_dim(), options.hidden, options.dim},
          .seed = head_seed(context.seed, 0),
          .device = context.device};
}

class SwavMethod final : public PrototypeMethod {
 public:
  SwavMethod(const SwavOptions& options, MethodContext context)
      : options_(options),
        plan_(plan_of(swav_recipes(context.image_size, options.local_views), context)),
        encoder_(encoder_of(context, projector(options, context))),
        prototypes_(initial_prototypes(options.prototypes, options.dim, context)),
        queued_(Tensor::from(std::vector<std::int64_t>{0}, {})) {
    options_.loss.views = kAssigned + options.local_views;
    options_.loss.assigned_views = kAssigned;
    normalise_prototypes();
    for (std::uint32_t v = 0; options.queue > 0 && v < kAssigned; ++v) {
      queues_.emplace_back(Shape{options.queue, options.dim}, head_seed(context.seed, kQueueSeed + v),
                           context.device);
    }
    before_step({});
  }

  const ViewPlan& view_plan() const override { return plan_; }
  std::int64_t embedding_dim() const override { return options_.dim; }
  models::Backbone& backbone() override { return encoder_.backbone(); }
  const Network& network() const override { return encoder_; }
  Tensor prototypes() const override { return prototypes_.detach(); }

  void check_update(const UpdateSize& largest) const override {
    if (options_.queue == 0) return;
    check_queue(
        {.who = "swav", .what = "embeddings", .queue = options_.queue, .instead = " (or 0: no queue)"},
        largest);
  }

  void before_step(const Progress& progress) override {
    frozen_ = progress.since_start() < options_.freeze_steps;
  }

  StepOutput loss(const Views& views, Pass pass) override {
    check_views("swav", views, options_.loss.views);
    const EncodedViews encoded = encoder_.forward_views(views, pass);
    // Widened: an assignment divides similarities by epsilon.
    const Tensor z = l2_normalize(cast(concat(encoded.projections, 0), DType::f32));  // (V * B, D)
    const Tensor scores = linear(z, frozen_ ? prototypes_.detach() : prototypes_, {});
    if (pass == Pass::step) embeddings_ = z.detach().rows(0, kAssigned * views.batch);
    return joint_output(swav_loss(scores, options_.loss, queue_scores()).loss, encoded);
  }

  // The batch joins the queue once its own codes are made.
  void after_step(const Progress& progress) override {
    if (!embeddings_.defined()) return;
    if (!frozen_) normalise_prototypes();
    std::int64_t& queued = *queued_.data<std::int64_t>();
    if (progress.since_start() < options_.queue_start) {
      queued = 0;
    } else if (!queues_.empty()) {
      const std::int64_t batch = embeddings_.shape()[0] / kAssigned;
      for (std::int64_t v = 0; v < kAssigned; ++v)
        queues_[static_cast<std::size_t>(v)].push(embeddings_.rows(v * batch, batch));
      queued = std::min(queued + batch, options_.queue);
    }
    embeddings_ = {};
  }

  void list_state(nn::StateList& list) const override {
    encoder_.list_state(list);
    list.add("prototypes.weight", prototypes_, nn::Role::weight);
    for (std::size_t v = 0; v < queues_.size(); ++v) {
      const nn::StateList::Scope scope(list, "view" + std::to_string(v + 1));
      queues_[v].list_state(list);
    }
    list.add("queued", queued_, {.min = 0, .max = options_.queue});
  }

 private:
  void normalise_prototypes() const {
    const tape::NoGrad guard;
    prototypes_.copy_from(l2_normalize(prototypes_.detach()));
  }

  // Under the prototypes as they are now; undefined until the queue is full.
  Tensor queue_scores() const {
    if (queues_.empty() || *queued_.data<std::int64_t>() < options_.queue) return {};
    const tape::NoGrad guard;
    return linear(concat(std::vector<Tensor>{queues_[0].rows(), queues_[1].rows()}, 0), prototypes_.detach(),
                  {});
  }

  SwavOptions options_;
  ViewPlan plan_;
  Encoder encoder_;
  Tensor prototypes_;                 // (K, D), unit rows between steps
  std::vector<FeatureQueue> queues_;  // none, or one for either assigned view
  Tensor queued_;                     // i64 scalar: how many of a queue's rows are embeddings
  bool frozen_ = false;
  Tensor embeddings_;  // (2 B, D) of the step under way
};

}  // namespace

OptionSet SwavOptions::bind() {
  OptionSet set;
  set.integer("hidden", hidden, {.low = 1, .high = 65536}, "width of the projector's hidden layer");
  set.integer("dim", dim, {.low = 1, .high = 65536}, "width of the projection and of a prototype");
  set.integer("prototypes", prototypes, {.low = 2, .high = 1 << 20}, "what views are assigned to");
  set.number("temperature", loss.temperature, {.low = 0.005, .high = 100.0}, "softmax temperature");
  set.number("epsilon", loss.epsilon, {.low = 0.02, .high = 100.0},
             "temperature of the assignment: the smaller, the harder");
  set.integer("iterations", loss.iterations, {.low = 1, .high = 1000}, "of Sinkhorn and Knopp");
  set.integer("local-views", local_views, {.low = 0, .high = 64}, "more views, of small crops");
  set.integer("queue", queue, {.low = 0, .high = 1 << 24},
              "earlier embeddings of either view that are assigned beside the batch's; 0: none");
  set.integer("queue-start", queue_start, {.low = 0, .high = 1e12},
              "updates before the queue begins to fill");
  set.integer("freeze-steps", freeze_steps, {.low = 0, .high = 1e12},
              "updates before the prototypes begin to learn");
  return set;
}

std::unique_ptr<Method> make_swav(MethodContext context) {
  SwavOptions options;
  options.bind().assign("swav", context.options);
  return std::make_unique<SwavMethod>(options, std::move(context));
}

}  // namespace nagare::ssl
