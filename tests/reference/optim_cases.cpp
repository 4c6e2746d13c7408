// Cases of the optim/ group: optimisers, schedules, EMA, clipping.
#include <gtest/gtest.h>

#include "engine/autograd/tape.h"
#include "engine/nn/state.h"
#include "engine/optim/clip.h"
#include "engine/optim/ema.h"
#include "engine/optim/optimizer.h"
#include "engine/optim/schedule.h"
#include "tests/reference/registry.h"

namespace nagare::reference {
namespace {

// Makes `gradient` the grad() of a leaf, as a backward pass would. The leaf is passed on unchanged, and
// autograd may share what it is given, so it gets a copy.
void set_gradient(const Tensor& leaf, const Tensor& gradient) {
  leaf.clear_grad();
  const Tensor y =
      tape::record(leaf.detach(), {leaf}, [](const Tensor& dy) -> std::vector<Tensor> { return {dy}; });
  tape::backward(y, gradient.clone());
}

optim::OptimizerOptions options_of(const Case& c) {
  optim::OptimizerOptions options{.name = c.op(),
                                  .momentum = c.number("momentum", 0.0),
                                  .nesterov = c.flag("nesterov"),
                                  .dampening = c.number("dampening", 0.0),
                                  .weight_decay = c.number("weight_decay", 0.0),
                                  .decay_bias_and_norm = true,
                                  .beta1 = c.number("b1", 0.9),
                                  .beta2 = c.number("b2", 0.999),
                                  .epsilon = c.number("eps", 1e-8)};
  if (c.op().starts_with("lars_")) {
    options.name = "lars";
    options.lars = {.variant = c.op().substr(5),
                    .eta = c.number("eta"),
                    .clip = c.flag("clip_lr"),
                    .exclude_bias_and_norm = c.flag("exclude_bias_n_norm", c.flag("exclude")),
                    .classic = c.flag("classic", true)};
  }
  return options;
}

// The learning rate of step t; UCL's LARS has its polynomial decay inside.
double rate_at(const Case& c, int t) {
  const double rate = c.number("lr");
  if (!c.has("max_epoch")) return rate;
  const double left = 1.0 - (t - 1) / c.number("max_epoch");
  return rate * left * left;
}

void optimizer_case(Case& c) {
  nn::StateList parameters;
  for (int i = 0; c.has_input("p" + std::to_string(i)); ++i) {
    const Tensor p = c.parameter("p" + std::to_string(i));
    parameters.add("p" + std::to_string(i), p, p.shape().rank() == 1 ? nn::Role::bias : nn::Role::weight);
  }
  const auto optimizer = optim::make_optimizer(options_of(c), parameters.parameters());
  for (int t = 1; c.has_input("g" + std::to_string(t) + "_0"); ++t) {
    for (std::size_t i = 0; i < parameters.entries().size(); ++i) {
      set_gradient(parameters.entries()[i].tensor,
                   c.input("g" + std::to_string(t) + "_" + std::to_string(i)));
    }
    optimizer->step(rate_at(c, t));
    for (const nn::StateEntry& p : parameters.entries()) {
      c.check("out." + p.name + "_step" + std::to_string(t), p.tensor);
    }
  }
  nn::StateList state;
  optimizer->list_state(state);
  for (std::size_t i = 0; i < parameters.entries().size(); ++i) {
    const std::string number = std::to_string(i);
    const std::pair<const char*, const char*> slots[] = {
        {"out.buf", "momentum.p"}, {"out.m", "first_moment.p"}, {"out.v", "second_moment.p"}};
    for (const auto& [result, entry] : slots) {
      if (c.has_result(result + number)) c.check(result + number, state.find(entry + number)->tensor);
    }
  }
}

void schedule_case(Case& c) {
  const auto n = c.integer("n");
  optim::ScheduleOptions common{.base = c.number("base"),
                                .start = c.number("start", 0.0),
                                .end = c.number("end", 0.0),
                                .steps = n,
                                .warmup_steps = c.integer("warmup", 0),
                                .gamma = c.number("gamma", 0.1)};
  for (const double at : c.numbers("milestones")) common.milestones.push_back(static_cast<std::int64_t>(at));
  const auto check = [&](const std::string& result, const auto& value_at) {
    if (!c.has_result("out." + result)) return;
    std::vector<double> values;
    for (std::int64_t k = 0; k < n; ++k) values.push_back(value_at(k));
    c.check("out." + result, Tensor::from(values, {n}));
  };
  for (const char* name :
       {"warmup_cosine", "warmup_cosine_lightly", "warmup_cosine_linspace", "cosine_annealing", "step"}) {
    optim::ScheduleOptions options = common;
    options.name = name;
    check(name, [&](std::int64_t k) { return optim::learning_rate(options, k); });
  }
  const auto check_decay = [&](const std::string& result, double last) {
    const optim::EmaSchedule decay{.first = c.number("tau0"), .last = last, .steps = n};
    check(result, [&](std::int64_t k) { return optim::ema_decay(decay, k); });
  };
  check_decay("ema_tau", 1.0);
  check_decay("ema_tau_final", c.number("tau_final", 1.0));
}

void ema_case(Case& c) {
  nn::StateList target;
  target.add("w", c.parameter("xi"), nn::Role::weight);
  const optim::EmaSchedule decay{.first = c.number("tau0"), .steps = c.integer("n")};
  for (int k = 0; c.has_input("theta" + std::to_string(k)); ++k) {
    nn::StateList online;
    online.add("w", c.parameter("theta" + std::to_string(k)), nn::Role::weight);
    optim::ema_update(target, online, optim::ema_decay(decay, k));
    c.check("out.xi_step" + std::to_string(k + 1), target.find("w")->tensor);
  }
}

void clip_case(Case& c) {
  const auto parameters_with_gradients = [&c] {
    nn::StateList list;
    for (const std::string& name : c.inputs("g")) {
      const Tensor leaf = c.parameter(name);
      set_gradient(leaf, c.input(name));
      list.add(name, leaf, nn::Role::weight);
    }
    return list.parameters();
  };
  const auto by_norm = parameters_with_gradients();
  c.check("out.total_norm", optim::clip_gradient_norm(by_norm, c.number("max_norm")));
  for (const nn::StateEntry& p : by_norm) c.check("out.norm_" + p.name, p.tensor.grad());
  const auto by_value = parameters_with_gradients();
  optim::clip_gradient_value(by_value, c.number("clip_value"));
  for (const nn::StateEntry& p : by_value) c.check("out.value_" + p.name, p.tensor.grad());
}

constexpr Handler kHandlers[] = {
    {"adam", &optimizer_case},
    {"adamw", &optimizer_case},
    {"clip", &clip_case},
    {"ema", &ema_case},
    {"lars_emp", &optimizer_case},
    {"lars_fair", &optimizer_case},
    {"lars_google", &optimizer_case},
    {"lars_lightly", &optimizer_case},
    {"lars_solo", &optimizer_case},
    {"lars_ucl", &optimizer_case},
    {"schedule", &schedule_case},
    {"sgd", &optimizer_case},
};

}  // namespace

std::span<const Handler> optim_cases() { return kHandlers; }

}  // namespace nagare::reference
