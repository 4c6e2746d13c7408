#include "kernels/reduce.h"

#include <gtest/gtest.h>

#include "kernels/dispatch.h"
#include "kernels/parallel.h"
#include "tests/support/devices.h"
#include "tests/support/gradient.h"

namespace nagare {

namespace kernels {
void PrintTo(const Axis& a, std::ostream* out) { *out << a.outer << "x" << a.count << "x" << a.inner; }
}  // namespace kernels

namespace {

using kernels::Axis;
using test::Values;

struct ReduceTest : testing::TestWithParam<std::tuple<Device, DType, Axis>> {
  Device device = std::get<0>(GetParam());
  DType dtype = std::get<1>(GetParam());
  Axis axis = std::get<2>(GetParam());
  kernels::Reduce p{.axis = axis, .scale = -0.5F};
  Values a = test::normal_values(axis.numel(), 1, dtype);
  Values b = test::normal_values(axis.numel(), 2, dtype);
  Shape reduced{axis.outer, axis.inner};

  std::size_t slot(std::size_t i) const {
    const auto inner = static_cast<std::size_t>(axis.inner);
    return i / (static_cast<std::size_t>(axis.count) * inner) * inner + i % inner;
  }
  Values reduce(const std::function<double(std::size_t)>& value) const {
    Values y(static_cast<std::size_t>(reduced.numel()), 0.0);
    for (std::size_t i = 0; i < a.size(); ++i) y[slot(i)] += p.scale * value(i);
    return y;
  }
  Tensor to_device(const Values& v) const {
    return test::to_tensor(v, {static_cast<std::int64_t>(v.size())}, dtype, device);
  }
  Values sums() const {
    const Tensor x = to_device(a);
    const Tensor y = Tensor::empty(reduced, {.device = device});
    for_activation_type("test", dtype, [&]<class T>(T) {
      NAGARE_DISPATCH(device, reduce_sum(p, x.data<T>(), y.data<float>(), x.stream()));
    });
    return test::to_values(y);
  }
};

TEST_P(ReduceTest, SumsMatchTheDefinition) {
  EXPECT_TRUE(test::near_values(sums(), reduce([&](std::size_t i) { return a[i]; }), 2e-6));
}

TEST_P(ReduceTest, ProductsMatchTheDefinition) {
  const Tensor left = to_device(a);
  const Tensor right = to_device(b);
  const Tensor y = Tensor::empty(reduced, {.device = device});
  for_activation_type("test", dtype, [&]<class T>(T) {
    NAGARE_DISPATCH(device, reduce_dot(p, left.data<T>(), right.data<T>(), y.data<float>(), y.stream()));
  });
  EXPECT_TRUE(
      test::near_values(test::to_values(y), reduce([&](std::size_t i) { return a[i] * b[i]; }), 2e-6));
}

TEST_P(ReduceTest, SpreadMatchesTheDefinition) {
  const Values from = test::normal_values(reduced.numel(), 3);
  const Tensor y = test::to_tensor(from, reduced, DType::f32, device);
  const Tensor x = Tensor::empty({axis.numel()}, {.dtype = dtype, .device = device});
  for_activation_type("test", dtype, [&]<class T>(T) {
    NAGARE_DISPATCH(device, spread(p, y.data<float>(), x.data<T>(), y.stream()));
  });
  Values want;
  for (std::size_t i = 0; i < a.size(); ++i) want.push_back(test::rounded(p.scale * from[slot(i)], dtype));
  EXPECT_EQ(test::to_values(x), want);
}

TEST_P(ReduceTest, TheNumberOfThreadsChangesNoBit) {
  const int before = threads();
  set_threads(1);
  const Values alone = sums();
  set_threads(5);
  EXPECT_EQ(sums(), alone);
  set_threads(before);
}

INSTANTIATE_TEST_SUITE_P(Axes, ReduceTest,
                         testing::Combine(testing::ValuesIn(test::devices()),
                                          testing::Values(DType::f32, DType::bf16),
                                          testing::Values(Axis{1, 1, 1}, Axis{2, 3, 5}, Axis{5, 31, 1},
                                                          Axis{3, 5003, 1}, Axis{1, 40009, 1},
                                                          Axis{1, 2053, 3}, Axis{2, 7, 1031},
                                                          Axis{3, 1025, 33}, Axis{2, 0, 3}, Axis{0, 4, 3})));

}  // namespace
}  // namespace nagare
