#include "kernels/l2_normalize.h"

#include <gmock/gmock.h>

#include "kernels/dispatch.h"
#include "tests/support/devices.h"
#include "tests/support/gradient.h"
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

Matrix definition(Matrix x) {
  for (std::int64_t r = 0; r < x.rows(); ++r) {
    double squares = 0.0;
    for (const double v : x.row(r)) squares += v * v;
    for (double& v : x.row(r)) v /= std::sqrt(squares);
  }
  return x;
}

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

TEST_P(L2NormalizeTest, GradientMatchesCentralDifferencesOfTheDefinition) {
  const Matrix x = test::normal(p.rows, p.cols, 3);
  const Matrix dy = test::normal(p.rows, p.cols, 4);
  const Buffer y(device, x);
  const Buffer norm(device, Matrix(p.rows, 1));
  const Buffer dx(device, dy);
  NAGARE_DISPATCH(device, l2_normalize(p, y.data(), y.data(), norm.data(), compute_stream(device)));
  NAGARE_DISPATCH(
      device, l2_normalize_backward(p, y.data(), norm.data(), dx.data(), dx.data(), compute_stream(device)));
  if (p.rows > 2) return;  // differences cost the square of the size
  const auto loss = [&](const Matrix& at) { return test::dot(dy, definition(at)); };
  double shortest = 1e300;  // terms of the size of dy / norm cancel
  const Matrix lengths = norm.to_host();
  for (const double v : lengths.values()) shortest = std::min(shortest, v);
  EXPECT_TRUE(
      all_near(dx.to_host(), test::central_differences(loss, x, 1e-5), 4e-6 / std::min(1.0, shortest)));
}

// bf16: y is the nearest bf16 of the definition; dx has the rounding of y and its own.
TEST_P(L2NormalizeTest, InBf16) {
  Matrix x = test::normal(p.rows, p.cols, 5);
  Matrix dy = test::normal(p.rows, p.cols, 6);
  for (double& v : x.values()) v = test::rounded(v, DType::bf16);
  for (double& v : dy.values()) v = test::rounded(v, DType::bf16);
  const Shape shape{p.rows, p.cols};
  const Tensor in = test::to_tensor(x.values(), shape, DType::bf16, device);
  const Tensor upstream = test::to_tensor(dy.values(), shape, DType::bf16, device);
  const Tensor y = empty_like(in);
  const Tensor norm = Tensor::empty({p.rows}, {.device = device});
  NAGARE_DISPATCH(
      device, l2_normalize(p, in.data<bf16>(), y.data<bf16>(), norm.data<float>(), compute_stream(device)));
  NAGARE_DISPATCH(device, l2_normalize_backward(p, y.data<bf16>(), norm.data<float>(), upstream.data<bf16>(),
                                                upstream.data<bf16>(), compute_stream(device)));
  const Matrix want = definition(x);
  const test::Values got = test::to_values(y);
  const test::Values gradient = test::to_values(upstream);
  const std::vector<float> lengths = norm.to_vector<float>();
  for (std::int64_t r = 0; r < p.rows; ++r) {
    double along = 0.0;
    double size = 0.0;
    for (std::int64_t c = 0; c < p.cols; ++c) {
      along += want(r, c) * dy(r, c);
      size = std::max(size, std::abs(dy(r, c)));
    }
    const double length = lengths[static_cast<std::size_t>(r)];
    for (std::int64_t c = 0; c < p.cols; ++c) {
      const auto i = static_cast<std::size_t>(r * p.cols + c);
      EXPECT_NEAR(got[i], want(r, c), std::abs(want(r, c)) * 0.00391);  // half a unit in the last place
      EXPECT_NEAR(gradient[i], (dy(r, c) - want(r, c) * along) / length, 0.02 * size / length);
    }
  }
}

// 1, a pack and its neighbours, a warp's and a block's share of a row.
INSTANTIATE_TEST_SUITE_P(Sizes, L2NormalizeTest,
                         testing::Combine(testing::ValuesIn(test::devices()), testing::Values(0, 1, 2, 37),
                                          testing::Values(2, 8, 31, 32, 33, 257, 513, 1032)));

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

// Lengths at the ends of f32's range, in a row for a warp and in one for a block.
TEST_P(L2NormalizeEdges, HugeAndTinyRows) {
  for (const std::int64_t cols : {7, 700}) {
    for (const double magnitude : {1e-37, 1e-25, 1e20, 1e35}) {
      Matrix x = test::normal(2, cols, 8);
      for (double& v : x.values()) v = static_cast<float>(v * magnitude);
      const Buffer y(GetParam(), x);
      const Buffer norm(GetParam(), Matrix(2, 1));
      NAGARE_DISPATCH(GetParam(), l2_normalize({.rows = 2, .cols = cols, .epsilon = 2e-38F}, y.data(),
                                               y.data(), norm.data(), compute_stream(GetParam())));
      EXPECT_TRUE(all_near(y.to_host(), definition(x), 1e-6)) << magnitude;
    }
  }
}

TEST_P(L2NormalizeEdges, NonsenseIsRefusedByName) {
  const auto check = [](float epsilon) { L2Normalize{.rows = 2, .cols = 3, .epsilon = epsilon}.check(); };
  for (const float bad : {0.0F, -1.0F, NAN, INFINITY, 1e-40F}) {
    EXPECT_THAT([&] { check(bad); }, testing::ThrowsMessage<std::invalid_argument>(
                                         testing::HasSubstr("l2_normalize: shape (2, 3), epsilon")));
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, L2NormalizeEdges, testing::ValuesIn(test::devices()));

}  // namespace
}  // namespace nagare
