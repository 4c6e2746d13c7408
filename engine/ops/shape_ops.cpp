#include "engine/ops/shape_ops.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "engine/autograd/tape.h"
#include "engine/ops/check.h"
#include "kernels/dispatch.h"
#include "kernels/layout.h"

namespace nagare {
namespace {

std::vector<std::int64_t> sizes_of(const Tensor& x) {
  return {x.shape().sizes().begin(), x.shape().sizes().end()};
}

// The axis counted from 0.
int checked_axis(const char* op, const Tensor& x, int axis) {
  check_defined(op, x);
  const int rank = x.shape().rank();
  if (axis < -rank || axis >= rank) {
    throw std::invalid_argument(std::string(op) + ": axis " + std::to_string(axis) + " of shape " +
                                to_string(x.shape()));
  }
  return axis < 0 ? axis + rank : axis;
}

Tensor permuted(const Tensor& x, const std::vector<int>& axes) {
  const int rank = x.shape().rank();
  std::vector<std::int64_t> strides(static_cast<std::size_t>(rank), 1);
  for (int a = rank - 2; a >= 0; --a) {
    strides[static_cast<std::size_t>(a)] = strides[static_cast<std::size_t>(a + 1)] * x.shape()[a + 1];
  }
  kernels::Permute p{
      .rank = rank, .element_bytes = static_cast<int>(size_of(x.dtype())), .sizes = {}, .strides = {}};
  for (int a = 0; a < rank; ++a) {
    p.sizes[a] = x.shape()[axes[static_cast<std::size_t>(a)]];
    p.strides[a] = strides[static_cast<std::size_t>(axes[static_cast<std::size_t>(a)])];
  }
  const Tensor y = Tensor::empty(Shape({p.sizes, static_cast<std::size_t>(rank)}), x.options());
  NAGARE_DISPATCH(x.device(), permute(p, x.raw(), y.raw(), x.stream()));
  return y;
}

// Bytes of one entry of `axis`, and of everything below an outer index.
std::int64_t entry_bytes(const Tensor& x, int axis) {
  std::int64_t bytes = static_cast<std::int64_t>(size_of(x.dtype()));
  for (int a = axis + 1; a < x.shape().rank(); ++a) bytes *= x.shape()[a];
  return bytes;
}
std::int64_t outer_size(const Tensor& x, int axis) {
  std::int64_t n = 1;
  for (int a = 0; a < axis; ++a) n *= x.shape()[a];
  return n;
}

// Entries [begin, begin + part's size) of whole's `axis` and `part`, copied one way or the other.
enum class Direction { to_part, to_whole };
void copy_part(Direction direction, const Tensor& whole, const Tensor& part, int axis, std::int64_t begin) {
  const std::int64_t entry = entry_bytes(whole, axis);
  const std::int64_t whole_stride = whole.shape()[axis] * entry;
  const std::int64_t part_stride = part.shape()[axis] * entry;
  auto* in_whole = static_cast<std::byte*>(whole.raw()) + begin * entry;
  const bool out = direction == Direction::to_part;
  const kernels::CopyBlocks p{.blocks = outer_size(whole, axis),
                              .bytes = part_stride,
                              .from_stride = out ? whole_stride : part_stride,
                              .to_stride = out ? part_stride : whole_stride};
  NAGARE_DISPATCH(whole.device(),
                  copy_blocks(p, out ? in_whole : part.raw(), out ? part.raw() : in_whole, whole.stream()));
}

Tensor part_of(const Tensor& whole, int axis, std::int64_t begin, std::int64_t count) {
  std::vector<std::int64_t> sizes = sizes_of(whole);
  sizes[static_cast<std::size_t>(axis)] = count;
  const Tensor part = Tensor::empty(Shape(sizes), whole.options());
  copy_part(Direction::to_part, whole, part, axis, begin);
  return part;
}

}  // namespace

Tensor reshape(const Tensor& x, const Shape& shape) {
  check_defined("reshape", x);
  return tape::record(x.reshaped(shape), {x}, [before = x.shape()](const Tensor& dy) -> std::vector<Tensor> {
    return {dy.reshaped(before)};
  });
}

Tensor permute(const Tensor& x, const std::vector<int>& axes) {
  check_defined("permute", x);
  std::vector<int> inverse(axes.size(), -1);
  for (std::size_t a = 0; a < axes.size(); ++a) {
    if (axes[a] >= 0 && static_cast<std::size_t>(axes[a]) < axes.size()) {
      inverse[static_cast<std::size_t>(axes[a])] = static_cast<int>(a);
    }
  }
  if (static_cast<int>(axes.size()) != x.shape().rank() || std::ranges::count(inverse, -1) != 0) {
    std::string list;
    for (const int axis : axes) list += (list.empty() ? "" : ", ") + std::to_string(axis);
    throw std::invalid_argument("permute: axes (" + list + ") for shape " + to_string(x.shape()) +
                                ", need each axis once");
  }
  return tape::record(permuted(x, axes), {x},
                      [inverse](const Tensor& dy) -> std::vector<Tensor> { return {permuted(dy, inverse)}; });
}

Tensor concat(const std::vector<Tensor>& parts, int axis) {
  if (parts.empty()) throw std::invalid_argument("concat: no tensors, need at least one");
  axis = checked_axis("concat", parts[0], axis);
  std::vector<std::int64_t> sizes = sizes_of(parts[0]);
  std::vector<std::int64_t> counts;
  sizes[static_cast<std::size_t>(axis)] = 0;
  for (const Tensor& part : parts) {
    check_same_device("concat", parts[0], part);
    std::vector<std::int64_t> others = sizes_of(part);
    counts.push_back(checked_axis("concat", part, axis) == axis ? part.shape()[axis] : 0);
    others[static_cast<std::size_t>(axis)] = sizes[static_cast<std::size_t>(axis)];
    if (others != sizes || part.dtype() != parts[0].dtype()) {
      throw std::invalid_argument("concat: " + to_string(parts[0].shape()) + " " +
                                  to_string(parts[0].dtype()) + " and " + to_string(part.shape()) + " " +
                                  to_string(part.dtype()) + " along axis " + std::to_string(axis));
    }
    sizes[static_cast<std::size_t>(axis)] += counts.back();
  }
  const Tensor y = Tensor::empty(Shape(sizes), parts[0].options());
  std::int64_t begin = 0;
  for (const Tensor& part : parts) {
    copy_part(Direction::to_whole, y, part, axis, begin);
    begin += part.shape()[axis];
  }
  return tape::record(y, parts, [axis, counts](const Tensor& dy) {
    std::vector<Tensor> gradients;
    std::int64_t from = 0;
    for (const std::int64_t count : counts) {
      gradients.push_back(part_of(dy, axis, from, count));
      from += count;
    }
    return gradients;
  });
}

Tensor slice(const Tensor& x, int axis, std::int64_t begin, std::int64_t count) {
  axis = checked_axis("slice", x, axis);
  if (begin < 0 || count < 0 || count > x.shape()[axis] - begin) {
    throw std::out_of_range("slice: " + std::to_string(count) + " entries from " + std::to_string(begin) +
                            " along axis " + std::to_string(axis) + " of " + to_string(x.shape()));
  }
  return tape::record(part_of(x, axis, begin, count), {x},
                      [axis, begin, shape = x.shape()](const Tensor& dy) -> std::vector<Tensor> {
                        const Tensor dx = Tensor::zeros(shape, dy.options());
                        copy_part(Direction::to_whole, dx, dy, axis, begin);
                        return {dx};
                      });
}

Tensor gather_rows(const Tensor& x, const Tensor& indices) {
  check_rank("gather_rows", x, 1);
  check_dtype("gather_rows", indices, DType::i64);
  check_same_device("gather_rows", x, indices);
  if (indices.shape().rank() != 1) {
    throw std::invalid_argument("gather_rows: indices of shape " + to_string(indices.shape()) + ", need (R)");
  }
  std::vector<std::int64_t> sizes = sizes_of(x);
  sizes[0] = indices.numel();
  const kernels::GatherRows p{.rows = indices.numel(),
                              .cols = entry_bytes(x, 0) / static_cast<std::int64_t>(size_of(x.dtype())),
                              .source_rows = x.shape()[0]};
  const Tensor y = Tensor::empty(Shape(sizes), x.options());
  NAGARE_DISPATCH(x.device(), gather_rows(p, size_of(x.dtype()), x.raw(), indices.data<std::int64_t>(),
                                          y.raw(), x.stream()));
  return tape::record(y, {x}, [p, indices, shape = x.shape()](const Tensor& dy) -> std::vector<Tensor> {
    const Tensor dx = Tensor::empty(shape, dy.options());
    for_activation_type("gather_rows", dy.dtype(), [&]<class T>(T) {
      NAGARE_DISPATCH(dy.device(), scatter_add_rows(p, dy.data<T>(), indices.data<std::int64_t>(),
                                                    dx.data<T>(), dy.stream()));
    });
    return {dx};
  });
}

}  // namespace nagare
