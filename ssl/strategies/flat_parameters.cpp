#include "ssl/strategies/flat_parameters.h"

#include <stdexcept>

#include "engine/autograd/tape.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/reduce.h"

namespace nagare::ssl {

FlatParameters::FlatParameters(std::vector<nn::StateEntry> parameters) : parameters_(std::move(parameters)) {
  if (parameters_.empty()) throw std::invalid_argument("flat parameters: need at least one");
  for (const nn::StateEntry& p : parameters_) {
    if (p.tensor.dtype() != DType::f32 || p.tensor.device() != options().device) {
      throw std::invalid_argument("flat parameters: '" + p.name + "' is " + to_string(p.tensor.dtype()) +
                                  " on " + to_string(p.tensor.device()) + ", need f32 on " +
                                  to_string(options().device));
    }
    size_ += p.tensor.numel();
  }
}

Tensor FlatParameters::values() const {
  const Tensor flat = Tensor::empty({size_}, options());
  std::int64_t at = 0;
  for (const nn::StateEntry& p : parameters_) {
    flat.rows(at, p.tensor.numel()).reshaped(p.tensor.shape()).copy_from(p.tensor);
    at += p.tensor.numel();
  }
  return flat;
}

FlatGradients FlatParameters::gradients() const {
  FlatGradients flat{.values = Tensor::zeros({size_}, options()), .present = {}};
  std::int64_t at = 0;
  for (const nn::StateEntry& p : parameters_) {
    const Tensor gradient = p.tensor.grad();
    flat.present.push_back(gradient.defined());
    if (gradient.defined())
      flat.values.rows(at, p.tensor.numel()).reshaped(p.tensor.shape()).copy_from(gradient);
    at += p.tensor.numel();
  }
  return flat;
}

void FlatParameters::clear_gradients() const {
  for (const nn::StateEntry& p : parameters_) p.tensor.clear_grad();
}

void FlatParameters::set_gradients(const FlatGradients& gradients) const {
  if (gradients.values.numel() != size_ || gradients.present.size() != parameters_.size()) {
    throw std::invalid_argument("set_gradients: " + std::to_string(gradients.values.numel()) +
                                " numbers of " + std::to_string(gradients.present.size()) +
                                " parameters, need " + std::to_string(size_) + " of " +
                                std::to_string(parameters_.size()));
  }
  clear_gradients();
  std::int64_t at = 0;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const Tensor& p = parameters_[i].tensor;
    // A leaf's own gradient is whatever goes backward from it.
    if (gradients.present[i]) tape::backward(p, gradients.values.rows(at, p.numel()).reshaped(p.shape()));
    at += p.numel();
  }
}

std::vector<nn::StateEntry> method_parameters(const Method& method) {
  nn::StateList list;
  method.list_state(list);
  return list.parameters();
}

std::vector<nn::StateEntry> backbone_parameters(Method& method) {
  nn::StateList list;
  method.backbone().list_state(list);
  return list.parameters();
}

QuadraticPenalty quadratic_penalty(const FlatParameters& parameters, const Tensor& importance,
                                   const Tensor& anchor, double weight) {
  const Tensor distance = subtract(parameters.values(), anchor);
  const Tensor pull = multiply(importance, distance);
  const Tensor gradient = scale(pull, static_cast<float>(2.0 * weight));
  std::vector<Tensor> tensors;
  std::vector<Shape> shapes;
  for (const nn::StateEntry& p : parameters.entries()) {
    tensors.push_back(p.tensor);
    shapes.push_back(p.tensor.shape());
  }
  const Tensor value = scale(sum(multiply(pull, distance)), static_cast<float>(weight));
  const Tensor recorded = tape::record(value, tensors, [gradient, shapes](const Tensor& dy) {
    const Tensor scaled = scale(gradient, static_cast<float>(dy.item()));
    std::vector<Tensor> parts;
    std::int64_t at = 0;
    for (const Shape& shape : shapes) {
      parts.push_back(scaled.rows(at, shape.numel()).reshaped(shape));
      at += shape.numel();
    }
    return parts;
  });
  return {.value = recorded, .gradient = gradient};
}

double dot(const Tensor& a, const Tensor& b) { return sum(multiply(a, b)).item(); }

}  // namespace nagare::ssl
