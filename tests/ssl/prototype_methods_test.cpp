// SwAV and DINO as methods: what they keep between steps, against losses made anew from their parts.
#include <gmock/gmock.h>

#include "engine/autograd/tape.h"
#include "engine/device/errors.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/linear.h"
#include "engine/ops/normalize.h"
#include "engine/ops/reduce.h"
#include "engine/ops/shape_ops.h"
#include "ssl/losses/dino.h"
#include "ssl/losses/swav.h"
#include "ssl/methods/table.h"
#include "tests/support/matrix.h"

namespace nagare::ssl {
namespace {

using testing::FloatNear;
using testing::HasSubstr;
using testing::Pointwise;
using testing::ThrowsMessage;

constexpr std::int64_t kSize = 8;
constexpr std::int64_t kBatch = 4;

struct PrototypeMethods : testing::Test {
  void make(const std::string& name, const OptionValues& extra) {
    OptionValues options = {{"hidden", "16"}, {"dim", "6"}, {"prototypes", "5"}};
    for (const auto& [key, value] : extra) options[key] = value;
    method = make_method(name, {.backbone = models::make_backbone("resnet18:width=2,stem=cifar",
                                                                  {.image_size = kSize, .seed = 1}),
                                .image_size = kSize,
                                .seed = 1,
                                .options = options});
    state = {};
    method->list_state(state);
  }

  Tensor tensor(const std::string& name) const { return state.find(name)->tensor; }

  Views views(std::uint32_t seed) const {
    const auto count = static_cast<std::int64_t>(method->view_plan().views.size());
    const test::Matrix pixels = test::normal(count * kBatch, kSize * kSize * 3, seed);
    const std::vector<float> values(pixels.values().begin(), pixels.values().end());
    return {
        .images = Tensor::from(values, {count * kBatch, kSize, kSize, 3}), .views = count, .batch = kBatch};
  }

  // before_step() and loss() of update `step`; after_step() is the test's.
  StepOutput step(std::int64_t step, const Views& views) {
    method->before_step({.step = step, .total_steps = 100});
    return method->loss(views, Pass::step);
  }

  static Tensor unit_rows(const StepOutput& output) {
    return l2_normalize(output.projections.all().detach());
  }

  std::unique_ptr<Method> method;
  nn::StateList state;
};

TEST_F(PrototypeMethods, FrozenPrototypesGetNoGradient) {
  for (const std::string name : {"swav", "dino"}) {
    make(name, {{"freeze-steps", "2"}});
    for (const std::int64_t at : {0, 1, 2}) {
      tensor("prototypes.weight").clear_grad();
      tape::backward(step(at, views(2)).loss);
      EXPECT_EQ(tensor("prototypes.weight").grad().defined(), at == 2) << name << " " << at;
    }
    // A schedule that began anew at step 10 freezes again.
    tensor("prototypes.weight").clear_grad();
    method->before_step({.step = 11, .total_steps = 100, .start = 10});
    tape::backward(method->loss(views(2), Pass::step).loss);
    EXPECT_FALSE(tensor("prototypes.weight").grad().defined()) << name;
  }
}

TEST_F(PrototypeMethods, SwavsPrototypesAreUnitRowsAfterEveryStep) {
  make("swav", {});
  const Tensor weight = tensor("prototypes.weight");
  const std::vector<float> unit = l2_normalize(weight.detach()).to_vector<float>();
  EXPECT_THAT(weight.to_vector<float>(), Pointwise(FloatNear(1e-6F), unit));
  step(0, views(2));
  weight.copy_from(scale(weight.detach(), 3.0F));
  method->after_step({.step = 0, .total_steps = 100});
  EXPECT_THAT(weight.to_vector<float>(), Pointwise(FloatNear(1e-6F), unit));
}

// Two batches of 4 fill a queue of 8: the third loss is made with it, and with the embeddings that were there before.
TEST_F(PrototypeMethods, SwavsQueueIsUsedOnceItIsFull) {
  make("swav", {{"queue", "8"}, {"local-views", "1"}});
  std::vector<Tensor> earlier[2];
  for (std::int64_t at = 0; at < 4; ++at) {
    const StepOutput output = step(at, views(static_cast<std::uint32_t>(10 + at)));
    const Tensor z = unit_rows(output);  // (3 B, D)
    const Tensor weight = tensor("prototypes.weight").detach();
    Tensor queue;
    if (at >= 2) {
      // Older rows may lie before or behind newer ones: the order within a queue changes no code.
      std::vector<Tensor> rows;
      for (const auto& of_view : earlier) rows.insert(rows.end(), of_view.end() - 2, of_view.end());
      queue = linear(concat(rows, 0), weight, {});
    }
    const double want = swav_loss(linear(z, weight, {}), {.views = 3}, queue).loss.item();
    EXPECT_NEAR(output.loss.item(), want, 1e-5) << at;
    if (at >= 2) {
      EXPECT_GT(std::abs(output.loss.item() - swav_loss(linear(z, weight, {}), {.views = 3}).loss.item()),
                1e-4);
    }
    for (std::int64_t v = 0; v < 2; ++v) earlier[v].push_back(z.rows(v * kBatch, kBatch).clone());
    method->after_step({.step = at, .total_steps = 100});
  }
}

TEST_F(PrototypeMethods, SwavsQueueBeginsWhereItIsToldAndAgainWithTheSchedules) {
  make("swav", {{"queue", "8"}, {"queue-start", "1"}});
  const auto queued_after = [&](const Progress& progress) {
    method->before_step(progress);
    method->loss(views(3), Pass::step);
    method->after_step(progress);
    return *tensor("queued").data<std::int64_t>();
  };
  EXPECT_EQ(queued_after({.step = 0, .total_steps = 9}), 0);
  EXPECT_EQ(queued_after({.step = 1, .total_steps = 9}), 4);
  EXPECT_EQ(queued_after({.step = 2, .total_steps = 9}), 8);
  EXPECT_EQ(queued_after({.step = 3, .total_steps = 9}), 8);
  EXPECT_EQ(queued_after({.step = 4, .total_steps = 9, .start = 4}), 0);
}

TEST_F(PrototypeMethods, AQueueTakesAWholeUpdate) {
  make("swav", {{"queue", "5"}});
  EXPECT_NO_THROW(method->check_update({.arriving = 3, .replayed = 2}));
  EXPECT_THAT([&] { method->check_update({.arriving = 3, .replayed = 3}); },
              ThrowsMessage<BadConfig>(testing::AllOf(
                  HasSubstr("3 arriving images and 3 replayed ones"), HasSubstr("a queue of 5 embeddings"),
                  HasSubstr("--method.queue 6 or more (or 0: no queue)"))));
  make("swav", {{"queue", "0"}});
  EXPECT_NO_THROW(method->check_update({.arriving = 3, .replayed = 3}));
}

// At first the teacher is the student, and the centre is 0: all follows from the student's rows.
TEST_F(PrototypeMethods, DinosLossTemperatureAndCentreAreThoseOfItsPage) {
  make("dino", {{"local-views", "1"},
                {"warmup-temperature", "0.08"},
                {"warmup-steps", "4"},
                {"teacher-temperature", "0.04"},
                {"center-momentum", "0.75"}});
  for (const auto& [at, temperature] : std::vector<std::pair<std::int64_t, float>>{
           {0, 0.08F}, {1, 0.07F}, {3, 0.05F}, {4, 0.04F}, {9, 0.04F}}) {
    const StepOutput output = step(at, views(4));
    const Tensor logits = linear(unit_rows(output), l2_normalize(tensor("prototypes.weight").detach()), {});
    const Tensor teacher = logits.rows(0, 2 * kBatch);
    const double want =
        dino_loss(logits, teacher, Tensor::zeros({5}), {.views = 3, .teacher_temperature = temperature})
            .item();
    EXPECT_NEAR(output.loss.item(), want, 1e-4) << at;
    if (at != 9) continue;
    method->after_step({.step = 9, .total_steps = 10});
    EXPECT_THAT(tensor("center").to_vector<float>(),
                Pointwise(FloatNear(1e-6F), scale(mean_rows(teacher), 0.25F).to_vector<float>()));
  }
}

TEST_F(PrototypeMethods, DinosTeacherFollowsWithItsPrototypes) {
  make("dino", {{"momentum", "0.5"}});
  for (const std::string name : {"projector.0.weight", "prototypes.weight"}) {
    tensor(name).copy_from(Tensor::full(tensor(name).shape(), 3.0F));
    tensor("teacher." + name).copy_from(Tensor::full(tensor(name).shape(), 1.0F));
    EXPECT_EQ(state.find("teacher." + name)->role, nn::Role::buffer);
  }
  method->after_step({.step = 0, .total_steps = 2});
  for (const std::string name : {"projector.0.weight", "prototypes.weight"})
    EXPECT_FLOAT_EQ(tensor("teacher." + name).to_vector<float>()[0], 2.0F) << name;
}

TEST_F(PrototypeMethods, PrototypesAreGivenAsUnitRows) {
  for (const std::string name : {"swav", "dino"}) {
    make(name, {});
    const auto& holder = dynamic_cast<const PrototypeMethod&>(*method);
    EXPECT_THAT(
        holder.prototypes().to_vector<float>(),
        Pointwise(FloatNear(1e-6F), l2_normalize(tensor("prototypes.weight").detach()).to_vector<float>()));
    EXPECT_FALSE(holder.prototypes().requires_grad());
  }
}

// Local views are small crops behind the two that are assigned or taught.
TEST_F(PrototypeMethods, LocalViewsAreSmallCropsBehindTheTwo) {
  for (const std::string name : {"swav", "dino"}) {
    make(name, {{"local-views", "3"}});
    const std::vector<ViewRecipe>& plan = method->view_plan().views;
    ASSERT_EQ(plan.size(), 5U) << name;
    for (std::size_t v = 0; v < plan.size(); ++v)
      EXPECT_FLOAT_EQ(plan[v].crop_scale_max, v < 2 ? 1.0F : 0.5F) << name << " " << v;
  }
}

}  // namespace
}  // namespace nagare::ssl
