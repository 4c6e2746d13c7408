#include "engine/ops/resize.h"

#include <stdexcept>
#include <string>

#include "engine/autograd/tape.h"
#include "engine/ops/check.h"
#include "kernels/dispatch.h"
#include "kernels/resize.h"

namespace nagare {
namespace {

// A table in device memory, alive as long as the tensors are.
struct DeviceTable {
  Tensor ranges;  // bytes of TapRange
  Tensor weights;
  std::int64_t stride;

  kernels::TapView view() const {
    return {static_cast<const kernels::TapRange*>(ranges.raw()), weights.data<float>(), stride};
  }
};

DeviceTable upload(const kernels::TapTable& table, Device device) {
  const std::span bytes(reinterpret_cast<const std::uint8_t*>(table.ranges.data()),
                        table.ranges.size() * sizeof(kernels::TapRange));
  return {.ranges = Tensor::from(bytes, {static_cast<std::int64_t>(bytes.size())}, device),
          .weights = Tensor::from(table.weights, {static_cast<std::int64_t>(table.weights.size())}, device),
          .stride = table.stride};
}

struct Axes {
  kernels::TapTable rows;
  kernels::TapTable columns;
};

Tensor map(const kernels::Resize& p, const Axes& axes, const Tensor& x) {
  const Tensor y = Tensor::empty({p.n, p.out_height, p.out_width, p.channels}, x.options());
  const DeviceTable rows = upload(axes.rows, x.device());
  const DeviceTable columns = upload(axes.columns, x.device());
  for_activation_type("resize", x.dtype(), [&]<class T>(T) {
    NAGARE_DISPATCH(x.device(), resize(p, {.rows = rows.view(), .columns = columns.view()}, x.data<T>(),
                                       y.data<T>(), x.stream()));
  });
  return y;
}

}  // namespace

Tensor resize(const Tensor& x, const Resize& to) {
  check_activation("resize", x);
  if (x.shape().rank() != 4) {
    throw std::invalid_argument("resize: x " + to_string(x.shape()) + ", need (N, H, W, C)");
  }
  const kernels::Resize p{.n = x.shape()[0],
                          .in_height = x.shape()[1],
                          .in_width = x.shape()[2],
                          .out_height = to.height,
                          .out_width = to.width,
                          .channels = x.shape()[3]};
  p.check();
  const auto axis = [&](std::int64_t in, std::int64_t out) {
    return kernels::tap_table({static_cast<int>(in), static_cast<int>(out), to.interpolation, to.antialias});
  };
  const Axes axes{axis(p.in_height, p.out_height), axis(p.in_width, p.out_width)};
  return tape::record(map(p, axes, x), {x}, [p, axes](const Tensor& dy) -> std::vector<Tensor> {
    return {
        map(p.transposed(), {transposed(axes.rows, p.in_height), transposed(axes.columns, p.in_width)}, dy)};
  });
}

}  // namespace nagare
