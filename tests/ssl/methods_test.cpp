// Properties of every row of the method table, on a ResNet-18 of width 2 and 8-pixel views.
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "engine/autograd/tape.h"
#include "engine/device/errors.h"
#include "engine/ops/elementwise.h"
#include "engine/optim/optimizer.h"
#include "ssl/methods/table.h"
#include "tests/support/devices.h"
#include "tests/support/matrix.h"

namespace nagare::ssl {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr std::int64_t kSize = 8;
constexpr std::int64_t kBatch = 4;

OptionValues small(const std::string& name) {
  if (name == "barlow" || name == "vicreg") return {{"hidden", "16"}, {"dim", "12"}};
  if (name == "byol") return {{"hidden", "16"}, {"dim", "12"}, {"predictor-hidden", "6"}};
  if (name == "simsiam") return {{"hidden", "16"}, {"dim", "12"}, {"predictor-hidden", "6"}};
  if (name == "simclr") return {{"hidden", "16"}, {"dim", "12"}};
  if (name == "moco") return {{"hidden", "16"}, {"dim", "12"}, {"queue", "500"}};
  if (name == "supcon") return {{"hidden", "16"}, {"dim", "12"}};
  if (name == "supervised") return {};
  if (name == "swav" || name == "dino") return {{"hidden", "16"}, {"dim", "12"}, {"prototypes", "10"}};
  return {{"hidden", "16"}, {"dim", "12"}, {"patches", "3"}};
}

std::unique_ptr<Method> make(const std::string& name, std::uint64_t seed = 1, const OptionValues& extra = {},
                             Device device = Device::cpu) {
  auto backbone = models::make_backbone("resnet18:width=2,stem=cifar",
                                        {.image_size = kSize, .seed = seed, .device = device});
  OptionValues options = small(name);
  for (const auto& [key, value] : extra) options[key] = value;
  return make_method(name, {.backbone = std::move(backbone),
                            .image_size = kSize,
                            .seed = seed,
                            .device = device,
                            .classes = 5,
                            .options = options});
}

Views views_for(const Method& method, std::uint32_t seed, DType dtype = DType::f32,
                Device device = Device::cpu) {
  const auto count = static_cast<std::int64_t>(method.view_plan().views.size());
  const test::Matrix pixels = test::normal(count * kBatch, kSize * kSize * 3, seed);
  const std::vector<float> values(pixels.values().begin(), pixels.values().end());
  const Tensor images = Tensor::from(values, {count * kBatch, kSize, kSize, 3}, device);
  return {.images = cast(images, dtype), .views = count, .batch = kBatch};
}

StepOutput output_of(Method& method, const Views& views, Pass pass = Pass::step) {
  auto* supervised = dynamic_cast<SupervisedMethod*>(&method);
  if (supervised == nullptr) return method.loss(views, pass);
  return supervised->supervised_loss(
      views, {Tensor::from(std::vector<std::int64_t>{0, 1, 0, 4}, {kBatch}, views.images.device())}, pass);
}

std::vector<nn::StateEntry> state_of(const Method& method) {
  nn::StateList list;
  method.list_state(list);
  return list.entries();
}

struct MethodTest : testing::TestWithParam<std::string> {};

TEST_P(MethodTest, GradientsReachEveryParameter) {
  for (const Device device : test::devices()) {
    const auto method = make(GetParam(), 1, {}, device);
    const StepOutput output = output_of(*method, views_for(*method, 2, DType::f32, device));
    tape::backward(output.loss);
    for (const nn::StateEntry& entry : state_of(*method)) {
      if (entry.role == nn::Role::buffer) continue;
      ASSERT_TRUE(entry.tensor.grad().defined()) << entry.name;
      double largest = 0.0;
      for (const float g : entry.tensor.grad().to_vector<float>())
        largest = std::max(largest, std::abs(double{g}));
      EXPECT_TRUE(std::isfinite(largest)) << entry.name;
      // A bias before a batch norm is taken out again by it; what is left is rounding.
      if (entry.role != nn::Role::bias) {
        EXPECT_GT(largest, 0.0) << entry.name;
      }
    }
  }
}

TEST_P(MethodTest, EmbeddingIsOneUnitVectorPerImage) {
  const auto method = make(GetParam());
  const StepOutput output = output_of(*method, views_for(*method, 3));
  ASSERT_EQ(output.embedding.shape(), (Shape{kBatch, method->embedding_dim()}));
  EXPECT_FALSE(output.embedding.requires_grad());
  const std::vector<float> rows = output.embedding.to_vector<float>();
  for (std::int64_t i = 0; i < kBatch; ++i) {
    double squared = 0.0;
    for (std::int64_t d = 0; d < method->embedding_dim(); ++d) {
      squared += std::pow(rows[static_cast<std::size_t>(i * method->embedding_dim() + d)], 2);
    }
    EXPECT_NEAR(squared, 1.0, 1e-5);
  }
  for (const Metric& metric : output.metrics) EXPECT_TRUE(std::isfinite(metric.value)) << metric.name;
}

TEST_P(MethodTest, TwentyStepsStayFiniteAndFindALowerLoss) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const auto method = make(GetParam());
    nn::StateList list;
    method->list_state(list);
    optim::OptimizerOptions options;
    options.momentum = 0.9;
    const auto optimizer = optim::make_optimizer(options, list.parameters());
    const Views views = views_for(*method, 4, dtype);
    double first = 0.0;
    double lowest = 0.0;
    for (int step = 0; step < 20; ++step) {
      const StepOutput output = output_of(*method, views);
      const double loss = output.loss.item();
      ASSERT_TRUE(std::isfinite(loss)) << "step " << step;
      if (step == 0) first = lowest = loss;
      lowest = std::min(lowest, loss);
      optimizer->clear_gradients();
      tape::backward(output.loss);
      optimizer->step(0.003);
      method->after_step({.step = step, .total_steps = 20});
    }
    EXPECT_LT(lowest, first) << to_string(dtype);
  }
}

// A checkpoint is list_state(): another method with the same tensors computes the same bits.
TEST_P(MethodTest, StateIsAllThereIs) {
  const auto original = make(GetParam(), 1);
  const auto copy = make(GetParam(), 2);
  const Views views = views_for(*original, 5);
  output_of(*original, views);  // moves the running statistics
  const std::vector<nn::StateEntry> from = state_of(*original);
  const std::vector<nn::StateEntry> to = state_of(*copy);
  ASSERT_EQ(from.size(), to.size());
  for (std::size_t i = 0; i < from.size(); ++i) {
    ASSERT_EQ(from[i].name, to[i].name);
    to[i].tensor.copy_from(from[i].tensor);
  }
  EXPECT_EQ(output_of(*original, views).loss.item(), output_of(*copy, views).loss.item());
}

// A frozen pass moves nothing at all; an extra one moves running statistics, and leaves nothing to after_step().
TEST_P(MethodTest, PassesMoveWhatTheySay) {
  const auto method = make(GetParam());
  const auto values = [&](bool statistics) {
    std::vector<std::vector<float>> all;
    for (const nn::StateEntry& entry : state_of(*method)) {
      if (entry.tensor.dtype() != DType::f32) continue;
      if (!statistics && entry.name.find("running_") != std::string::npos) continue;
      all.push_back(entry.tensor.to_vector<float>());
    }
    return all;
  };
  output_of(*method, views_for(*method, 5));
  method->after_step({.step = 0, .total_steps = 2});
  const auto before = values(true);
  const StepOutput frozen = output_of(*method, views_for(*method, 6), Pass::frozen);
  EXPECT_TRUE(std::isfinite(frozen.loss.item()));
  EXPECT_EQ(values(true), before);
  const auto still = values(false);
  output_of(*method, views_for(*method, 7), Pass::extra);
  EXPECT_EQ(values(false), still);
  EXPECT_NE(values(true), before);
  if (GetParam() == "byol" || GetParam() == "dino") return;  // their teachers follow in any case
  method->after_step({.step = 1, .total_steps = 2});
  EXPECT_EQ(values(false), still);
}

// The network is the one whose rows the loss was made of, and a clone of it is another one.
TEST_P(MethodTest, NetworkMakesTheRowsOfTheLoss) {
  const auto method = make(GetParam());
  const Views views = views_for(*method, 8);
  const StepOutput output = output_of(*method, views, Pass::frozen);
  const auto copy = method->network().clone();
  const Network::Rows rows = copy->forward(views.images, false);
  EXPECT_EQ(rows.features.shape(), (Shape{views.views * kBatch, copy->feature_dim()}));
  EXPECT_EQ(rows.projections.shape(), (Shape{views.views * kBatch, copy->dim()}));
  const bool all_views =
      output.projections.all().shape() == rows.projections.shape();  // moco may query one alone
  ASSERT_TRUE(all_views);
  EXPECT_THAT(output.features.all().to_vector<float>(),
              testing::Pointwise(testing::FloatNear(1e-4F), rows.features.to_vector<float>()));
  EXPECT_THAT(output.projections.all().to_vector<float>(),
              testing::Pointwise(testing::FloatNear(1e-4F), rows.projections.to_vector<float>()));
  nn::StateList of_method;
  nn::StateList of_copy;
  method->list_state(of_method);
  copy->list_state(of_copy);
  for (const nn::StateEntry& entry : of_copy.entries()) {
    ASSERT_NE(of_method.find(entry.name), nullptr) << entry.name;
    EXPECT_NE(of_method.find(entry.name)->tensor.raw(), entry.tensor.raw()) << entry.name;
  }
}

TEST_P(MethodTest, SeedsAndDefaultsAreItsOwn) {
  const auto first = state_of(*make(GetParam(), 1));
  const auto same = state_of(*make(GetParam(), 1));
  const auto other = state_of(*make(GetParam(), 2));
  std::int64_t different = 0;
  for (std::size_t i = 0; i < first.size(); ++i) {
    if (first[i].role != nn::Role::weight) continue;
    EXPECT_EQ(first[i].tensor.to_vector<float>(), same[i].tensor.to_vector<float>()) << first[i].name;
    different += first[i].tensor.to_vector<float>() != other[i].tensor.to_vector<float>();
  }
  EXPECT_GT(different, 20);
}

TEST_P(MethodTest, HasAPageThatNamesItsOptions) {
  // SOURCE/build/bin/nagare-test-ssl
  const auto program = std::filesystem::read_symlink("/proc/self/exe");
  const auto folder = program.parent_path().parent_path().parent_path() / "docs" / "methods";
  if (!std::filesystem::exists(folder)) {
    GTEST_SKIP() << folder << " is not there: only a build inside the source tree has the pages beside it";
  }
  const auto page = folder / (GetParam() + ".md");
  std::ifstream file(page);
  ASSERT_TRUE(file) << page;
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const auto row = std::ranges::find(method_table(), GetParam(), &MethodRow::name);
  for (const OptionInfo& option : row->options()) EXPECT_THAT(text, HasSubstr("`" + option.name + "`"));
}

TEST_P(MethodTest, RefusesViewsItDidNotAskFor) {
  const auto method = make(GetParam());
  Views views = views_for(*method, 6);
  ++views.views;
  EXPECT_THAT([&] { output_of(*method, views); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("views of 4")));
}

std::vector<std::string> names() {
  std::vector<std::string> list;
  for (const MethodRow& row : method_table()) list.emplace_back(row.name);
  return list;
}

INSTANTIATE_TEST_SUITE_P(Table, MethodTest, testing::ValuesIn(names()), [](const auto& info) {
  std::string name = info.param;
  std::ranges::replace(name, '-', '_');
  return name;
});

TEST(MethodTableTest, IsSortedAndRefusesWhatItDoesNotKnow) {
  EXPECT_TRUE(std::ranges::is_sorted(names()));
  EXPECT_THAT([] { make("simclir"); }, ThrowsMessage<BadConfig>(HasSubstr("nearest is \"simclr\"")));
  EXPECT_THAT(
      [] {
        make("simclr", 1, {{"temperture", "1"}});
      },
      ThrowsMessage<BadConfig>(HasSubstr("nearest is \"temperature\"")));
  EXPECT_THAT(
      [] {
        make("emp-ssl", 1, {{"patches", "0"}});
      },
      ThrowsMessage<BadConfig>(HasSubstr("patches = '0'")));
  EXPECT_THAT([] { make_method("simclr", {}); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("no backbone")));
}

// The contrastive options reach the loss: the formula's denominator has no positive, the published program's does.
TEST(MethodTableTest, ContrastiveFormsDiffer) {
  const auto means = make("emp-ssl-contrastive");
  const auto patches = make("emp-ssl-contrastive", 1, {{"form", "patches"}});
  const Views views = views_for(*means, 7);
  EXPECT_NE(output_of(*means, views).loss.item(), output_of(*patches, views).loss.item());
}

// The jitter is 0.8 s, 0.8 s, 0.8 s, 0.2 s; without a batch norm the projector has two Linear layers, 0 and 2.
TEST(MethodTableTest, SimClrsOptionsReachTheViewsAndTheProjector) {
  const auto published = make("simclr", 1);
  EXPECT_FLOAT_EQ(published->view_plan().views[0].saturation, 0.4F);
  const auto method = make(
      "simclr", 1, {{"jitter", "1"}, {"hidden-norm", "off"}, {"hidden-bias", "on"}, {"output-bias", "off"}});
  for (const ViewRecipe& view : method->view_plan().views) {
    EXPECT_FLOAT_EQ(view.brightness, 0.8F);
    EXPECT_FLOAT_EQ(view.contrast, 0.8F);
    EXPECT_FLOAT_EQ(view.saturation, 0.8F);
    EXPECT_FLOAT_EQ(view.hue, 0.2F);
  }
  nn::StateList list;
  method->list_state(list);
  std::vector<std::string> names;
  for (const nn::StateEntry& entry : list.entries()) {
    if (entry.name.starts_with("projector.")) names.push_back(entry.name);
  }
  EXPECT_THAT(names, testing::ElementsAre("projector.0.weight", "projector.0.bias", "projector.2.weight"));
}

// teacher = m teacher + (1 - m) student, by the momentum of the step; it starts as a copy and is no parameter.
TEST(MethodTableTest, ByolsTargetFollowsTheOnlineNetwork) {
  const auto method = make("byol", 1, {{"momentum", "0.5"}});
  nn::StateList list;
  method->list_state(list);
  const Tensor online = list.find("projector.0.weight")->tensor;
  const Tensor target = list.find("teacher.projector.0.weight")->tensor;
  EXPECT_EQ(online.to_vector<float>(), target.to_vector<float>());
  EXPECT_EQ(list.find("teacher.projector.0.weight")->role, nn::Role::buffer);
  online.copy_from(Tensor::full(online.shape(), 3.0F, online.options()));
  target.copy_from(Tensor::full(target.shape(), 1.0F, target.options()));
  method->after_step({.step = 0, .total_steps = 2});
  EXPECT_FLOAT_EQ(target.to_vector<float>()[0], 2.0F);
  method->after_step({.step = 1, .total_steps = 2});  // half way: 1 - 0.5 / 2
  EXPECT_FLOAT_EQ(target.to_vector<float>()[0], 2.25F);
  method->after_step({.step = 2, .total_steps = 2});  // 1: it stands still
  EXPECT_FLOAT_EQ(target.to_vector<float>()[0], 2.25F);
  method->after_step(
      {.step = 7, .total_steps = 2, .start = 6});  // half way through a task that began at step 6
  EXPECT_FLOAT_EQ(target.to_vector<float>()[0], 2.4375F);
}

// Published: the second view alone is solarised, and the views differ; UCL: both are drawn alike.
TEST(MethodTableTest, BarlowsViewsAreAsymmetricUnlessAskedOtherwise) {
  const auto published = make("barlow");
  EXPECT_EQ(published->view_plan().views[0].solarise_probability, 0.0F);
  EXPECT_EQ(published->view_plan().views[1].solarise_probability, 0.2F);
  const auto symmetric = make("barlow", 1, {{"views", "symmetric"}});
  EXPECT_EQ(symmetric->view_plan().views[1].solarise_probability, 0.0F);
  EXPECT_EQ(symmetric->view_plan().views[0].crop_scale_min, 0.2F);
}

TEST(MethodTableTest, BarlowsOptionsReachTheLossAndTheProjector) {
  const auto base = make("barlow");
  const Views views = views_for(*base, 8);
  const double loss = output_of(*base, views).loss.item();
  EXPECT_NEAR(output_of(*make("barlow", 1, {{"scale", "0.2"}}), views).loss.item(), 2 * loss, 1e-5 * loss);
  // lambda 0 leaves sum_i (C_ii - 1)^2, whose D terms are at most 4 each.
  EXPECT_LE(output_of(*make("barlow", 1, {{"lambda", "0"}, {"scale", "1"}}), views).loss.item(), 4.0 * 12);
  // A match of unbiased deviations is C_ii = (B - 1) / B: another loss than the published one.
  const double unbiased =
      output_of(*make("barlow", 1, {{"unbiased", "on"}, {"epsilon", "0"}}), views).loss.item();
  EXPECT_GT(std::abs(unbiased - loss), 1e-3 * loss);
  nn::StateList list;
  make("barlow", 1, {{"output-norm", "on"}, {"bias", "on"}, {"projector-layers", "2"}})->list_state(list);
  EXPECT_NE(list.find("projector.3.bias"), nullptr);    // the second and last Linear layer
  EXPECT_NE(list.find("projector.4.weight"), nullptr);  // its batch norm
  EXPECT_EQ(list.find("projector.6.weight"), nullptr);
}

// The half is on the deviation term alone: without it that term doubles and the others stay.
TEST(MethodTableTest, VicRegsHalfIsOnItsDeviationTermAlone) {
  const auto published = make("vicreg");
  const auto summed = make("vicreg", 1, {{"halved", "off"}});
  const Views views = views_for(*published, 9);
  const auto metric = [](const StepOutput& output, const std::string& name) {
    return std::ranges::find(output.metrics, name, &Metric::name)->value;
  };
  const StepOutput half = output_of(*published, views);
  const StepOutput whole = output_of(*summed, views);
  EXPECT_NEAR(metric(whole, "deviation"), 2 * metric(half, "deviation"), 1e-6);
  EXPECT_EQ(metric(whole, "similarity"), metric(half, "similarity"));
  EXPECT_EQ(metric(whole, "covariance"), metric(half, "covariance"));
  EXPECT_NEAR(half.loss.item(),
              25 * metric(half, "similarity") + 25 * metric(half, "deviation") + metric(half, "covariance"),
              1e-4 * half.loss.item());
}

TEST(MethodTableTest, PatchPlanFollowsTheOptions) {
  const auto method = make("emp-ssl", 1, {{"patch-scale", "0.5"}});
  ASSERT_EQ(method->view_plan().views.size(), 3U);
  EXPECT_FLOAT_EQ(method->view_plan().views[0].crop_scale_min, 0.5F);
  EXPECT_FLOAT_EQ(method->view_plan().views[0].crop_scale_max, 0.5F);
}

}  // namespace
}  // namespace nagare::ssl
