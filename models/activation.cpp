#include "models/activation.h"

#include "engine/ops/elementwise.h"

namespace nagare::models {

Tensor activate(Activation activation, const Tensor& x) {
  switch (activation) {
    case Activation::relu:
      return relu(x);
    case Activation::gelu:
      return gelu(x);
    case Activation::mish:
      return mish(x);
  }
  return x;
}

}  // namespace nagare::models
