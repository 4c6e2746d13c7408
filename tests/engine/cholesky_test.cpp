#include "engine/vendor/cholesky.h"

#include <gmock/gmock.h>

#include <cmath>

#include "engine/vendor/dispatch.h"
#include "tests/support/devices.h"
#include "tests/support/matrix.h"

namespace nagare {
namespace {

using test::Buffer;
using test::Matrix;
using vendor::CholeskyLogDet;

// Gram matrices of `rank` normal vectors: symmetric and positive semi-definite, one under the other.
Matrix grams(std::int64_t batch, std::int64_t n, std::int64_t rank) {
  const Matrix z = test::normal(batch * n, rank, /*seed=*/3);
  Matrix m(batch * n, n);
  for (std::int64_t i = 0; i < batch; ++i) {
    for (std::int64_t r = 0; r < n; ++r) {
      for (std::int64_t c = 0; c < n; ++c) {
        double sum = 0.0;
        for (std::int64_t k = 0; k < rank; ++k) sum += z(i * n + r, k) * z(i * n + c, k);
        m(i * n + r, c) = static_cast<float>(sum / static_cast<double>(rank));
      }
    }
  }
  return m;
}

// log det(m) / 2 and m^-1 of m = I + alpha * gram by Gauss-Jordan elimination in double.
struct Reference {
  double half_log_det = 0.0;
  Matrix inverse;
};

Reference reference(const Matrix& all, std::int64_t i, std::int64_t n, double alpha) {
  Matrix m(n, 2 * n);
  for (std::int64_t r = 0; r < n; ++r) {
    for (std::int64_t c = 0; c < n; ++c) m(r, c) = alpha * all(i * n + r, c) + (r == c ? 1.0 : 0.0);
    m(r, n + r) = 1.0;
  }
  Reference result{0.0, Matrix(n, n)};
  for (std::int64_t k = 0; k < n; ++k) {  // positive definite: no pivoting is needed
    const double pivot = m(k, k);
    result.half_log_det += 0.5 * std::log(pivot);
    for (double& v : m.row(k)) v /= pivot;
    for (std::int64_t r = 0; r < n; ++r) {
      const double times = r == k ? 0.0 : m(r, k);
      for (std::int64_t c = 0; c < 2 * n; ++c) m(r, c) -= times * m(k, c);
    }
  }
  for (std::int64_t r = 0; r < n; ++r) {
    for (std::int64_t c = 0; c < n; ++c) result.inverse(r, c) = m(r, n + c);
  }
  return result;
}

using Case = std::tuple<Device, std::int64_t, std::int64_t>;
struct CholeskyTest : testing::TestWithParam<Case> {
  Device device = std::get<0>(GetParam());
  CholeskyLogDet p{.batch = std::get<1>(GetParam()), .order = std::get<2>(GetParam()), .alpha = 2.5F};
  Matrix gram = grams(p.batch, p.order, std::max<std::int64_t>(1, p.order / 2));
};

TEST_P(CholeskyTest, LogDeterminantAndInverseMatchElimination) {
  const Buffer in(device, gram);
  const Buffer factor(device, Matrix(p.batch * p.order, p.order));
  const Buffer log_det(device, Matrix(p.batch, 1));
  NAGARE_VENDOR_DISPATCH(
      device, cholesky_log_det(p, in.data(), factor.data(), log_det.data(), compute_stream(device)));
  const Matrix scale = test::normal(p.batch, 1, /*seed=*/4);
  const Buffer scales(device, scale);
  const Buffer weight(device, Matrix(p.batch * p.order, p.order));
  NAGARE_VENDOR_DISPATCH(device, cholesky_log_det_backward(p, factor.data(), scales.data(), weight.data(),
                                                           compute_stream(device)));
  const Matrix got_log_det = log_det.to_host();
  const Matrix got_weight = weight.to_host();
  const Matrix l = factor.to_host();
  for (std::int64_t i = 0; i < p.batch; ++i) {
    const Reference want = reference(gram, i, p.order, p.alpha);
    EXPECT_NEAR(got_log_det(i, 0), want.half_log_det, 1e-5 * std::max(1.0, want.half_log_det));
    for (std::int64_t r = 0; r < p.order; ++r) {
      for (std::int64_t c = 0; c < p.order; ++c) {
        ASSERT_NEAR(got_weight(i * p.order + r, c), scale(i, 0) * p.alpha * want.inverse(r, c), 2e-5)
            << r << ", " << c;
        if (c > r) {
          ASSERT_EQ(l(i * p.order + r, c), 0.0);
        }
      }
    }
  }
}

TEST_P(CholeskyTest, InPlaceGivesTheSameBits) {
  const Buffer in(device, gram);
  const Buffer apart(device, gram);
  const Buffer log_det(device, Matrix(p.batch, 1));
  const Buffer scales(device, test::normal(p.batch, 1, /*seed=*/4));
  const Buffer weight(device, gram);
  const auto stream = compute_stream(device);
  NAGARE_VENDOR_DISPATCH(device, cholesky_log_det(p, in.data(), apart.data(), log_det.data(), stream));
  NAGARE_VENDOR_DISPATCH(device, cholesky_log_det(p, in.data(), in.data(), log_det.data(), stream));
  EXPECT_EQ(in.to_host(), apart.to_host());
  NAGARE_VENDOR_DISPATCH(device,
                         cholesky_log_det_backward(p, in.data(), scales.data(), weight.data(), stream));
  NAGARE_VENDOR_DISPATCH(device, cholesky_log_det_backward(p, in.data(), scales.data(), in.data(), stream));
  EXPECT_EQ(in.to_host(), weight.to_host());
}

// Orders around a warp and a tile, a published one (EMP-SSL's batch of 100), and one beyond shared memory.
INSTANTIATE_TEST_SUITE_P(Sizes, CholeskyTest,
                         testing::Combine(testing::ValuesIn(test::devices()), testing::Values(0, 2),
                                          testing::Values(1, 2, 15, 16, 17, 31, 33, 100, 241)));

struct CholeskyEdges : testing::TestWithParam<Device> {};

TEST_P(CholeskyEdges, ABadMatrixIsNaNAndHarmsNoOther) {
  const Device device = GetParam();
  const CholeskyLogDet p{.batch = 4, .order = 2};
  // Negative definite, NaN, infinite, and a good one: I + I = diag(2, 2).
  const Buffer in(device, Matrix{{-9, 0}, {0, -9}, {NAN, 0}, {0, 1}, {INFINITY, 0}, {0, 1}, {1, 0}, {0, 1}});
  const Buffer log_det(device, Matrix(4, 1));
  const Buffer scales(device, Matrix{{1}, {1}, {1}, {1}});
  const auto stream = compute_stream(device);
  NAGARE_VENDOR_DISPATCH(device, cholesky_log_det(p, in.data(), in.data(), log_det.data(), stream));
  NAGARE_VENDOR_DISPATCH(device, cholesky_log_det_backward(p, in.data(), scales.data(), in.data(), stream));
  const Matrix sums = log_det.to_host();
  const Matrix weight = in.to_host();
  for (std::int64_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(std::isnan(sums(i, 0))) << i;
    for (std::int64_t r = 0; r < 2; ++r) {
      EXPECT_TRUE(std::isnan(weight(2 * i + r, 0)) && std::isnan(weight(2 * i + r, 1))) << i;
    }
  }
  EXPECT_NEAR(sums(3, 0), std::log(2.0), 1e-6);
  EXPECT_TRUE(test::all_near({{weight(6, 0), weight(6, 1)}, {weight(7, 0), weight(7, 1)}},
                             {{0.5, 0}, {0, 0.5}}, 1e-6));
}

INSTANTIATE_TEST_SUITE_P(Devices, CholeskyEdges, testing::ValuesIn(test::devices()));

}  // namespace
}  // namespace nagare
