#include "ssl/methods/dino.h"

#include <algorithm>
#include <vector>

#include "engine/autograd/tape.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/linear.h"
#include "engine/ops/normalize.h"
#include "engine/ops/shape_ops.h"
#include "engine/ops/view_cross_entropy.h"
#include "engine/optim/ema.h"
#include "ssl/augment/recipes.h"
#include "ssl/losses/dino.h"
#include "ssl/methods/common.h"
#include "ssl/methods/encoder.h"

namespace nagare::ssl {
namespace {

constexpr double kHeadDeviation = 0.02;  // of the projector's weights, published

models::MlpOptions projector(const DinoOptions& options, const MethodContext& context) {
  return {.widths = projector_widths(*context.backbone, options.layers,
                                     {.hidden = options.hidden, .dim = options.dim}),
          .hidden_norm = options.hidden_norm,
          .hidden_bias = true,
          .activation = models::Activation::gelu,
          .weight_deviation = kHeadDeviation,
          .seed = head_seed(context.seed, 0),
          .device = context.device};
}

// Unit projections against unit prototypes: (N, K) f32.
Tensor logits(const std::vector<Tensor>& projections, const Tensor& prototypes) {
  return linear(l2_normalize(cast(concat(projections, 0), DType::f32)), l2_normalize(prototypes), {});
}

class DinoMethod final : public PrototypeMethod {
 public:
  DinoMethod(const DinoOptions& options, MethodContext context)
      : options_(options),
        plan_(plan_of(dino_recipes(context.image_size, options.local_views), context)),
        student_(encoder_of(context, projector(options, context))),
        prototypes_(initial_prototypes(options.prototypes, options.dim, context)),
        teacher_(student_),
        teacher_prototypes_(prototypes_.detach().clone()),
        center_(Tensor::zeros({options.prototypes}, {.device = context.device})) {
    before_step({});
  }

  const ViewPlan& view_plan() const override { return plan_; }
  std::int64_t embedding_dim() const override { return options_.dim; }
  models::Backbone& backbone() override { return student_.backbone(); }
  const Network& network() const override { return student_; }
  Tensor prototypes() const override { return l2_normalize(prototypes_.detach()); }

  void before_step(const Progress& progress) override {
    const std::int64_t step = progress.since_start();
    frozen_ = step < options_.freeze_steps;
    temperature_ = options_.teacher_temperature;
    if (step >= options_.warmup_steps) return;
    const float left = 1.0F - static_cast<float>(step) / static_cast<float>(options_.warmup_steps);
    temperature_ += (options_.warmup_temperature - options_.teacher_temperature) * left;
  }

  StepOutput loss(const Views& views, Pass pass) override {
    check_views("dino", views, Dino::kGlobalViews + options_.local_views);
    const EncodedViews encoded = student_.forward_views(views, pass);
    const Tensor student =
        logits(encoded.projections, frozen_ ? prototypes_.detach() : prototypes_);  // (V * B, K)
    const Tensor teacher = teacher_logits(views, pass);                             // (2 * B, K)
    if (pass == Pass::step) teacher_rows_ = teacher;
    return joint_output(dino_loss(student, teacher, center_,
                                  {.views = views.views,
                                   .student_temperature = options_.student_temperature,
                                   .teacher_temperature = temperature_}),
                        encoded);
  }

  // After the update: the teacher moves towards the weights that the step has just made.
  void after_step(const Progress& progress) override {
    if (teacher_rows_.defined()) update_center(center_, teacher_rows_, options_.center_momentum);
    teacher_rows_ = {};
    const double momentum = momentum_at(options_.momentum, progress);
    teacher_.follow(student_, momentum);
    const auto only = [](const Tensor& weight) {
      nn::StateList list;
      list.add("prototypes", weight, nn::Role::weight);
      return list;
    };
    optim::ema_update(only(teacher_prototypes_), only(prototypes_), momentum);
  }

  void list_state(nn::StateList& list) const override {
    student_.list_state(list);
    list.add("prototypes.weight", prototypes_, nn::Role::weight);
    teacher_.list_state(list);
    list.add("teacher.prototypes.weight", teacher_prototypes_, nn::Role::buffer);
    list.add("center", center_, nn::Role::buffer);
  }

 private:
  Tensor teacher_logits(const Views& views, Pass pass) const {
    const tape::NoGrad guard;
    const Views global{.images = views.images.rows(0, Dino::kGlobalViews * views.batch),
                       .views = Dino::kGlobalViews,
                       .batch = views.batch};
    return logits(teacher_.forward_views(global, pass), teacher_prototypes_);
  }

  DinoOptions options_;
  ViewPlan plan_;
  Encoder student_;
  Tensor prototypes_;  // (K, D); their directions count, not their lengths
  Teacher teacher_;
  Tensor teacher_prototypes_;
  Tensor center_;  // (K)
  float temperature_ = 0.0F;
  bool frozen_ = false;
  Tensor teacher_rows_;  // (2 B, K) of the step under way
};

}  // namespace

OptionSet DinoOptions::bind() {
  OptionSet set;
  set.integer("layers", layers, {.low = 1, .high = 8}, "Linear layers of the projector, GELU between them");
  set.integer("hidden", hidden, {.low = 1, .high = 65536}, "width of its hidden layers");
  set.integer("dim", dim, {.low = 1, .high = 65536}, "width of the projection and of a prototype");
  set.flag("hidden-norm", hidden_norm, "batch norm in the projector");
  set.integer("prototypes", prototypes, {.low = 2, .high = 1 << 20}, "entries of the distributions");
  set.integer("local-views", local_views, {.low = 0, .high = 64}, "more views, of small crops");
  set.number("student-temperature", student_temperature, {.low = 0.005, .high = 100.0}, "of the student");
  set.number("teacher-temperature", teacher_temperature, {.low = 0.005, .high = 100.0},
             "of the teacher: sharper than the student");
  set.number("warmup-temperature", warmup_temperature, {.low = 0.005, .high = 100.0},
             "of the teacher at first");
  set.integer("warmup-steps", warmup_steps, {.low = 0, .high = 1e12},
              "updates from that to teacher-temperature, linearly");
  set.number("center-momentum", center_momentum, {.low = 0.0, .high = 1.0},
             "share of the centre that a step keeps");
  set.number("momentum", momentum, {.low = 0.0, .high = 1.0},
             "share of the teacher that a step keeps; grows to 1 as a cosine");
  set.integer("freeze-steps", freeze_steps, {.low = 0, .high = 1e12},
              "updates before the prototypes begin to learn");
  return set;
}

std::unique_ptr<Method> make_dino(MethodContext context) {
  DinoOptions options;
  options.bind().assign("dino", context.options);
  return std::make_unique<DinoMethod>(options, std::move(context));
}

}  // namespace nagare::ssl
