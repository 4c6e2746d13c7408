#include "engine/ops/group_norm.h"

#include <stdexcept>

#include "engine/ops/broadcast.h"
#include "engine/ops/layer_norm.h"
#include "engine/ops/shape_ops.h"

namespace nagare {

Tensor group_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, const GroupNorm& options) {
  const Shape& shape = x.shape();
  const std::int64_t groups = options.groups;
  const std::int64_t channels = shape.rank() >= 2 ? shape.back() : 0;
  if (channels < 1 || groups < 1 || channels % groups != 0 || gamma.shape() != Shape{channels} ||
      beta.shape() != Shape{channels}) {
    throw std::invalid_argument("group_norm: x " + to_string(shape) + " in " + std::to_string(groups) +
                                " groups, gamma " + to_string(gamma.shape()) + ", beta " +
                                to_string(beta.shape()) +
                                ": need (N, ..., C), groups that divide C, one gamma and beta a channel");
  }
  const std::int64_t samples = shape[0];
  const std::int64_t each = channels / groups;
  const std::int64_t positions = samples == 0 ? 1 : x.numel() / (samples * channels);
  // A group of a sample as one row, and back.
  const Tensor grouped = permute(reshape(x, {samples, positions, groups, each}), {0, 2, 1, 3});
  const std::int64_t width = positions * each;
  const TensorOptions constant{.device = x.device()};
  const Tensor rows =
      layer_norm(reshape(grouped, {samples * groups, width}), Tensor::full({width}, 1.0F, constant),
                 Tensor::zeros({width}, constant), options.epsilon);
  const Tensor normed = permute(reshape(rows, {samples, groups, positions, each}), {0, 2, 1, 3});
  return add_row(multiply_row(reshape(normed, shape), gamma), beta);
}

}  // namespace nagare
