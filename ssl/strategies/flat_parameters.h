#pragma once
// Parameters side by side as one vector of n numbers: importance weights, projections and cosines of gradients are then
// plain vector algebra with the ops of engine/ops/.
//
// Nothing here is recorded by the tape.
#include <cstdint>
#include <vector>

#include "engine/nn/state.h"
#include "ssl/core/method.h"

namespace nagare::ssl {

// A gradient of all of them, and which of them had one: an optimiser leaves the others alone, which is not what it does
// with a gradient of zero.
struct FlatGradients {
  Tensor values;              // (n) f32, 0 where there is none
  std::vector<bool> present;  // one per parameter
};

class FlatParameters {
 public:
  // f32 leaves of the tape, all on one device; std::invalid_argument when there are none.
  explicit FlatParameters(std::vector<nn::StateEntry> parameters);

  std::int64_t size() const { return size_; }
  const TensorOptions& options() const { return parameters_.front().tensor.options(); }
  const std::vector<nn::StateEntry>& entries() const { return parameters_; }
  // Copies, in the order of the list.
  Tensor values() const;
  FlatGradients gradients() const;
  void clear_gradients() const;
  // From now on grad() is this.
  void set_gradients(const FlatGradients& gradients) const;

 private:
  std::vector<nn::StateEntry> parameters_;
  std::int64_t size_ = 0;
};

// What a method trains: all of it, or its backbone alone.
std::vector<nn::StateEntry> method_parameters(const Method& method);
std::vector<nn::StateEntry> backbone_parameters(Method& method);

// weight sum_i importance_i (p_i - anchor_i)^2 over the parameters -> (), f32, with history; the gradient is
// 2 weight importance_i (p_i - anchor_i). importance, anchor: (n) f32, constants.
struct QuadraticPenalty {
  Tensor value;
  Tensor gradient;  // (n), without history
};
QuadraticPenalty quadratic_penalty(const FlatParameters& parameters, const Tensor& importance,
                                   const Tensor& anchor, double weight);

// sum_i a_i b_i.
double dot(const Tensor& a, const Tensor& b);

}  // namespace nagare::ssl
