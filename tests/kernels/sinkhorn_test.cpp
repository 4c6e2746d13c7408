#include "kernels/sinkhorn.h"

#include <gmock/gmock.h>

#include <limits>

#include "kernels/dispatch.h"
#include "kernels/parallel.h"
#include "tests/support/devices.h"
#include "tests/support/matrix.h"

namespace nagare {
namespace {

using kernels::Sinkhorn;
using kernels::SinkhornDomain;
using test::Buffer;
using test::Matrix;

Matrix assign(Device device, const Sinkhorn& p, const Matrix& scores, const Matrix& queue,
              bool half = false) {
  const Buffer q(device, Matrix(p.rows, p.cols));
  const Buffer workspace(device, Matrix(1, p.workspace_floats()));
  const Stream stream = compute_stream(device);
  if (half) {
    const Tensor s = test::to_bf16(device, scores);
    const Tensor more = test::to_bf16(device, queue);
    NAGARE_DISPATCH(device,
                    sinkhorn(p, s.data<bf16>(), more.data<bf16>(), q.data(), workspace.data(), stream));
  } else {
    const Buffer s(device, scores);
    const Buffer more(device, queue);
    NAGARE_DISPATCH(device, sinkhorn(p, s.data(), more.data(), q.data(), workspace.data(), stream));
  }
  return q.to_host();
}

// The published loop, which rescales the matrix itself: one maximum for all, K x B in its own order. The exponent of a
// long double reaches e^-11355, so it also serves the log domain.
Matrix definition(const Sinkhorn& p, const Matrix& scores, const Matrix& queue) {
  const std::int64_t samples = p.rows + p.queue_rows;
  std::vector<long double> matrix(static_cast<std::size_t>(p.cols * samples));
  const auto q = [&](std::int64_t k, std::int64_t b) -> long double& {
    return matrix[static_cast<std::size_t>(k * samples + b)];
  };
  const auto score = [&](std::int64_t k, std::int64_t b) {
    return b < p.rows ? scores(b, k) : queue(b - p.rows, k);
  };
  double largest = -INFINITY;
  const auto everywhere = [&](auto&& body) {
    for (std::int64_t k = 0; k < p.cols; ++k) {
      for (std::int64_t b = 0; b < samples; ++b) body(k, b);
    }
  };
  everywhere([&](auto k, auto b) { largest = std::max(largest, score(k, b)); });
  long double all = 0.0;
  everywhere([&](auto k, auto b) {
    q(k, b) = std::exp((static_cast<long double>(score(k, b)) - largest) / p.epsilon);
    all += q(k, b);
  });
  for (long double& v : matrix) v /= all;
  for (std::int64_t t = 0; t < p.iterations; ++t) {
    std::vector<long double> prototype(static_cast<std::size_t>(p.cols));
    everywhere([&](auto k, auto b) { prototype[static_cast<std::size_t>(k)] += q(k, b); });
    everywhere([&](auto k, auto b) { q(k, b) /= prototype[static_cast<std::size_t>(k)] * p.cols; });
    std::vector<long double> sample(static_cast<std::size_t>(samples));
    everywhere([&](auto k, auto b) { sample[static_cast<std::size_t>(b)] += q(k, b); });
    everywhere([&](auto k, auto b) { q(k, b) /= sample[static_cast<std::size_t>(b)] * samples; });
  }
  Matrix rows(p.rows, p.cols);
  for (std::int64_t b = 0; b < p.rows; ++b) {
    for (std::int64_t k = 0; k < p.cols; ++k) rows(b, k) = static_cast<double>(q(k, b) * samples);
  }
  return rows;
}

// Cosine-like scores: within [-0.4, 0.4] mostly.
Matrix cosines(std::int64_t rows, std::int64_t cols, std::uint32_t seed) {
  Matrix m = test::normal(rows, cols, seed);
  for (double& v : m.values()) v = static_cast<float>(0.15 * v);
  return m;
}

using Case = std::tuple<Device, SinkhornDomain, std::int64_t, std::int64_t, std::int64_t>;
struct SinkhornTest : testing::TestWithParam<Case> {
  Device device = std::get<0>(GetParam());
  Sinkhorn p{.rows = std::get<2>(GetParam()),
             .cols = std::get<3>(GetParam()),
             .queue_rows = std::get<4>(GetParam()),
             .domain = std::get<1>(GetParam())};
  Matrix scores = cosines(p.rows, p.cols, 1);
  Matrix queue = cosines(p.queue_rows, p.cols, 2);
};

TEST_P(SinkhornTest, MatchesThePublishedLoop) {
  const Matrix q = assign(device, p, scores, queue);
  EXPECT_TRUE(all_near(q, definition(p, scores, queue), 4e-6));
  for (std::int64_t b = 0; b < p.rows; ++b) {
    double sum = 0.0;
    for (std::int64_t k = 0; k < p.cols; ++k) sum += q(b, k);
    EXPECT_NEAR(sum, 1.0, 1e-5) << "row " << b;
  }
}

TEST_P(SinkhornTest, HalfPrecisionScoresAreReadAsTheyAre) {
  const Matrix s = test::rounded_to_bf16(scores);
  const Matrix more = test::rounded_to_bf16(queue);
  EXPECT_TRUE(all_near(assign(device, p, s, more, true), definition(p, s, more), 4e-6));
}

TEST_P(SinkhornTest, SameBitsWithAnyNumberOfThreads) {
  const Matrix once = assign(device, p, scores, queue);
  const int before = threads();
  set_threads(3);
  const Matrix again = assign(device, p, scores, queue);
  set_threads(before);
  EXPECT_EQ(once, again);
}

INSTANTIATE_TEST_SUITE_P(Sizes, SinkhornTest,
                         testing::Combine(testing::ValuesIn(test::devices()),
                                          testing::Values(SinkhornDomain::linear, SinkhornDomain::log),
                                          testing::Values(1, 2, 17, 67), testing::Values(1, 2, 31, 129),
                                          testing::Values(0, 5)));

struct SinkhornEdges : testing::TestWithParam<Device> {
  Device device = GetParam();
};

TEST_P(SinkhornEdges, IterationsAndTemperatureAreThoseAskedFor) {
  const Matrix scores = cosines(13, 7, 3);
  for (const auto domain : {SinkhornDomain::linear, SinkhornDomain::log}) {
    for (const std::int64_t iterations : {1, 2, 60}) {
      const Sinkhorn p{.rows = 13, .cols = 7, .epsilon = 0.1F, .iterations = iterations, .domain = domain};
      EXPECT_TRUE(
          all_near(assign(device, p, scores, Matrix(0, 7)), definition(p, scores, Matrix(0, 7)), 4e-6))
          << iterations;
    }
  }
}

TEST_P(SinkhornEdges, ManyShares) {
  const Matrix scores = cosines(150, 1031, 9);
  const Matrix queue = cosines(40, 1031, 10);
  for (const auto domain : {SinkhornDomain::linear, SinkhornDomain::log}) {
    const Sinkhorn p{.rows = 150, .cols = 1031, .queue_rows = 40, .domain = domain};
    const Matrix once = assign(device, p, scores, queue);
    EXPECT_TRUE(all_near(once, definition(p, scores, queue), 4e-6));
    const int before = threads();
    set_threads(3);
    EXPECT_EQ(once, assign(device, p, scores, queue));
    set_threads(before);
  }
}

TEST_P(SinkhornEdges, MoreRowsThanSharesAndMoreColumnsThanABlock) {
  const Sinkhorn tall{.rows = 2100, .cols = 3, .queue_rows = 11, .iterations = 16};
  const Matrix scores = cosines(2100, 3, 4);
  const Matrix queue = cosines(11, 3, 5);
  // 700 samples for a prototype: a factor that is lost in every iteration would overflow.
  EXPECT_TRUE(all_near(assign(device, tall, scores, queue), definition(tall, scores, queue), 1e-5));
  const Sinkhorn wide{.rows = 3, .cols = 4099};
  const Matrix row = cosines(3, 4099, 6);
  EXPECT_TRUE(
      all_near(assign(device, wide, row, Matrix(0, 4099)), definition(wide, row, Matrix(0, 4099)), 4e-6));
}

// exp(s / epsilon) spans e^800: one sample far below the others, one prototype that nobody is near to.
TEST_P(SinkhornEdges, LogDomainBearsAnySpread) {
  Matrix scores = cosines(6, 8, 7);
  for (std::int64_t k = 0; k < 8; ++k) scores(2, k) -= 40.0;
  for (std::int64_t b = 0; b < 6; ++b) scores(b, 5) -= 6.0;
  for (double& v : scores.values()) v = static_cast<float>(v);
  const Sinkhorn p{.rows = 6, .cols = 8, .domain = SinkhornDomain::log};
  EXPECT_TRUE(all_near(assign(device, p, scores, Matrix(0, 8)), definition(p, scores, Matrix(0, 8)), 4e-6));
}

TEST_P(SinkhornEdges, LinearDomainStaysFiniteWhereAPrototypeIsOutOfReach) {
  Matrix scores = cosines(6, 8, 7);
  for (std::int64_t b = 0; b < 6; ++b) scores(b, 5) -= 40.0;
  const Matrix q = assign(device, {.rows = 6, .cols = 8}, scores, Matrix(0, 8));
  for (const double v : q.values()) EXPECT_TRUE(std::isfinite(v));
}

TEST_P(SinkhornEdges, ABadScoreIsNotHidden) {
  for (const double bad : {static_cast<double>(NAN), static_cast<double>(INFINITY)}) {
    for (const auto domain : {SinkhornDomain::linear, SinkhornDomain::log}) {
      Matrix scores = cosines(5, 6, 8);
      scores(3, 2) = bad;
      const Matrix q = assign(device, {.rows = 5, .cols = 6, .domain = domain}, scores, Matrix(0, 6));
      for (std::int64_t k = 0; k < 6; ++k) EXPECT_TRUE(std::isnan(q(3, k))) << bad << " column " << k;
    }
  }
}

TEST_P(SinkhornEdges, EmptyIsValidAndNonsenseIsRefusedByName) {
  EXPECT_NO_THROW(assign(device, {.rows = 0, .cols = 7, .queue_rows = 2}, Matrix(0, 7), Matrix(2, 7)));
  const auto refused = [&](const Sinkhorn& p, const char* text) {
    EXPECT_THAT([&] { p.check(); }, testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr(text)));
  };
  refused({.rows = 4, .cols = 3, .epsilon = NAN}, "sinkhorn: scores (4 + 0 of the queue, 3), epsilon nan");
  refused({.rows = 4, .cols = 3, .epsilon = 0.0F}, "epsilon 0.0");
  refused({.rows = 4, .cols = 0}, "(4 + 0 of the queue, 0)");
  refused({.rows = 4, .cols = 3, .queue_rows = -1}, "(4 + -1 of the queue, 3)");
  refused({.rows = 4, .cols = 3, .iterations = 0}, "0 iterations: need");
}

INSTANTIATE_TEST_SUITE_P(Devices, SinkhornEdges, testing::ValuesIn(test::devices()));

}  // namespace
}  // namespace nagare
