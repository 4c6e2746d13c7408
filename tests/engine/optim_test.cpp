#include <gmock/gmock.h>

#include <cmath>

#include "engine/autograd/tape.h"
#include "engine/device/errors.h"
#include "engine/optim/clip.h"
#include "engine/optim/ema.h"
#include "engine/optim/optimizer.h"
#include "kernels/parallel.h"
#include "tests/support/devices.h"
#include "tests/support/matrix.h"

namespace nagare::optim {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

// Two weights, a bias and a norm scale, with values that differ from seed to seed.
nn::StateList make_parameters(Device device, std::uint32_t seed = 1) {
  nn::StateList list;
  const auto add = [&](const char* name, const Shape& shape, nn::Role role, nn::DiskLayout layout) {
    const test::Matrix values = test::normal(1, shape.numel(), seed++);
    Tensor t =
        Tensor::from(std::vector<float>(values.values().begin(), values.values().end()), shape, device);
    list.add(name, t.set_requires_grad(true), role, layout);
  };
  add("conv.weight", {4, 3, 3, 2}, nn::Role::weight, nn::DiskLayout::conv_oihw);
  add("fc.weight", {5, 7}, nn::Role::weight, nn::DiskLayout::same);
  add("fc.bias", {5}, nn::Role::bias, nn::DiskLayout::same);
  add("bn.weight", {4}, nn::Role::norm, nn::DiskLayout::same);
  return list;
}

void set_gradient(const Tensor& leaf, const Tensor& gradient) {
  leaf.clear_grad();
  const Tensor y =
      tape::record(leaf.detach(), {leaf}, [](const Tensor& dy) -> std::vector<Tensor> { return {dy}; });
  tape::backward(y, gradient.clone());
}

void set_gradients(const nn::StateList& list, std::uint32_t seed) {
  const nn::StateList values = make_parameters(list.entries().front().tensor.device(), seed);
  for (std::size_t i = 0; i < list.entries().size(); ++i) {
    set_gradient(list.entries()[i].tensor, values.entries()[i].tensor.detach());
  }
}

std::vector<float> all_values(const nn::StateList& list) {
  std::vector<float> all;
  for (const nn::StateEntry& e : list.entries()) {
    const std::vector<float> values = e.tensor.to_vector<float>();
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

std::vector<OptimizerOptions> every_optimizer() {
  std::vector<OptimizerOptions> list;
  for (const OptimizerRow& row : optimizers()) {
    OptimizerOptions options;
    options.name = row.name;
    options.weight_decay = 0.01;
    if (options.name != "lars") {
      list.push_back(options);
      continue;
    }
    for (const OptimizerRow& variant : lars_variants()) {
      options.lars.variant = variant.name;
      for (const bool classic : {true, false}) {
        options.lars.classic = classic;
        list.push_back(options);
      }
    }
  }
  OptimizerOptions plain;
  plain.momentum = 0.0;
  list.push_back(plain);
  return list;
}

struct OptimizerTest : testing::TestWithParam<Device> {
  Device device = GetParam();
};

TEST_P(OptimizerTest, AParameterWithoutGradientStaysAndKeepsItsOwnCount) {
  for (const OptimizerOptions& options : every_optimizer()) {
    const nn::StateList parameters = make_parameters(device);
    const auto optimizer = make_optimizer(options, parameters.parameters());
    set_gradients(parameters, 50);
    const Tensor& still = parameters.entries()[1].tensor;
    still.clear_grad();
    const std::vector<float> before = still.to_vector<float>();
    optimizer->step(0.5);
    EXPECT_EQ(still.to_vector<float>(), before) << options.name << " " << options.lars.variant;
    nn::StateList state;
    optimizer->list_state(state);
    EXPECT_THAT(state.find("steps")->tensor.to_vector<std::int64_t>(), ElementsAre(1, 0, 1, 1));
    optimizer->clear_gradients();
    const std::vector<float> all = all_values(parameters);
    optimizer->step(0.5);
    EXPECT_EQ(all_values(parameters), all) << "no gradients, no step";
  }
}

TEST_P(OptimizerTest, ARateOfZeroMovesNothing) {
  for (const OptimizerOptions& options : every_optimizer()) {
    const nn::StateList parameters = make_parameters(device);
    const std::vector<float> before = all_values(parameters);
    const auto optimizer = make_optimizer(options, parameters.parameters());
    set_gradients(parameters, 50);
    optimizer->step(0.0);
    EXPECT_EQ(all_values(parameters), before) << options.name << " " << options.lars.variant;
  }
}

TEST_P(OptimizerTest, StateCarriedOverGoesOnBitForBit) {
  for (const OptimizerOptions& options : every_optimizer()) {
    const nn::StateList straight = make_parameters(device);
    const nn::StateList resumed = make_parameters(device);
    const auto one = make_optimizer(options, straight.parameters());
    const auto first_half = make_optimizer(options, resumed.parameters());
    for (std::uint32_t t = 0; t < 2; ++t) {
      set_gradients(straight, 50 + 10 * t);
      one->step(0.1);
      set_gradients(resumed, 50 + 10 * t);
      first_half->step(0.1);
    }
    const auto second_half = make_optimizer(options, resumed.parameters());
    nn::StateList from, to;
    first_half->list_state(from);
    second_half->list_state(to);
    copy_state(to, from);
    set_gradients(straight, 90);
    one->step(0.1);
    set_gradients(resumed, 90);
    second_half->step(0.1);
    EXPECT_EQ(all_values(straight), all_values(resumed)) << options.name << " " << options.lars.variant;
  }
}

TEST_P(OptimizerTest, RestartedItIsAsNew) {
  for (const OptimizerOptions& options : every_optimizer()) {
    const nn::StateList restarted = make_parameters(device);
    const nn::StateList fresh = make_parameters(device);
    const auto one = make_optimizer(options, restarted.parameters());
    set_gradients(restarted, 50);
    one->step(0.1);
    one->restart();
    copy_state(fresh, restarted);
    const auto other = make_optimizer(options, fresh.parameters());
    for (const std::uint32_t seed : {60U, 70U}) {
      set_gradients(restarted, seed);
      one->step(0.1);
      set_gradients(fresh, seed);
      other->step(0.1);
    }
    EXPECT_EQ(all_values(restarted), all_values(fresh)) << options.name << " " << options.lars.variant;
    nn::StateList state;
    one->list_state(state);
    EXPECT_THAT(state.find("steps")->tensor.to_vector<std::int64_t>(), ElementsAre(2, 2, 2, 2));
  }
}

TEST_P(OptimizerTest, BitsDoNotDependOnTheNumberOfThreads) {
  const int before = threads();
  std::vector<std::vector<float>> results;
  for (const int count : {1, 3}) {
    set_threads(count);
    const nn::StateList parameters = make_parameters(device);
    const auto optimizer = make_optimizer({.name = "lars", .weight_decay = 0.1}, parameters.parameters());
    set_gradients(parameters, 50);
    optimizer->step(0.3);
    results.push_back(all_values(parameters));
  }
  set_threads(before);
  EXPECT_EQ(results[0], results[1]);
}

TEST_P(OptimizerTest, DecayLeavesBiasAndNormAloneUnlessAsked) {
  for (const bool decay_all : {false, true}) {
    for (const char* name : {"sgd", "adamw"}) {
      const nn::StateList parameters = make_parameters(device);
      OptimizerOptions options;
      options.name = name;
      options.weight_decay = 0.5;
      options.decay_bias_and_norm = decay_all;
      const auto optimizer = make_optimizer(options, parameters.parameters());
      for (const nn::StateEntry& p : parameters.entries()) set_gradient(p.tensor, zeros_like(p.tensor));
      const nn::StateList before = make_parameters(device);
      optimizer->step(0.5);
      for (std::size_t i = 0; i < 4; ++i) {
        const bool decayed = decay_all || before.entries()[i].role == nn::Role::weight;
        const float factor = decayed ? 0.75F : 1.0F;
        const std::vector<float> was = before.entries()[i].tensor.to_vector<float>();
        const std::vector<float> is = parameters.entries()[i].tensor.to_vector<float>();
        for (std::size_t k = 0; k < was.size(); ++k)
          EXPECT_FLOAT_EQ(is[k], factor * was[k]) << name << " entry " << i;
      }
    }
  }
}

TEST_P(OptimizerTest, TwentyStepsDownABowlEndLower) {
  for (const OptimizerOptions& options : every_optimizer()) {
    const nn::StateList parameters = make_parameters(device);
    const auto square_sum = [&] {
      double sum = 0.0;
      for (const float v : all_values(parameters)) sum += static_cast<double>(v) * static_cast<double>(v);
      return sum;
    };
    const auto optimizer = make_optimizer(options, parameters.parameters());
    const double start = square_sum();
    for (int t = 0; t < 20; ++t) {
      for (const nn::StateEntry& p : parameters.entries()) set_gradient(p.tensor, p.tensor.detach());
      optimizer->step(0.01);
    }
    EXPECT_LT(square_sum(), start) << options.name << " " << options.lars.variant;  // false for NaN
  }
}

TEST_P(OptimizerTest, MomentumOfAConvolutionIsTurnedOnDiskAsItsWeight) {
  const nn::StateList parameters = make_parameters(device);
  const auto optimizer = make_optimizer({}, parameters.parameters());
  nn::StateList state;
  optimizer->list_state(state);
  EXPECT_EQ(state.find("momentum.conv.weight")->layout, nn::DiskLayout::conv_oihw);
}

TEST_P(OptimizerTest, BadRatesAndParametersAreRefused) {
  const nn::StateList parameters = make_parameters(device);
  const auto optimizer = make_optimizer({}, parameters.parameters());
  for (const double rate : {-0.1, static_cast<double>(NAN), static_cast<double>(INFINITY)}) {
    EXPECT_THAT([&] { optimizer->step(rate); },
                ThrowsMessage<std::invalid_argument>(HasSubstr("learning rate")));
  }
  nn::StateList constant;
  constant.add("w", Tensor::zeros({2}, {.device = device}), nn::Role::weight);
  EXPECT_THAT([&] { make_optimizer({}, constant.parameters()); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("'w'")));
}

TEST_P(OptimizerTest, EmaMovesParametersByNameAndLeavesBuffers) {
  nn::StateList target, online;
  const auto add = [&](nn::StateList& list, const char* name, float value, nn::Role role) {
    list.add(name, Tensor::full({2}, value, {.device = device}), role);
  };
  add(target, "a", 1.0F, nn::Role::weight);
  add(target, "mean", 1.0F, nn::Role::buffer);
  add(online, "mean", 5.0F, nn::Role::buffer);
  add(online, "other", 7.0F, nn::Role::weight);
  add(online, "a", 3.0F, nn::Role::weight);
  ema_update(target, online, 0.75);
  EXPECT_THAT(target.find("a")->tensor.to_vector<float>(), ElementsAre(1.5F, 1.5F));
  EXPECT_THAT(target.find("mean")->tensor.to_vector<float>(), ElementsAre(1.0F, 1.0F));
  EXPECT_THAT([&] { ema_update(online, target, 0.5); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("has no 'other'")));
  EXPECT_THROW(ema_update(target, online, 1.5), std::invalid_argument);
  EXPECT_THROW(ema_update(target, online, NAN), std::invalid_argument);
  copy_state(target, online);
  EXPECT_THAT(target.find("mean")->tensor.to_vector<float>(), ElementsAre(5.0F, 5.0F));
}

TEST_P(OptimizerTest, ClippingSkipsWhatHasNoGradient) {
  const nn::StateList parameters = make_parameters(device);
  EXPECT_EQ(clip_gradient_norm(parameters.parameters(), 1.0).item(), 0.0);
  set_gradient(parameters.entries()[2].tensor,
               Tensor::from<float>(std::vector<float>{3, 0, -4, 0, 0}, {5}, device));
  EXPECT_NEAR(clip_gradient_norm(parameters.parameters(), 1.0).item(), 5.0, 1e-6);
  const std::vector<float> clipped = parameters.entries()[2].tensor.grad().to_vector<float>();
  EXPECT_NEAR(clipped[0], 0.6, 1e-6);
  EXPECT_NEAR(clipped[2], -0.8, 1e-6);
  clip_gradient_value(parameters.parameters(), 0.5);
  EXPECT_THAT(parameters.entries()[2].tensor.grad().to_vector<float>(), ElementsAre(0.5F, 0, -0.5F, 0, 0));
  EXPECT_THROW(clip_gradient_norm(parameters.parameters(), 0.0), std::invalid_argument);
  EXPECT_THROW(clip_gradient_value(parameters.parameters(), NAN), std::invalid_argument);
}

INSTANTIATE_TEST_SUITE_P(Devices, OptimizerTest, testing::ValuesIn(test::devices()));

TEST(OptimizerOptionsTest, NonsenseIsRefusedByName) {
  const auto refuses = [](const OptimizerOptions& options, const char* complaint) {
    EXPECT_THAT([&] { make_optimizer(options, {}); }, ThrowsMessage<BadConfig>(HasSubstr(complaint)));
  };
  refuses({.name = "sdg"}, "unknown optimizer \"sdg\": nearest is \"sgd\"; known: adam, adamw, lars, sgd");
  refuses({.momentum = 1.0}, "momentum 1.0");
  refuses({.momentum = NAN}, "momentum nan");
  refuses({.momentum = 0.0, .nesterov = true}, "nesterov needs momentum");
  refuses({.weight_decay = -1.0}, "weight decay -1");
  refuses({.name = "adamw", .beta2 = 1.0}, "beta2 1.0");
  refuses({.name = "adam", .epsilon = 0.0}, "epsilon 0.0");
  OptimizerOptions lars;
  lars.name = "lars";
  lars.lars.variant = "nvidia";
  refuses(lars, "unknown variant of lars \"nvidia\"");
  lars.lars = {.eta = 0.0};
  refuses(lars, "eta 0.0");
}

}  // namespace
}  // namespace nagare::optim
