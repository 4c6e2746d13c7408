#include "engine/optim/optimizer.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <stdexcept>

#include "engine/device/errors.h"
#include "engine/optim/adam.h"
#include "engine/optim/sgd.h"
#include "engine/text/nearest.h"

namespace nagare::optim {
namespace {

using Make = std::unique_ptr<Optimizer> (*)(const OptimizerOptions&, std::vector<nn::StateEntry>);

struct Row {
  OptimizerRow text;
  Make make;
};
constexpr Row kRows[] = {
    {{"adam", "Adam, decay in the gradient", "Kingma and Ba, arXiv:1412.6980", kUsesBetas}, &make_adam},
    {{"adamw", "Adam with decoupled decay", "Loshchilov and Hutter, arXiv:1711.05101", kUsesBetas},
     &make_adam},
    {{"lars", "SGD with a trust ratio per tensor, for large batches", "You et al., arXiv:1708.03888",
      kUsesMomentum | kUsesTrustRatio},
     &make_sgd},
    {{"sgd", "SGD with momentum, plain or Nesterov", "PyTorch's form", kUsesMomentum | kUsesDampening},
     &make_sgd},
};

void need(bool good, const OptimizerOptions& options, const std::string& what) {
  if (!good) throw BadConfig("optimizer " + options.name + ": " + what);
}

bool is_fraction(double value) { return value >= 0.0 && value < 1.0; }
bool is_positive(double value) { return value > 0.0 && std::isfinite(value); }

void check(const OptimizerOptions& o) {
  need(is_fraction(o.momentum), o, "momentum " + std::to_string(o.momentum) + ", need 0 <= momentum < 1");
  need(is_fraction(o.dampening), o, "dampening " + std::to_string(o.dampening) + ", need 0 <= dampening < 1");
  need(is_fraction(o.beta1), o, "beta1 " + std::to_string(o.beta1) + ", need 0 <= beta1 < 1");
  need(is_fraction(o.beta2), o, "beta2 " + std::to_string(o.beta2) + ", need 0 <= beta2 < 1");
  need(is_positive(o.epsilon), o, "epsilon " + std::to_string(o.epsilon) + ", need a positive number");
  need(o.weight_decay >= 0.0 && std::isfinite(o.weight_decay), o,
       "weight decay " + std::to_string(o.weight_decay) + ", need a number >= 0");
  need(!o.nesterov || (o.momentum > 0.0 && o.dampening == 0.0), o,
       "nesterov needs momentum > 0 and dampening 0");
  if (o.name == "lars") {
    need(is_positive(o.lars.eta), o, "eta " + std::to_string(o.lars.eta) + ", need a positive number");
    need(o.dampening == 0.0, o, "dampening is for sgd only");
  }
}

}  // namespace

Optimizer::Optimizer(std::vector<nn::StateEntry> parameters) : parameters_(std::move(parameters)) {
  for (const nn::StateEntry& p : parameters_) {
    if (p.tensor.defined() && p.tensor.dtype() == DType::f32 && p.tensor.requires_grad() &&
        p.tensor.device() == parameters_.front().tensor.device()) {
      continue;
    }
    throw std::invalid_argument("optimizer: parameter '" + p.name +
                                "' is not an f32 leaf that requires a gradient, " +
                                "on the same device as the others");
  }
}

void Optimizer::restart() const {
  nn::StateList state;  // all of it begins at 0
  list_state(state);
  for (const nn::StateEntry& entry : state.entries()) entry.tensor.fill_zero();
}

void Optimizer::clear_gradients() const {
  for (const nn::StateEntry& p : parameters_) p.tensor.clear_grad();
}

std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options,
                                          std::vector<nn::StateEntry> parameters) {
  const auto* row = std::ranges::find_if(kRows, [&](const Row& r) { return options.name == r.text.name; });
  if (row == std::end(kRows)) {
    std::vector<std::string> known;
    for (const Row& r : kRows) known.emplace_back(r.text.name);
    throw BadConfig(unknown_name("optimizer", options.name, known));
  }
  check(options);
  return row->make(options, std::move(parameters));
}

std::span<const OptimizerRow> optimizers() {
  static const std::vector<OptimizerRow> rows = [] {
    std::vector<OptimizerRow> list;
    for (const Row& row : kRows) list.push_back(row.text);
    return list;
  }();
  return rows;
}

}  // namespace nagare::optim
