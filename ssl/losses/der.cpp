#include "ssl/losses/der.h"

#include "engine/ops/elementwise.h"
#include "engine/ops/reduce.h"

namespace nagare::ssl {

Tensor der_loss(const Tensor& output, const Tensor& stored, float alpha) {
  return scale(mean(square(subtract(cast(output, DType::f32), stored.detach()))), alpha);
}

}  // namespace nagare::ssl
