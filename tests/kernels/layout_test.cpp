#include "kernels/layout.h"

#include <gtest/gtest.h>

#include <numeric>

#include "kernels/dispatch.h"
#include "tests/support/devices.h"
#include "tests/support/gradient.h"

namespace nagare {
namespace {

using test::Values;

struct LayoutTest : testing::TestWithParam<Device> {
  Device device = GetParam();
};

TEST_P(LayoutTest, EveryPermutationOfFourAxesMovesEveryElement) {
  const std::int64_t sizes[4] = {3, 2, 7, 5};
  const std::int64_t strides[4] = {70, 35, 5, 1};
  std::vector<std::int64_t> from(210);
  std::iota(from.begin(), from.end(), 0);
  const Tensor x = Tensor::from(from, {210}, device);
  const Tensor y = empty_like(x);
  int axes[4] = {0, 1, 2, 3};
  do {
    kernels::Permute p{.rank = 4, .element_bytes = 8, .sizes = {}, .strides = {}};
    for (int a = 0; a < 4; ++a) {
      p.sizes[a] = sizes[axes[a]];
      p.strides[a] = strides[axes[a]];
    }
    NAGARE_DISPATCH(device, permute(p, x.raw(), y.raw(), x.stream()));
    std::vector<std::int64_t> want;
    for (std::int64_t i = 0; i < p.sizes[0]; ++i) {
      for (std::int64_t j = 0; j < p.sizes[1]; ++j) {
        for (std::int64_t k = 0; k < p.sizes[2]; ++k) {
          for (std::int64_t l = 0; l < p.sizes[3]; ++l) {
            want.push_back(i * p.strides[0] + j * p.strides[1] + k * p.strides[2] + l * p.strides[3]);
          }
        }
      }
    }
    ASSERT_EQ(y.to_vector<std::int64_t>(), want) << axes[0] << axes[1] << axes[2] << axes[3];
  } while (std::next_permutation(axes, axes + 4));
}

TEST_P(LayoutTest, PermuteTakesEveryElementSize) {
  for (const int bytes : {1, 2, 4, 8}) {
    std::vector<std::uint8_t> from(static_cast<std::size_t>(6 * bytes));
    std::iota(from.begin(), from.end(), std::uint8_t{0});
    const Tensor x = Tensor::from(from, {6 * bytes}, device);
    const Tensor y = empty_like(x);
    const kernels::Permute p{.rank = 2, .element_bytes = bytes, .sizes = {3, 2}, .strides = {1, 3}};
    NAGARE_DISPATCH(device, permute(p, x.raw(), y.raw(), x.stream()));
    const std::vector<std::uint8_t> got = y.to_vector<std::uint8_t>();
    for (int i = 0; i < 6; ++i) {
      for (int b = 0; b < bytes; ++b) {
        EXPECT_EQ(got[static_cast<std::size_t>(i * bytes + b)], (i % 2 * 3 + i / 2) * bytes + b) << bytes;
      }
    }
  }
}

TEST_P(LayoutTest, CopyBlocksLeavesTheRestAlone) {
  for (const std::int64_t bytes : {1, 2, 6, 8, 129}) {
    const std::int64_t from_stride = bytes + 3;
    const std::int64_t to_stride = 2 * bytes;
    std::vector<std::uint8_t> from(static_cast<std::size_t>(5 * from_stride));
    std::iota(from.begin(), from.end(), std::uint8_t{1});
    std::vector<std::uint8_t> want(static_cast<std::size_t>(5 * to_stride), 0);
    for (std::int64_t b = 0; b < 5; ++b) {
      for (std::int64_t i = 0; i < bytes; ++i) {
        want[static_cast<std::size_t>(b * to_stride + i)] =
            from[static_cast<std::size_t>(b * from_stride + i)];
      }
    }
    const Tensor x = Tensor::from(from, {5 * from_stride}, device);
    const Tensor y = Tensor::zeros({5 * to_stride}, x.options());
    NAGARE_DISPATCH(
        device, copy_blocks({.blocks = 5, .bytes = bytes, .from_stride = from_stride, .to_stride = to_stride},
                            x.raw(), y.raw(), x.stream()));
    EXPECT_EQ(y.to_vector<std::uint8_t>(), want) << bytes;
  }
}

TEST_P(LayoutTest, ScatterAddsWhatGatherTookInOrder) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const kernels::GatherRows p{.rows = 101, .cols = 35, .source_rows = 13};
    std::vector<std::int64_t> index;
    for (std::int64_t r = 0; r < p.rows; ++r) index.push_back(r * r % 11);  // rows 11 and 12 get nothing
    const Values from = test::normal_values(p.rows * p.cols, 1, dtype);
    std::vector<float> sums(static_cast<std::size_t>(p.source_rows * p.cols), 0.0F);
    for (std::size_t i = 0; i < from.size(); ++i) {
      sums[static_cast<std::size_t>(index[i / 35] * 35) + i % 35] += static_cast<float>(from[i]);
    }
    Values want;
    for (const float sum : sums) want.push_back(test::rounded(sum, dtype));
    const Tensor y = test::to_tensor(from, {p.rows, p.cols}, dtype, device);
    const Tensor at = Tensor::from(index, {p.rows}, device);
    const Tensor x = Tensor::empty({p.source_rows, p.cols}, y.options());
    for_activation_type("test", dtype, [&]<class T>(T) {
      NAGARE_DISPATCH(device,
                      scatter_add_rows(p, y.data<T>(), at.data<std::int64_t>(), x.data<T>(), x.stream()));
    });
    EXPECT_EQ(test::to_values(x), want);  // the very bits: f32, in the order of r
  }
}

TEST_P(LayoutTest, NothingToDoIsValid) {
  const Tensor x = Tensor::empty({0}, {.device = device});
  const kernels::Permute p{.rank = 2, .element_bytes = 4, .sizes = {0, 3}, .strides = {1, 0}};
  NAGARE_DISPATCH(device, permute(p, x.raw(), x.raw(), x.stream()));
  NAGARE_DISPATCH(device, copy_blocks({}, x.raw(), x.raw(), x.stream()));
  NAGARE_DISPATCH(device, gather_rows({}, 4, x.raw(), nullptr, x.raw(), x.stream()));
  NAGARE_DISPATCH(device, scatter_add_rows({}, x.data<float>(), nullptr, x.data<float>(), x.stream()));
}

INSTANTIATE_TEST_SUITE_P(Devices, LayoutTest, testing::ValuesIn(test::devices()));

}  // namespace
}  // namespace nagare
