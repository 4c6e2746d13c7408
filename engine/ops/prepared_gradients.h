#pragma once
// For losses whose kernel makes the gradients while it computes the loss, as if dL/dloss were 1: usually it is.
#include <vector>

#include "engine/autograd/tape.h"
#include "engine/tensor/tensor.h"

namespace nagare {

// loss with its history: backward() hands out the gradients, multiplied in place by the upstream gradient (which costs
// nothing where that is 1). An undefined gradient belongs to an input that does not learn.
Tensor record_prepared(const char* op, const Tensor& loss, const std::vector<Tensor>& inputs,
                       std::vector<Tensor> gradients);

// Where such a kernel writes the gradient of x: like x where the tape follows it, else undefined.
inline Tensor empty_gradient(const Tensor& x) { return tape::records({x}) ? empty_like(x) : Tensor(); }

// nullptr for an undefined tensor.
template <class T>
T* data_or_null(const Tensor& x) {
  return x.defined() ? x.data<T>() : nullptr;
}

}  // namespace nagare
