#include "kernels/layer_norm.h"

#include <gmock/gmock.h>

#include "kernels/dispatch.h"
#include "kernels/parallel.h"
#include "tests/support/bf16_twin.h"
#include "tests/support/devices.h"
#include "tests/support/matrix.h"

namespace nagare {
namespace {

using kernels::LayerNorm;
using test::Buffer;
using test::Matrix;

struct LayerNormTest : testing::TestWithParam<std::tuple<Device, std::int64_t, std::int64_t>> {
  Device device = std::get<0>(GetParam());
  LayerNorm p{.rows = std::get<1>(GetParam()), .cols = std::get<2>(GetParam())};
  Stream stream = compute_stream(device);
  Matrix x = test::normal(p.rows, p.cols, 1);
  Matrix dy = test::normal(p.rows, p.cols, 2);
  Matrix gamma = test::normal(1, p.cols, 3);
  Buffer mean{device, Matrix(1, p.rows)};
  Buffer inverse{device, Matrix(1, p.rows)};
  kernels::RowStatistics statistics{mean.data(), inverse.data()};

  // (x - mean) / sqrt(var + epsilon), and the reciprocal root, in double.
  Matrix normalized(std::vector<double>* scales) const {
    Matrix h = x;
    for (std::int64_t r = 0; r < p.rows; ++r) {
      double m = 0.0;
      double v = 0.0;
      for (const double value : h.row(r)) m += value / static_cast<double>(p.cols);
      for (const double value : h.row(r)) v += (value - m) * (value - m) / static_cast<double>(p.cols);
      scales->push_back(1.0 / std::sqrt(v + p.epsilon));
      for (double& value : h.row(r)) value = (value - m) * scales->back();
    }
    return h;
  }
};

TEST_P(LayerNormTest, MatchesTheDefinitionInPlaceAndOutOfPlace) {
  const Matrix beta = test::normal(1, p.cols, 4);
  std::vector<double> scales;
  const Matrix h = normalized(&scales);
  Matrix want = h;
  for (std::int64_t r = 0; r < p.rows; ++r) {
    for (std::int64_t c = 0; c < p.cols; ++c) want(r, c) = h(r, c) * gamma(0, c) + beta(0, c);
  }
  const Buffer in(device, x);
  const Buffer out(device, x);
  const Buffer g(device, gamma);
  const Buffer b(device, beta);
  NAGARE_DISPATCH(device, layer_norm(p, in.data(), g.data(), b.data(), out.data(), statistics, stream));
  EXPECT_TRUE(all_near(out.to_host(), want, 1e-5));
  NAGARE_DISPATCH(device, layer_norm(p, in.data(), g.data(), b.data(), in.data(), statistics, stream));
  EXPECT_EQ(in.to_host(), out.to_host());
}

TEST_P(LayerNormTest, GradientsMatchTheirFormulasForAnyNumberOfThreads) {
  std::vector<double> scales;
  const Matrix h = normalized(&scales);
  Matrix dx = dy;
  Matrix dgamma(1, p.cols);
  Matrix dbeta(1, p.cols);
  for (std::int64_t r = 0; r < p.rows; ++r) {
    double sum = 0.0;
    double along = 0.0;
    for (std::int64_t c = 0; c < p.cols; ++c) {
      sum += dy(r, c) * gamma(0, c) / static_cast<double>(p.cols);
      along += dy(r, c) * gamma(0, c) * h(r, c) / static_cast<double>(p.cols);
      dgamma(0, c) += dy(r, c) * h(r, c);
      dbeta(0, c) += dy(r, c);
    }
    for (std::int64_t c = 0; c < p.cols; ++c) {
      dx(r, c) = scales[static_cast<std::size_t>(r)] * (dy(r, c) * gamma(0, c) - sum - h(r, c) * along);
    }
  }
  const Buffer in(device, x);
  const Buffer out(device, x);
  const Buffer g(device, gamma);
  const Buffer upstream(device, dy);
  const Buffer in_gradient(device, dy);
  const Buffer gamma_gradient(device, gamma);
  const Buffer beta_gradient(device, gamma);
  NAGARE_DISPATCH(device, layer_norm(p, in.data(), g.data(), g.data(), out.data(), statistics, stream));
  const auto parameters = [&] {
    NAGARE_DISPATCH(device,
                    layer_norm_parameter_gradients(p, in.data(), statistics, upstream.data(),
                                                   {gamma_gradient.data(), beta_gradient.data()}, stream));
  };
  const int before = threads();
  set_threads(1);
  parameters();
  const Matrix alone = gamma_gradient.to_host();
  set_threads(5);
  parameters();
  set_threads(before);
  EXPECT_EQ(gamma_gradient.to_host(), alone);
  const double magnitude = 1e-5 * std::sqrt(static_cast<double>(p.rows) + 1.0);
  EXPECT_TRUE(all_near(gamma_gradient.to_host(), dgamma, magnitude));
  EXPECT_TRUE(all_near(beta_gradient.to_host(), dbeta, magnitude));
  NAGARE_DISPATCH(device, layer_norm_backward(p, in.data(), g.data(), statistics, upstream.data(),
                                              in_gradient.data(), stream));
  EXPECT_TRUE(all_near(in_gradient.to_host(), dx, 3e-5));
  NAGARE_DISPATCH(device, layer_norm_backward(p, in.data(), g.data(), statistics, upstream.data(),
                                              upstream.data(), stream));
  EXPECT_EQ(upstream.to_host(), in_gradient.to_host());
}

struct Passes {
  Tensor y, dx, dgamma, dbeta;
};

template <class T>
Passes run_passes(Device device, const LayerNorm& p) {
  const Tensor x = test::normal_bf16_numbers<T>({p.rows, p.cols}, 1, device, /*offset=*/0.5);
  const Tensor dy = test::normal_bf16_numbers<T>({p.rows, p.cols}, 2, device);
  const Tensor gamma = test::normal_bf16_numbers<float>({p.cols}, 3, device);
  const Tensor beta = test::normal_bf16_numbers<float>({p.cols}, 4, device);
  const Tensor rows = Tensor::empty({2, p.rows}, {.device = device});
  const kernels::RowStatistics statistics{rows.data<float>(), rows.data<float>() + p.rows};
  const Passes out{empty_like(x), empty_like(x), empty_like(gamma), empty_like(gamma)};
  const Stream stream = compute_stream(device);
  NAGARE_DISPATCH(device, layer_norm(p, x.data<T>(), gamma.data<float>(), beta.data<float>(), out.y.data<T>(),
                                     statistics, stream));
  NAGARE_DISPATCH(device, layer_norm_backward(p, x.data<T>(), gamma.data<float>(), statistics, dy.data<T>(),
                                              out.dx.data<T>(), stream));
  NAGARE_DISPATCH(
      device, layer_norm_parameter_gradients(p, x.data<T>(), statistics, dy.data<T>(),
                                             {out.dgamma.data<float>(), out.dbeta.data<float>()}, stream));
  return out;
}

TEST_P(LayerNormTest, InBf16) {
  const Passes narrow = run_passes<bf16>(device, p);
  const Passes wide = run_passes<float>(device, p);
  EXPECT_TRUE(test::rounds_to(narrow.y, wide.y, 1e-6));
  EXPECT_TRUE(test::rounds_to(narrow.dx, wide.dx, 1e-6));
  EXPECT_TRUE(test::near_values(test::to_values(narrow.dgamma), test::to_values(wide.dgamma), 1e-5));
  EXPECT_TRUE(test::near_values(test::to_values(narrow.dbeta), test::to_values(wide.dbeta), 1e-5));
}

INSTANTIATE_TEST_SUITE_P(Sizes, LayerNormTest,
                         testing::Combine(testing::ValuesIn(test::devices()), testing::Values(0, 1, 2, 1031),
                                          testing::Values(5, 31, 32, 33, 257)));

TEST(LayerNormCheck, NonsenseIsRefusedByName) {
  EXPECT_THAT([] { (LayerNorm{.rows = 2, .cols = 0}).check(); },
              testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr("layer_norm: shape (2, 0)")));
  EXPECT_THAT([] { (LayerNorm{.rows = 2, .cols = 3, .epsilon = NAN}).check(); },
              testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr("epsilon nan")));
}

}  // namespace
}  // namespace nagare
