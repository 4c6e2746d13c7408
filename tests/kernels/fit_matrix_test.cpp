#include "kernels/fit_matrix.h"

#include <gmock/gmock.h>

#include "kernels/dispatch.h"
#include "tests/support/devices.h"
#include "tests/support/matrix.h"

namespace nagare {
namespace {

using kernels::FitMatrix;
using test::Matrix;

using Case = std::tuple<Device, std::tuple<int, int, int, int>>;
struct FitMatrixTest : testing::TestWithParam<Case> {
  Device device = std::get<0>(GetParam());
  FitMatrix p{std::get<0>(std::get<1>(GetParam())), std::get<1>(std::get<1>(GetParam())),
              std::get<2>(std::get<1>(GetParam())), std::get<3>(std::get<1>(GetParam()))};
  Matrix x = test::normal(p.in_rows, p.in_cols, /*seed=*/1);

  Matrix want() const {
    Matrix y(p.out_rows, p.out_cols);
    for (std::int64_t r = 0; r < std::min(p.in_rows, p.out_rows); ++r) {
      for (std::int64_t c = 0; c < std::min(p.in_cols, p.out_cols); ++c) y(r, c) = x(r, c);
    }
    return y;
  }
};

TEST_P(FitMatrixTest, PadsWithZerosAndCutsOff) {
  const test::Buffer in(device, x);
  const test::Buffer out(device, test::normal(p.out_rows, p.out_cols, /*seed=*/2));
  NAGARE_DISPATCH(device, fit_matrix(p, in.data(), out.data(), compute_stream(device)));
  EXPECT_EQ(out.to_host(), want());
}

TEST_P(FitMatrixTest, ConvertsToBf16AndBack) {
  const test::Buffer in(device, x);
  const Tensor half = Tensor::empty({p.out_rows, p.out_cols}, {.dtype = DType::bf16, .device = device});
  const Tensor same = Tensor::empty({p.out_rows, p.out_cols}, {.dtype = DType::bf16, .device = device});
  const test::Buffer out(device, want());
  const FitMatrix copy{p.out_rows, p.out_cols, p.out_rows, p.out_cols};
  NAGARE_DISPATCH(device, fit_matrix(p, in.data(), half.data<bf16>(), compute_stream(device)));
  NAGARE_DISPATCH(device, fit_matrix(copy, half.data<bf16>(), same.data<bf16>(), compute_stream(device)));
  NAGARE_DISPATCH(device, fit_matrix(copy, same.data<bf16>(), out.data(), compute_stream(device)));
  Matrix rounded = want();
  for (double& v : rounded.values()) v = static_cast<float>(bf16(static_cast<float>(v)));
  EXPECT_EQ(out.to_host(), rounded);
}

// (in_rows, in_cols, out_rows, out_cols): a stem's 3 channels to 8, back, both sizes at once, one element, nothing.
INSTANTIATE_TEST_SUITE_P(Sizes, FitMatrixTest,
                         testing::Combine(testing::ValuesIn(test::devices()),
                                          testing::Values(std::tuple(1023, 3, 1023, 8),
                                                          std::tuple(1023, 8, 1023, 3),
                                                          std::tuple(27, 5, 72, 8), std::tuple(72, 8, 27, 5),
                                                          std::tuple(1, 1, 1, 1), std::tuple(0, 4, 2, 4),
                                                          std::tuple(4, 4, 0, 4))));

TEST(FitMatrixEdges, NegativeSizesAreRefused) {
  EXPECT_THAT(
      [] {
        kernels::cpu::fit_matrix({-1, 2, 3, 4}, static_cast<const float*>(nullptr),
                                 static_cast<float*>(nullptr), nullptr);
      },
      testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr("(-1, 2) into (3, 4)")));
}

}  // namespace
}  // namespace nagare
