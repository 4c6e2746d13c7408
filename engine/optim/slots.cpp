#include "engine/optim/slots.h"

#include <cmath>
#include <stdexcept>

namespace nagare::optim {

std::vector<Tensor> make_slots(const std::vector<nn::StateEntry>& parameters) {
  std::vector<Tensor> slots;
  for (const nn::StateEntry& p : parameters) slots.push_back(zeros_like(p.tensor));
  return slots;
}

void list_slots(nn::StateList& list, std::string_view prefix, const std::vector<nn::StateEntry>& parameters,
                const std::vector<Tensor>& slots) {
  const nn::StateList::Scope scope(list, prefix);
  for (std::size_t i = 0; i < slots.size(); ++i) {
    list.add(parameters[i].name, slots[i], nn::Role::buffer, parameters[i].layout);
  }
}

std::vector<std::size_t> with_gradient(const std::vector<nn::StateEntry>& parameters) {
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Tensor gradient = parameters[i].tensor.grad();
    if (!gradient.defined()) continue;
    if (gradient.shape() != parameters[i].tensor.shape() || gradient.dtype() != DType::f32) {
      throw std::invalid_argument("optimizer: gradient of '" + parameters[i].name + "' is " +
                                  to_string(gradient.shape()) + " " + to_string(gradient.dtype()) +
                                  ", need " + to_string(parameters[i].tensor.shape()) + " f32");
    }
    found.push_back(i);
  }
  return found;
}

void check_rate(double learning_rate) {
  if (learning_rate >= 0.0 && std::isfinite(learning_rate)) return;
  throw std::invalid_argument("optimizer: learning rate " + std::to_string(learning_rate) +
                              ", need a finite number >= 0");
}

}  // namespace nagare::optim
