// Cases of whole training steps: method, backward pass and optimiser together.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/autograd/tape.h"
#include "engine/io/state_io.h"
#include "engine/ops/shape_ops.h"
#include "engine/optim/optimizer.h"
#include "ssl/methods/table.h"
#include "tests/reference/registry.h"

namespace nagare::reference {
namespace {

std::string width_of(const Case& c, const std::string& name) {
  return std::to_string(c.input("sd." + name).shape()[0]);
}

// The method that the file describes, with the file's initial weights.
std::unique_ptr<ssl::Method> method_of(const Case& c) {
  const std::string name = c.text("method") == "empssl" ? "emp-ssl" : c.text("method");
  ssl::OptionValues options{{"hidden", width_of(c, "projector.0.weight")},
                            {"dim", width_of(c, "projector.3.weight")}};
  if (name == "emp-ssl") {
    options["patches"] = std::to_string(c.integer("views"));
    options["hidden-layers"] = "1";
  } else {
    options["hidden-bias"] = "on";
  }
  if (name == "simsiam") {
    options["last-norm-affine"] = "on";
    options["predictor-hidden"] = width_of(c, "predictor.0.weight");
  }
  if (c.has("tau")) options["temperature"] = c.text("tau");
  const std::int64_t size = c.input("x1_v0").shape()[2];
  const std::string width = width_of(c, "backbone.conv1.weight");
  auto backbone = models::make_backbone("resnet18:width=" + width + ",stem=cifar",
                                        {.image_size = size, .device = c.device()});
  auto method = ssl::make_method(
      name, {.backbone = std::move(backbone), .image_size = size, .device = c.device(), .options = options});
  nn::StateList state;
  method->list_state(state);
  for (const nn::StateEntry& entry : state.entries()) {
    if (entry.name.ends_with("num_batches_tracked")) continue;
    const Tensor value = c.input("sd." + entry.name).to(Device::cpu);
    entry.tensor.copy_from(entry.layout == nn::DiskLayout::conv_oihw ? io::oihw_to_ohwi(value) : value);
  }
  return method;
}

std::unique_ptr<optim::Optimizer> optimizer_of(const Case& c, const ssl::Method& method) {
  nn::StateList state;
  method.list_state(state);
  const std::string rule = c.text("rule");
  optim::OptimizerOptions options;
  options.name = rule.starts_with("lars_") ? "lars" : rule;
  options.momentum = c.number("momentum", 0.0);
  options.nesterov = c.flag("nesterov");
  options.weight_decay = c.number("weight_decay");
  options.decay_bias_and_norm = true;
  options.beta1 = c.number("b1", 0.9);
  options.beta2 = c.number("b2", 0.999);
  options.epsilon = c.number("eps", 1e-8);
  if (rule.starts_with("lars_")) {
    options.lars.variant = rule.substr(5);
    options.lars.eta = c.number("eta");
    options.lars.clip = c.flag("clip_lr");
    options.lars.exclude_bias_and_norm = c.flag("exclude_bias_n_norm");
  }
  return optim::make_optimizer(options, state.parameters());
}

ssl::Views views_of(const Case& c, int step) {
  std::vector<Tensor> views;
  for (std::int64_t v = 0; v < c.integer("views"); ++v) {
    views.push_back(c.image("x" + std::to_string(step) + "_v" + std::to_string(v)).detach());
  }
  return {.images = concat(views, 0), .views = c.integer("views"), .batch = c.integer("batch")};
}

void check_gradient_norms(Case& c, const optim::Optimizer& optimizer) {
  std::vector<double> norms;
  for (const std::string& name : c.words("param_order")) {
    const auto at = std::ranges::find(optimizer.parameters(), name, &nn::StateEntry::name);
    ASSERT_NE(at, optimizer.parameters().end()) << name;
    double squared = 0.0;
    if (at->tensor.grad().defined()) {
      for (const float g : at->tensor.grad().to_vector<float>()) squared += static_cast<double>(g) * g;
    }
    norms.push_back(std::sqrt(squared));
  }
  c.check("out.gnorm1", Tensor::from(norms, {static_cast<std::int64_t>(norms.size())}));
}

void train_steps_case(Case& c) {
  const auto method = method_of(c);
  const auto optimizer = optimizer_of(c, *method);
  for (int step = 1; c.has_input("x" + std::to_string(step) + "_v0"); ++step) {
    const Tensor loss = method->loss(views_of(c, step), ssl::Pass::step).loss;
    c.check("out.loss" + std::to_string(step), loss);
    optimizer->clear_gradients();
    tape::backward(loss);
    if (step == 1) check_gradient_norms(c, *optimizer);
    optimizer->step(c.number("lr"));
  }
  nn::StateList state;
  method->list_state(state);
  for (const nn::StateEntry& entry : state.entries()) {
    if (entry.name.ends_with("num_batches_tracked")) continue;
    const bool turned = entry.layout == nn::DiskLayout::conv_oihw;
    c.check("out.final." + entry.name, entry.tensor, turned ? Layout::channels_last : Layout::same);
  }
}

constexpr Handler kHandlers[] = {
    {"train_steps", train_steps_case},
};

}  // namespace

std::span<const Handler> train_cases() { return kHandlers; }

}  // namespace nagare::reference
