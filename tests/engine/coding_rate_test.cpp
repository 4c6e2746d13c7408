#include "engine/ops/coding_rate.h"

#include <gmock/gmock.h>

#include "engine/device/errors.h"
#include "tests/support/devices.h"
#include "tests/support/gradient.h"

namespace nagare {
namespace {

using test::Values;

struct Sizes {
  std::int64_t n, b, d;
};

// 1/2 log det(I + alpha z z^T) by Gaussian elimination of the b x b form, whichever is smaller.
double rate(const Sizes& s, const double* z, double alpha) {
  std::vector<Values> m(static_cast<std::size_t>(s.b), Values(static_cast<std::size_t>(s.b)));
  for (std::size_t r = 0; r < m.size(); ++r) {
    for (std::size_t c = 0; c < m.size(); ++c) {
      m[r][c] = r == c ? 1.0 : 0.0;
      for (std::int64_t k = 0; k < s.d; ++k) {
        m[r][c] +=
            alpha * z[static_cast<std::int64_t>(r) * s.d + k] * z[static_cast<std::int64_t>(c) * s.d + k];
      }
    }
  }
  double log_det = 0.0;
  for (std::size_t p = 0; p < m.size(); ++p) {
    log_det += std::log(m[p][p]);
    for (std::size_t r = p + 1; r < m.size(); ++r) {
      const double factor = m[r][p] / m[p][p];
      for (std::size_t c = p; c < m.size(); ++c) m[r][c] -= factor * m[p][c];
    }
  }
  return log_det / 2;
}

struct CodingRateTest : testing::TestWithParam<std::tuple<Device, DType, Sizes>> {};

TEST_P(CodingRateTest, MatchesTheDefinition) {
  const auto& [device, dtype, s] = GetParam();
  test::OpCase c;
  c.inputs = {test::normal_input({s.n, s.b, s.d}, 10, dtype)};
  // bf16: each entry is rounded to 8 bits. f32: the error grows with the matrix's condition.
  c.gradient_tolerance = dtype == DType::bf16 ? 4e-3 : 1e-4;
  c.op = [](const std::vector<Tensor>& t) { return coding_rate(t[0], 1.7F); };
  c.definition = [s = s](const std::vector<Values>& in) {
    Values rates;
    for (std::int64_t i = 0; i < s.n; ++i)
      rates.push_back(rate(s, &in[0][static_cast<std::size_t>(i * s.b * s.d)], 1.7F));
    return rates;
  };
  EXPECT_TRUE(test::matches_definition(device, c));
}

INSTANTIATE_TEST_SUITE_P(Sizes, CodingRateTest,
                         testing::Combine(testing::ValuesIn(test::devices()),
                                          testing::Values(DType::f32, DType::bf16),
                                          testing::Values(Sizes{1, 1, 1}, Sizes{2, 1, 7}, Sizes{3, 7, 1},
                                                          Sizes{4, 10, 32}, Sizes{2, 33, 17},
                                                          Sizes{2, 64, 64}, Sizes{5, 100, 130},
                                                          // On CUDA beyond a block's shared memory:
                                                          Sizes{2, 240, 250}, Sizes{1, 250, 240})));

TEST(CodingRateErrors, NameTheMatrixAndTheShape) {
  Tensor z = Tensor::full({3, 4, 8}, 0.5F);
  z.data<float>()[2 * 32 + 5] = NAN;
  EXPECT_THAT([&] { coding_rate(z, 1.0F); },
              testing::ThrowsMessage<Diverged>(testing::HasSubstr("matrix 2 of (3, 4, 8)")));
  EXPECT_THAT(
      [] {
        coding_rate(Tensor::zeros({3, 4}), 1.0F);
      },
      testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr("(3, 4) f32")));
  EXPECT_THROW(coding_rate(Tensor::zeros({3, 4, 8}), NAN), std::invalid_argument);
  EXPECT_THROW(coding_rate(Tensor::zeros({3, 4, 8}), 0.0F), std::invalid_argument);
}

}  // namespace
}  // namespace nagare
