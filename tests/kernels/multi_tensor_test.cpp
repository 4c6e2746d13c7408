#include "kernels/multi_tensor.h"

#include <gmock/gmock.h>

#include "kernels/dispatch.h"
#include "tests/support/devices.h"
#include "tests/support/matrix.h"

namespace nagare::kernels {
namespace {

using test::Buffer;
using test::Matrix;

// Lengths around the block, in one list; an empty tensor is a segment too.
const std::vector<std::int64_t> kLengths = {
    1, 2, 31, kMultiTensorBlock - 1, kMultiTensorBlock + 1, 0, 3 * kMultiTensorBlock + 7};

struct MultiTensorTest : testing::TestWithParam<Device> {
  Device device = GetParam();

  std::vector<Matrix> values(std::uint32_t seed, std::size_t copies = 1) const {
    std::vector<Matrix> list;
    for (std::size_t c = 0; c < copies; ++c) {
      for (const std::int64_t n : kLengths)
        list.push_back(test::normal(1, n, seed + static_cast<std::uint32_t>(list.size())));
    }
    return list;
  }
  std::vector<Buffer> buffers(const std::vector<Matrix>& from) const {
    std::vector<Buffer> list;
    for (const Matrix& m : from) list.emplace_back(device, m);
    return list;
  }
  Tensor scratch(std::int64_t n) const { return Tensor::empty({n}, {.device = device}); }
};

double square_sum(const Matrix& m) { return test::dot(m, m); }

std::vector<SumSegment> sum_segments(const std::vector<Buffer>& p, const std::vector<Buffer>& g,
                                     const std::vector<Buffer>& m, float weight_decay) {
  std::vector<SumSegment> segments;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const auto n = kLengths[i % kLengths.size()];
    segments.push_back({p[i].data(), g[i].data(), m[i].data(), n, weight_decay});
  }
  return segments;
}

TEST_P(MultiTensorTest, SumsMatchTheDefinitionForMoreSegmentsThanOneLaunchTakes) {
  const auto p = values(1, 20), g = values(500, 20), m = values(900, 20);  // 140 segments
  const auto pb = buffers(p), gb = buffers(g), mb = buffers(m);
  const auto segments = sum_segments(pb, gb, mb, 0.25F);
  const Tensor partials = scratch(3 * count_blocks(std::span<const SumSegment>(segments)));
  const Tensor sums = scratch(3 * static_cast<std::int64_t>(segments.size()));
  const SumWeights weights{.direction = 0.5F, .momentum = 2.0F};
  NAGARE_DISPATCH(device, multi_tensor_sums(weights, segments, partials.data<float>(), sums.data<float>(),
                                            sums.stream()));
  const std::vector<float> got = sums.to_vector<float>();
  for (std::size_t i = 0; i < p.size(); ++i) {
    double third = 0.0;
    for (std::size_t k = 0; k < p[i].values().size(); ++k) {
      const double u = 0.5 * (g[i].values()[k] + 0.25 * p[i].values()[k]) + 2.0 * m[i].values()[k];
      third += u * u;
    }
    EXPECT_NEAR(got[3 * i], square_sum(p[i]), 1e-6 * (square_sum(p[i]) + 1e-30)) << "segment " << i;
    EXPECT_NEAR(got[3 * i + 1], square_sum(g[i]), 1e-6 * (square_sum(g[i]) + 1e-30)) << "segment " << i;
    EXPECT_NEAR(got[3 * i + 2], third, 1e-6 * (third + 1e-30)) << "segment " << i;
  }
}

TEST_P(MultiTensorTest, SgdWithTrustMatchesTheDefinition) {
  const auto p = values(1), g = values(50), m = values(90);
  const auto pb = buffers(p), gb = buffers(g), mb = buffers(m);
  const auto sums_of = sum_segments(pb, gb, mb, 0.1F);
  const Tensor partials = scratch(3 * count_blocks(std::span<const SumSegment>(sums_of)));
  const Tensor sums = scratch(3 * static_cast<std::int64_t>(sums_of.size()));
  NAGARE_DISPATCH(device,
                  multi_tensor_sums({}, sums_of, partials.data<float>(), sums.data<float>(), sums.stream()));
  std::vector<SgdSegment> segments;
  for (std::size_t i = 0; i < p.size(); ++i) {
    segments.push_back({.parameter = pb[i].data(),
                        .gradient = gb[i].data(),
                        .momentum = mb[i].data(),
                        .n = kLengths[i],
                        .weight_decay = 0.1F,
                        .take = 0.75F,
                        .trusted = i % 2 == 0});
  }
  const SgdStep step{.rate = 0.5F,
                     .momentum = 0.875F,
                     .from_gradient = 1.0F,
                     .from_momentum = 0.875F,
                     .trust = {.kind = Trust::joint_norm, .eta = 0.25F},
                     .sums = sums.data<float>()};
  NAGARE_DISPATCH(device, multi_tensor_sgd(step, segments, sums.stream()));
  for (std::size_t i = 0; i < p.size(); ++i) {
    Matrix want_p = p[i], want_m = m[i], d = g[i];
    for (std::size_t k = 0; k < d.values().size(); ++k) d.values()[k] += 0.1 * p[i].values()[k];
    const double ratio = i % 2 == 0 ? 0.25 * std::sqrt(square_sum(p[i]) / square_sum(d)) : 1.0;
    for (std::size_t k = 0; k < d.values().size(); ++k) {
      const double scaled = ratio * d.values()[k];
      want_m.values()[k] = 0.875 * m[i].values()[k] + 0.75 * scaled;
      want_p.values()[k] -= 0.5 * (scaled + 0.875 * want_m.values()[k]);
    }
    EXPECT_TRUE(test::all_near(pb[i].to_host(), want_p, 4e-6)) << "segment " << i;
    EXPECT_TRUE(test::all_near(mb[i].to_host(), want_m, 4e-6)) << "segment " << i;
  }
}

TEST_P(MultiTensorTest, AdamMatchesTheDefinition) {
  for (const bool decoupled : {false, true}) {
    const auto p = values(1), g = values(50), m = values(90);
    auto v = values(130);
    for (Matrix& one : v) {
      for (double& x : one.values()) x = std::abs(x);
    }
    const auto pb = buffers(p), gb = buffers(g), mb = buffers(m), vb = buffers(v);
    std::vector<AdamSegment> segments;
    for (std::size_t i = 0; i < p.size(); ++i) {
      segments.push_back(
          {pb[i].data(), gb[i].data(), mb[i].data(), vb[i].data(), kLengths[i], 0.25F, 0.5F, 0.75F});
    }
    const AdamStep step{.rate = 0.125F,
                        .beta1 = 0.75F,
                        .take1 = 0.25F,
                        .beta2 = 0.875F,
                        .take2 = 0.125F,
                        .epsilon = 1e-3F,
                        .decoupled = decoupled};
    NAGARE_DISPATCH(device, multi_tensor_adam(step, segments, scratch(1).stream()));
    for (std::size_t i = 0; i < p.size(); ++i) {
      Matrix want = p[i];
      for (std::size_t k = 0; k < want.values().size(); ++k) {
        double& x = want.values()[k];
        const double gradient = g[i].values()[k] + (decoupled ? 0.0 : 0.25 * x);
        const double first = 0.75 * m[i].values()[k] + 0.25 * gradient;
        const double second = 0.875 * v[i].values()[k] + 0.125 * gradient * gradient;
        if (decoupled) x *= 1.0 - 0.125 * 0.25;
        x -= 0.125 * (first / 0.5) / (std::sqrt(second / 0.75) + 1e-3);
      }
      EXPECT_TRUE(test::all_near(pb[i].to_host(), want, 4e-6)) << "segment " << i;
    }
  }
}

TEST_P(MultiTensorTest, EmaMovesTheTargetOnly) {
  const auto target = values(1), source = values(50);
  const auto tb = buffers(target), sb = buffers(source);
  std::vector<PairSegment> segments;
  for (std::size_t i = 0; i < target.size(); ++i)
    segments.push_back({tb[i].data(), sb[i].data(), kLengths[i]});
  const EmaStep step{.keep = 0.75F, .take = 0.25F};
  NAGARE_DISPATCH(device, multi_tensor_ema(step, segments, scratch(1).stream()));
  for (std::size_t i = 0; i < target.size(); ++i) {
    Matrix want = target[i];
    for (std::size_t k = 0; k < want.values().size(); ++k) {
      want.values()[k] = 0.75 * want.values()[k] + 0.25 * source[i].values()[k];
    }
    EXPECT_TRUE(test::all_near(tb[i].to_host(), want, 1e-6));
    EXPECT_EQ(sb[i].to_host(), source[i]);
  }
}

// A view may begin anywhere: wide accesses must not be taken for granted, nor change the order of the sums.
TEST_P(MultiTensorTest, AlignmentChangesNoBits) {
  const std::int64_t n = kMultiTensorBlock + 131;
  const Matrix p = test::normal(1, n + 1, 1), g = test::normal(1, n + 1, 2), m = test::normal(1, n + 1, 3);
  struct Result {
    std::vector<float> sums, parameter, momentum, target;
  };
  const auto run = [&](std::int64_t shift) {
    const auto moved = [&](const Matrix& from) {
      Matrix to(1, n + 4);
      for (std::int64_t i = 0; i < n; ++i) to(0, i + shift) = from(0, i);
      return Buffer(device, to);
    };
    const Buffer pb = moved(p), gb = moved(g), mb = moved(m), tb = moved(m);
    float* parameter = pb.data() + shift;
    float* momentum = mb.data() + shift;
    const std::vector<SumSegment> sum_of = {{parameter, gb.data() + shift, momentum, n, 0.5F},
                                            {nullptr, gb.data() + shift, nullptr, n},
                                            {parameter, gb.data() + shift, nullptr, n, 0.5F}};
    const Tensor partials = scratch(3 * count_blocks(std::span<const SumSegment>(sum_of)));
    const Tensor sums = scratch(9);
    const SumWeights weights{.direction = 0.5F, .momentum = 2.0F};
    NAGARE_DISPATCH(device, multi_tensor_sums(weights, sum_of, partials.data<float>(), sums.data<float>(),
                                              sums.stream()));
    const std::vector<SgdSegment> step_of = {
        {.parameter = parameter, .gradient = gb.data() + shift, .momentum = momentum, .n = n}};
    NAGARE_DISPATCH(device, multi_tensor_sgd({.rate = 0.5F, .momentum = 0.75F}, step_of, sums.stream()));
    const std::vector<PairSegment> pair = {{tb.data() + shift, parameter, n}};
    NAGARE_DISPATCH(device, multi_tensor_ema({.keep = 0.75F, .take = 0.25F}, pair, sums.stream()));
    const auto part = [&](const Buffer& from) {
      const Matrix all = from.to_host();
      return std::vector<float>(all.values().begin() + shift, all.values().begin() + shift + n);
    };
    return Result{sums.to_vector<float>(), part(pb), part(mb), part(tb)};
  };
  const Result at_zero = run(0);
  for (const std::int64_t shift : {1, 2, 3}) {
    const Result there = run(shift);
    EXPECT_EQ(there.sums, at_zero.sums) << shift;
    EXPECT_EQ(there.parameter, at_zero.parameter) << shift;
    EXPECT_EQ(there.momentum, at_zero.momentum) << shift;
    EXPECT_EQ(there.target, at_zero.target) << shift;
  }
  EXPECT_EQ(at_zero.sums[3], 0.0F);  // no parameter: |g|^2 alone
  EXPECT_EQ(at_zero.sums[5], 0.0F);
  EXPECT_NEAR(at_zero.sums[4], square_sum(g) - g(0, n) * g(0, n), 1e-6 * square_sum(g));
}

TEST_P(MultiTensorTest, SgdWithoutMomentumIsGradientDescent) {
  const Matrix p = test::normal(1, 1001, 1), g = test::normal(1, 1001, 2);
  const Buffer pb(device, p), gb(device, g);
  const std::vector<SgdSegment> segments = {
      {.parameter = pb.data(), .gradient = gb.data(), .momentum = nullptr, .n = 1001, .weight_decay = 0.25F}};
  NAGARE_DISPATCH(device, multi_tensor_sgd({.rate = 0.5F}, segments, scratch(1).stream()));
  Matrix want = p;
  for (std::int64_t i = 0; i < 1001; ++i) want(0, i) -= 0.5 * (g(0, i) + 0.25 * p(0, i));
  EXPECT_TRUE(test::all_near(pb.to_host(), want, 1e-6));
  EXPECT_EQ(gb.to_host(), g);
}

TEST_P(MultiTensorTest, ClippingByNormScalesOnlyWhatIsTooLong) {
  const Matrix g = test::normal(1, kMultiTensorBlock + 5, 4);
  const double norm = std::sqrt(square_sum(g));
  for (const double limit : {0.5 * norm, 2.0 * norm}) {
    const Buffer gb(device, g);
    const Tensor partials = scratch(6), sums = scratch(3), total = scratch(1);
    const std::vector<SumSegment> sum_of = {{nullptr, gb.data(), nullptr, g.numel()}};
    NAGARE_DISPATCH(device,
                    multi_tensor_sums({}, sum_of, partials.data<float>(), sums.data<float>(), sums.stream()));
    const std::vector<GradientSegment> segments = {{gb.data(), g.numel()}};
    NAGARE_DISPATCH(device, multi_tensor_clip_norm(static_cast<float>(limit), sums.data<float>(), segments,
                                                   total.data<float>(), sums.stream()));
    Matrix want = g;
    for (double& x : want.values()) x *= std::min(1.0, limit / norm);
    EXPECT_TRUE(test::all_near(gb.to_host(), want, 2e-6)) << limit;
    EXPECT_NEAR(total.to_vector<float>()[0], norm, 1e-6 * norm);
  }
}

TEST_P(MultiTensorTest, ClippingByValueKeepsNaN) {
  const Buffer g(device, Matrix{{3, -3, 0.5, NAN, INFINITY}});
  NAGARE_DISPATCH(device, multi_tensor_clip_value(1.0F, std::vector<GradientSegment>{{g.data(), 5}},
                                                  scratch(1).stream()));
  const Matrix got = g.to_host();
  EXPECT_TRUE(std::isnan(got(0, 3)));
  EXPECT_EQ(got(0, 0), 1);
  EXPECT_EQ(got(0, 1), -1);
  EXPECT_EQ(got(0, 2), 0.5);
  EXPECT_EQ(got(0, 4), 1);
}

INSTANTIATE_TEST_SUITE_P(Devices, MultiTensorTest, testing::ValuesIn(test::devices()));

TEST(TrustStepTest, ZeroNormsAndClipping) {
  const float zero[3] = {0.0F, 4.0F, 4.0F};
  const TrustStep alone = trust_step({.kind = Trust::separate_norms, .eta = 0.1F}, zero, 0.5F);
  EXPECT_EQ(alone.gradient, 1.0F);
  EXPECT_EQ(alone.parameter, 0.0F);
  const TrustStep joint = trust_step({.kind = Trust::joint_norm, .eta = 0.1F}, zero, 0.5F);
  EXPECT_EQ(joint.gradient, 1.0F);
  EXPECT_EQ(joint.parameter, 0.5F);
  const float sums[3] = {4.0F, 1.0F, 9.0F};  // |p| = 2, |g| = 1, |d| = 3
  EXPECT_FLOAT_EQ(trust_step({.eta = 0.1F}, sums, 0.5F).gradient, 0.1F);
  EXPECT_FLOAT_EQ(trust_step({.eta = 0.1F, .clip_rate = 0.5F}, sums, 0.5F).gradient, 0.2F);
  EXPECT_FLOAT_EQ(trust_step({.eta = 0.1F, .clip_rate = 0.01F}, sums, 0.5F).gradient, 1.0F);
  EXPECT_FLOAT_EQ(trust_step({.kind = Trust::joint_norm, .eta = 0.3F}, sums, 0.5F).gradient, 0.2F);
}

}  // namespace
}  // namespace nagare::kernels
