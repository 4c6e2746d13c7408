#pragma once
// Define-by-run reverse-mode differentiation.
//
// Every differentiable op ends with tape::record(y, {inputs}, backward). The backward closure maps dL/dy to one
// gradient per input, in their order (an undefined Tensor where there is none), and must capture detached tensors only:
// a closure that held its own y would keep itself alive for ever.
//
//   Tensor relu(const Tensor& x) {
//     const Tensor y = ...;
//     return tape::record(y, {x}, [y = y.detach()](const Tensor& dy) -> std::vector<Tensor> { return {...}; });
//   }
//   tape::backward(loss);  // afterwards w.grad() holds dL/dw of every leaf w
//
// Gradients have the shape, element type and device of what they belong to. backward() frees the graph as it goes.
// Order is fixed (newest op first), so the sums, and their bits, are the same on every run.
#include <functional>
#include <memory>
#include <vector>

#include "engine/tensor/tensor.h"

namespace nagare::tape {

using Backward = std::function<std::vector<Tensor>(const Tensor& dy)>;

// y with its history; plain y when no input needs a gradient or recording is off.
Tensor record(const Tensor& y, std::initializer_list<Tensor> inputs, Backward backward);
Tensor record(const Tensor& y, const std::vector<Tensor>& inputs, Backward backward);

// True when a result of these inputs will be recorded: lets an op skip what only its backward needs.
bool records(std::initializer_list<Tensor> inputs);

// Adds dL/dw to the grad() of every leaf w that `loss` depends on. loss: numel 1, f32, with history
// (std::invalid_argument otherwise). `seed` replaces the default upstream gradient of 1 and may then have any shape,
// that of `loss`.
void backward(const Tensor& loss);
void backward(const Tensor& output, const Tensor& seed);

// While one of these lives, nothing is recorded on this thread.
class NoGrad {
 public:
  NoGrad();
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  bool before_;
};

// For Tensor's own use.
std::shared_ptr<Node> make_leaf();
Tensor grad_of(const Node& node);
void clear_grad_of(Node& node);

}  // namespace nagare::tape
