#include "kernels/l2_normalize.h"

#include <gmock/gmock.h>

#include "kernels/dispatch.h"
#include "tests/support/devices.h"
#include "tests/support/matrix.h"

namespace nagare {
namespace {

using kernels::L2Normalize;
using test::Buffer;
using test::Matrix;

struct L2NormalizeTest : testing::TestWithParam<std::tuple<Device, std::int64_t, std::int64_t>> {
  Device device = std::get<0>(GetParam());
  L2Normalize p{.rows = std::get<1>(GetParam()), .cols = std::get<2>(GetParam())};
};

TEST_P(L2NormalizeTest, MatchesTheDefinitionInPlaceAndOutOfPlace) {
  const Matrix x = test::normal(p.rows, p.cols, 1);
  const Matrix dy = test::normal(p.rows, p.cols, 2);
  Matrix y = x;
  Matrix dx = dy;
  for (std::int64_t r = 0; r < p.rows; ++r) {
    double squares = 0.0;
    double along = 0.0;
    for (std::int64_t c = 0; c < p.cols; ++c) squares += x(r, c) * x(r, c);
    for (std::int64_t c = 0; c < p.cols; ++c) y(r, c) /= std::sqrt(squares);
    for (std::int64_t c = 0; c < p.cols; ++c) along += y(r, c) * dy(r, c);
    for (std::int64_t c = 0; c < p.cols; ++c) dx(r, c) = (dy(r, c) - y(r, c) * along) / std::sqrt(squares);
  }
  const Buffer in(device, x);
  const Buffer out(device, x);
  const Buffer norm(device, Matrix(p.rows, 1));
  const Buffer gradient(device, dy);
  const Buffer in_gradient(device, dy);
  NAGARE_DISPATCH(device, l2_normalize(p, in.data(), out.data(), norm.data(), compute_stream(device)));
  NAGARE_DISPATCH(device, l2_normalize_backward(p, out.data(), norm.data(), gradient.data(),
                                                in_gradient.data(), compute_stream(device)));
  EXPECT_TRUE(all_near(out.to_host(), y, 1e-6));
  EXPECT_TRUE(all_near(in_gradient.to_host(), dx, 1e-5));
  NAGARE_DISPATCH(device, l2_normalize(p, in.data(), in.data(), norm.data(), compute_stream(device)));
  NAGARE_DISPATCH(device, l2_normalize_backward(p, out.data(), norm.data(), gradient.data(), gradient.data(),
                                                compute_stream(device)));
  EXPECT_EQ(in.to_host(), out.to_host());
  EXPECT_EQ(gradient.to_host(), in_gradient.to_host());
}

INSTANTIATE_TEST_SUITE_P(Sizes, L2NormalizeTest,
                         testing::Combine(testing::ValuesIn(test::devices()), testing::Values(0, 1, 2, 37),
                                          testing::Values(2, 31, 32, 33, 257)));

struct L2NormalizeEdges : testing::TestWithParam<Device> {};

TEST_P(L2NormalizeEdges, ABadRowHarmsNoOther) {
  const double inf = INFINITY;
  const Buffer x(GetParam(), {{NAN, 1}, {inf, 1}, {3, 4}});
  const Buffer norm(GetParam(), Matrix(3, 1));
  NAGARE_DISPATCH(GetParam(), l2_normalize({.rows = 3, .cols = 2}, x.data(), x.data(), norm.data(),
                                           compute_stream(GetParam())));
  const Matrix y = x.to_host();
  EXPECT_TRUE(std::isnan(y(0, 0)) && std::isnan(y(0, 1)));
  EXPECT_TRUE(std::isnan(y(1, 0)));
  EXPECT_NEAR(y(2, 0), 0.6, 1e-7);
}

TEST_P(L2NormalizeEdges, NonsenseIsRefusedByName) {
  const auto check = [](float epsilon) { L2Normalize{.rows = 2, .cols = 3, .epsilon = epsilon}.check(); };
  for (const float bad : {0.0F, -1.0F, NAN, INFINITY}) {
    EXPECT_THAT([&] { check(bad); }, testing::ThrowsMessage<std::invalid_argument>(
                                         testing::HasSubstr("l2_normalize: shape (2, 3), epsilon")));
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, L2NormalizeEdges, testing::ValuesIn(test::devices()));

}  // namespace
}  // namespace nagare
