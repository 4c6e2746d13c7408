#include "engine/optim/adam.h"

#include <cmath>

#include "engine/optim/slots.h"
#include "kernels/dispatch.h"
#include "kernels/multi_tensor.h"

namespace nagare::optim {
namespace {

class Adam : public Optimizer {
 public:
  Adam(const OptimizerOptions& options, std::vector<nn::StateEntry> parameters)
      : Optimizer(std::move(parameters)),
        options_(options),
        first_(make_slots(this->parameters())),
        second_(make_slots(this->parameters())),
        steps_(Tensor::zeros({static_cast<std::int64_t>(first_.size())}, {.dtype = DType::i64})) {}

  void step(double learning_rate) override {
    check_rate(learning_rate);
    std::vector<kernels::AdamSegment> segments;
    std::vector<Tensor> alive;  // gradients that the segments point into
    for (const std::size_t i : with_gradient(parameters())) {
      const nn::StateEntry& p = parameters()[i];
      const auto count = static_cast<double>(++steps_.data<std::int64_t>()[i]);
      const bool decay = p.role == nn::Role::weight || options_.decay_bias_and_norm;
      alive.push_back(p.tensor.grad());
      segments.push_back({.parameter = p.tensor.data<float>(),
                          .gradient = alive.back().data<float>(),
                          .first = first_[i].data<float>(),
                          .second = second_[i].data<float>(),
                          .n = p.tensor.numel(),
                          .weight_decay = decay ? static_cast<float>(options_.weight_decay) : 0.0F,
                          .correction1 = static_cast<float>(1.0 - std::pow(options_.beta1, count)),
                          .correction2 = static_cast<float>(1.0 - std::pow(options_.beta2, count))});
    }
    if (segments.empty()) return;
    const Tensor& any = parameters().front().tensor;
    const kernels::AdamStep p{.rate = static_cast<float>(learning_rate),
                              .beta1 = static_cast<float>(options_.beta1),
                              .take1 = static_cast<float>(1.0 - options_.beta1),
                              .beta2 = static_cast<float>(options_.beta2),
                              .take2 = static_cast<float>(1.0 - options_.beta2),
                              .epsilon = static_cast<float>(options_.epsilon),
                              .decoupled = options_.name == "adamw"};
    NAGARE_DISPATCH(any.device(), multi_tensor_adam(p, segments, any.stream()));
  }

  void list_state(nn::StateList& list) const override {
    list_slots(list, "first_moment", parameters(), first_);
    list_slots(list, "second_moment", parameters(), second_);
    list.add("steps", steps_, nn::kCount);
  }

 private:
  OptimizerOptions options_;
  std::vector<Tensor> first_;
  std::vector<Tensor> second_;
  Tensor steps_;  // on the CPU: updates of each parameter
};

}  // namespace

std::unique_ptr<Optimizer> make_adam(const OptimizerOptions& options,
                                     std::vector<nn::StateEntry> parameters) {
  return std::make_unique<Adam>(options, std::move(parameters));
}

}  // namespace nagare::optim
