#include "kernels/broadcast.h"

#include <gtest/gtest.h>

#include "kernels/dispatch.h"
#include "tests/support/devices.h"
#include "tests/support/gradient.h"

namespace nagare {
namespace {

using kernels::Axis;
using kernels::BroadcastFunction;
using test::Values;

struct BroadcastTest : testing::TestWithParam<std::tuple<Device, DType, BroadcastFunction>> {
  Device device = std::get<0>(GetParam());
  DType dtype = std::get<1>(GetParam());
  BroadcastFunction function = std::get<2>(GetParam());
};

TEST_P(BroadcastTest, MatchesTheDefinitionInPlaceAndOutOfPlace) {
  for (const Axis axis : {Axis{1, 1, 1}, Axis{2, 3, 5}, Axis{7, 33, 1}, Axis{1, 31, 257}, Axis{0, 3, 2}}) {
    const Values in = test::normal_values(axis.numel(), 1, dtype);
    const Values values = test::normal_values(axis.outer * axis.inner, 2);
    const Tensor x = test::to_tensor(in, {axis.numel()}, dtype, device);
    const Tensor v = test::to_tensor(values, {axis.outer * axis.inner}, DType::f32, device);
    const Tensor y = empty_like(x);
    const kernels::Broadcast p{function, axis};
    for_activation_type("test", dtype, [&]<class T>(T) {
      NAGARE_DISPATCH(device, broadcast(p, x.data<T>(), v.data<float>(), y.data<T>(), x.stream()));
      NAGARE_DISPATCH(device, broadcast(p, x.data<T>(), v.data<float>(), x.data<T>(), x.stream()));
    });
    Values want;
    for (std::int64_t i = 0; i < axis.numel(); ++i) {
      const double value =
          values[static_cast<std::size_t>(i / (axis.count * axis.inner) * axis.inner + i % axis.inner)];
      const double from = in[static_cast<std::size_t>(i)];
      want.push_back(test::rounded(function == BroadcastFunction::add ? from + value : from * value, dtype));
    }
    EXPECT_TRUE(test::near_values(test::to_values(y), want, dtype == DType::f32 ? 1e-7 : 4e-3)) << axis.outer;
    EXPECT_EQ(test::to_values(x), test::to_values(y));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Functions, BroadcastTest,
    testing::Combine(testing::ValuesIn(test::devices()), testing::Values(DType::f32, DType::bf16),
                     testing::Values(BroadcastFunction::add, BroadcastFunction::multiply)));

}  // namespace
}  // namespace nagare
