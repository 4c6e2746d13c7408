#include "kernels/batch_norm.h"

#include <gmock/gmock.h>

#include "kernels/dispatch.h"
#include "kernels/parallel.h"
#include "tests/support/bf16_twin.h"
#include "tests/support/devices.h"
#include "tests/support/matrix.h"

namespace nagare {
namespace {

using kernels::BatchNorm;
using test::Buffer;
using test::Matrix;

struct Inputs {
  Matrix x, residual, gamma, beta, running_mean, running_var;
};

struct Outputs {
  Matrix y, mean, inv_std, running_mean, running_var;
};

struct Gradients {
  Matrix dx, dresidual, dgamma, dbeta;
};

Matrix row_of(std::int64_t channels, double value) {
  Matrix m(1, channels);
  for (double& v : m.values()) v = value;
  return m;
}

Inputs make_inputs(const BatchNorm& p, double mean = 0.5) {
  Inputs in{test::normal(p.rows, p.channels, 1), test::normal(p.rows, p.channels, 2),
            test::normal(1, p.channels, 3),      test::normal(1, p.channels, 4),
            test::normal(1, p.channels, 5),      row_of(p.channels, 1.5)};
  for (double& v : in.x.values()) v = static_cast<float>(v + mean);
  return in;
}

Outputs forward(Device device, const BatchNorm& p, const Inputs& in, bool with_residual) {
  const Buffer x(device, in.x), residual(device, in.residual), gamma(device, in.gamma), beta(device, in.beta);
  const Buffer running_mean(device, in.running_mean), running_var(device, in.running_var);
  const Buffer y(device, in.x), mean(device, in.gamma), inv_std(device, in.gamma);
  const Buffer workspace(device, Matrix(1, p.workspace_floats()));
  const Stream stream = compute_stream(device);
  NAGARE_DISPATCH(
      device,
      batch_norm_statistics(p, x.data(), workspace.data(),
                            {mean.data(), inv_std.data(), running_mean.data(), running_var.data()}, stream));
  NAGARE_DISPATCH(
      device, batch_norm_apply(p, x.data(), with_residual ? residual.data() : nullptr,
                               {mean.data(), inv_std.data(), gamma.data(), beta.data()}, y.data(), stream));
  return {y.to_host(), mean.to_host(), inv_std.to_host(), running_mean.to_host(), running_var.to_host()};
}

Gradients backward(Device device, const BatchNorm& p, const Inputs& in, const Outputs& out,
                   const Matrix& upstream, bool with_residual) {
  const Buffer x(device, in.x), y(device, out.y), dy(device, upstream), gamma(device, in.gamma),
      beta(device, in.beta);
  const Buffer mean(device, out.mean), inv_std(device, out.inv_std),
      workspace(device, Matrix(1, p.workspace_floats()));
  const Buffer dx(device, in.x), dresidual(device, in.x), dgamma(device, in.gamma), dbeta(device, in.gamma);
  const kernels::BatchNormInputs<float> inputs{x.data(), y.data(), dy.data()};
  const kernels::BatchNormGradients<float> gradients{
      dx.data(), with_residual && p.relu ? dresidual.data() : nullptr, dgamma.data(), dbeta.data()};
  NAGARE_DISPATCH(device,
                  batch_norm_backward(p, inputs, {mean.data(), inv_std.data(), gamma.data(), beta.data()},
                                      workspace.data(), gradients, compute_stream(device)));
  return {dx.to_host(), dresidual.to_host(), dgamma.to_host(), dbeta.to_host()};
}

// The definition in double, two passes.
Outputs definition(const BatchNorm& p, const Inputs& in, bool with_residual) {
  Outputs out{in.x, in.gamma, in.gamma, in.running_mean, in.running_var};
  const auto n = static_cast<double>(p.rows);
  for (std::int64_t c = 0; c < p.channels; ++c) {
    double mean = in.running_mean(0, c);
    double var = in.running_var(0, c);
    if (p.training) {
      mean = var = 0.0;
      for (std::int64_t r = 0; r < p.rows; ++r) mean += in.x(r, c) / n;
      for (std::int64_t r = 0; r < p.rows; ++r) var += (in.x(r, c) - mean) * (in.x(r, c) - mean) / n;
      const auto momentum = static_cast<double>(p.momentum);
      out.running_mean(0, c) = (1 - momentum) * in.running_mean(0, c) + momentum * mean;
      out.running_var(0, c) = (1 - momentum) * in.running_var(0, c) + momentum * var * n / (n - 1);
    }
    out.mean(0, c) = mean;
    out.inv_std(0, c) = 1.0 / std::sqrt(var + static_cast<double>(p.epsilon));
    for (std::int64_t r = 0; r < p.rows; ++r) {
      const double h = (in.x(r, c) - mean) * out.inv_std(0, c) * in.gamma(0, c) + in.beta(0, c) +
                       (with_residual ? in.residual(r, c) : 0.0);
      out.y(r, c) = p.relu ? std::max(h, 0.0) : h;
    }
  }
  return out;
}

using Case = std::tuple<Device, std::int64_t, std::int64_t, bool, bool, bool>;
struct BatchNormTest : testing::TestWithParam<Case> {
  Device device = std::get<0>(GetParam());
  BatchNorm p{.rows = std::get<1>(GetParam()),
              .channels = std::get<2>(GetParam()),
              .training = std::get<3>(GetParam()),
              .relu = std::get<4>(GetParam())};
  bool with_residual = std::get<5>(GetParam());
};

TEST_P(BatchNormTest, ForwardMatchesTheDefinition) {
  const Inputs in = make_inputs(p);
  const Outputs got = forward(device, p, in, with_residual);
  const Outputs want = definition(p, in, with_residual);
  EXPECT_TRUE(all_near(got.mean, want.mean, 2e-6));
  EXPECT_TRUE(all_near(got.running_mean, want.running_mean, 2e-6));
  EXPECT_TRUE(all_near(got.running_var, want.running_var, 2e-6));
  // Two rows may lie close together: then inv_std, and with it the error, is up to 1 / sqrt(epsilon).
  const double amplified = p.training && p.rows == 2 ? 2e-3 : 2e-5;
  EXPECT_TRUE(all_near(got.y, want.y, amplified));
}

TEST_P(BatchNormTest, GradientsMatchCentralDifferencesOfTheDefinition) {
  // Along one random direction per input: cheap, and no entry's gradient is left out.
  const Inputs in = make_inputs(p);
  const Matrix dy = test::normal(p.rows, p.channels, 6);
  const Gradients got = backward(device, p, in, forward(device, p, in, with_residual), dy, with_residual);
  const auto check = [&](Matrix Inputs::*field, const Matrix& gradient, const char* name) {
    const Matrix direction = test::normal((in.*field).rows(), (in.*field).cols(), 7);
    const auto loss = [&](double step) {
      Inputs moved = in;
      for (std::size_t i = 0; i < direction.values().size(); ++i) {
        (moved.*field).values()[i] += step * direction.values()[i];
      }
      return test::dot(dy, definition(p, moved, with_residual).y);
    };
    const double step = 1e-7;  // small: a ReLU that switches inside the step is not differentiable
    const double want = (loss(step) - loss(-step)) / (2 * step);
    const double scale = std::sqrt(static_cast<double>(p.rows * p.channels)) + std::abs(want);
    EXPECT_NEAR(test::dot(gradient, direction), want, 2e-4 * scale) << name;
  };
  check(&Inputs::x, got.dx, "x");
  check(&Inputs::gamma, got.dgamma, "gamma");
  check(&Inputs::beta, got.dbeta, "beta");
  if (with_residual && p.relu) check(&Inputs::residual, got.dresidual, "residual");
}

// Everything that the passes write, from numbers that bf16 holds, in element type T.
struct Passes {
  Tensor y, dx, dresidual;
  test::Values columns;  // all that is f32 (channels)
};

template <class T>
Passes run_passes(Device device, const BatchNorm& p, bool with_residual) {
  const Shape shape{p.rows, p.channels};
  const auto numbers = [&](std::uint32_t seed) { return test::normal_bf16_numbers<T>(shape, seed, device); };
  const Tensor x = test::normal_bf16_numbers<T>(shape, 1, device, /*offset=*/0.5);
  const Tensor residual = numbers(2);
  const Tensor dy = numbers(6);
  std::vector<Tensor> columns;  // gamma, beta, running mean and variance, mean, inv_std, dgamma, dbeta
  for (std::uint32_t i = 0; i < 8; ++i) {
    columns.push_back(i == 3 ? Tensor::full({p.channels}, 1.5, {.device = device})
                             : test::normal_bf16_numbers<float>({p.channels}, 10 + i, device));
  }
  const auto column = [&](std::size_t i) { return columns[i].data<float>(); };
  const Tensor workspace = Tensor::empty({p.workspace_floats()}, {.device = device});
  const Passes out{empty_like(x), empty_like(x), empty_like(x), {}};
  const Stream stream = compute_stream(device);
  NAGARE_DISPATCH(device, batch_norm_statistics(p, x.data<T>(), workspace.data<float>(),
                                                {column(4), column(5), column(2), column(3)}, stream));
  const kernels::BatchNormColumns normalised{column(4), column(5), column(0), column(1)};
  NAGARE_DISPATCH(device, batch_norm_apply(p, x.data<T>(), with_residual ? residual.data<T>() : nullptr,
                                           normalised, out.y.data<T>(), stream));
  const kernels::BatchNormInputs<T> inputs{x.data<T>(), out.y.data<T>(), dy.data<T>()};
  const kernels::BatchNormGradients<T> gradients{
      out.dx.data<T>(), with_residual && p.relu ? out.dresidual.data<T>() : nullptr, column(6), column(7)};
  NAGARE_DISPATCH(device,
                  batch_norm_backward(p, inputs, normalised, workspace.data<float>(), gradients, stream));
  Passes result = out;
  for (const Tensor& c : columns) {
    const test::Values values = test::to_values(c);
    result.columns.insert(result.columns.end(), values.begin(), values.end());
  }
  return result;
}

TEST_P(BatchNormTest, InBf16) {
  const Passes narrow = run_passes<bf16>(device, p, with_residual);
  const Passes wide = run_passes<float>(device, p, with_residual);
  EXPECT_TRUE(test::rounds_to(narrow.y, wide.y, 1e-6));
  EXPECT_TRUE(test::rounds_to(narrow.dx, wide.dx, 1e-5));
  if (with_residual && p.relu) {
    EXPECT_TRUE(test::rounds_to(narrow.dresidual, wide.dresidual, 0.0));
  }
  EXPECT_TRUE(test::near_values(narrow.columns, wide.columns, 1e-6));
}

INSTANTIATE_TEST_SUITE_P(
    Sizes, BatchNormTest,  // rows: smallest, prime, a block of 256 and its neighbours, several
    testing::Combine(testing::ValuesIn(test::devices()), testing::Values(2, 7, 255, 257, 1031),
                     testing::Values(1, 15, 17, 64, 83), testing::Bool(), testing::Bool(), testing::Bool()));

struct BatchNormEdges : testing::TestWithParam<Device> {};

TEST_P(BatchNormEdges, ALargeMeanDoesNoHarm) {
  const BatchNorm p{.rows = 3000, .channels = 20, .training = true};
  const Inputs in = make_inputs(p, /*mean=*/3000.0);
  const Outputs got = forward(GetParam(), p, in, false);
  const Outputs want = definition(p, in, false);
  EXPECT_TRUE(all_near(got.inv_std, want.inv_std, 1e-4));  // E[x^2] - E[x]^2 in f32 would be off by 1
  EXPECT_TRUE(all_near(got.y, want.y, 2e-3));              // the mean itself is rounded to 1e-4
}

TEST_P(BatchNormEdges, AConstantChannelGivesBeta) {
  const BatchNorm p{.rows = 300, .channels = 3, .training = true};
  Inputs in = make_inputs(p);
  for (double& v : in.x.values()) v = 0.75;
  const Outputs got = forward(GetParam(), p, in, false);
  for (std::int64_t c = 0; c < 3; ++c) EXPECT_EQ(got.y(299, c), in.beta(0, c));
}

TEST_P(BatchNormEdges, NaNHarmsItsOwnChannelOnly) {
  const BatchNorm p{.rows = 40, .channels = 18, .training = true, .relu = true};
  Inputs in = make_inputs(p);
  in.x(13, 17) = NAN;
  const Outputs got = forward(GetParam(), p, in, false);
  EXPECT_TRUE(std::isnan(got.y(0, 17)));
  for (std::int64_t c = 0; c < 17; ++c) EXPECT_FALSE(std::isnan(got.y(0, c))) << c;
}

TEST_P(BatchNormEdges, TheNumberOfThreadsChangesNoBit) {
  const BatchNorm p{.rows = 5000, .channels = 70, .training = true, .relu = true};
  const Inputs in = make_inputs(p);
  const Matrix dy = test::normal(p.rows, p.channels, 6);
  const int before = threads();
  set_threads(1);
  const Outputs one = forward(GetParam(), p, in, true);
  const Gradients one_back = backward(GetParam(), p, in, one, dy, true);
  set_threads(3);
  const Outputs three = forward(GetParam(), p, in, true);
  const Gradients three_back = backward(GetParam(), p, in, one, dy, true);
  set_threads(before);
  EXPECT_EQ(one.y, three.y);
  EXPECT_EQ(one.running_var, three.running_var);
  EXPECT_EQ(one_back.dx, three_back.dx);
  EXPECT_EQ(one_back.dgamma, three_back.dgamma);
}

TEST_P(BatchNormEdges, NonsenseIsRefusedByName) {
  EXPECT_THAT(
      [] { BatchNorm({.rows = 1, .channels = 5, .training = true}).check(); },
      testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr("(1, 5): need at least 2 values")));
  EXPECT_THAT([] { BatchNorm({.rows = 4, .channels = 0}).check(); },
              testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr("(4, 0)")));
  EXPECT_THROW(BatchNorm({.rows = 4, .channels = 5, .epsilon = NAN}).check(), std::invalid_argument);
  EXPECT_THROW(BatchNorm({.rows = 4, .channels = 5, .momentum = NAN}).check(), std::invalid_argument);
}

INSTANTIATE_TEST_SUITE_P(Devices, BatchNormEdges, testing::ValuesIn(test::devices()));

}  // namespace
}  // namespace nagare
