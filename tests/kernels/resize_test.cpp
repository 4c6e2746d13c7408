#include "kernels/resize.h"

#include <gmock/gmock.h>

#include "kernels/dispatch.h"
#include "tests/support/devices.h"
#include "tests/support/matrix.h"
#include "tests/support/resize_definition.h"

namespace nagare {
namespace {

using test::Matrix;

struct Sizes {
  std::int64_t in_height, in_width, out_height, out_width, channels;
};

constexpr std::int64_t kImages = 2;

// A table in the memory of a device, alive as long as this is.
struct DeviceTable {
  Tensor ranges;
  Tensor weights;
  std::int64_t stride;

  DeviceTable(const kernels::TapTable& table, Device device)
      : ranges(Tensor::from(std::span(reinterpret_cast<const std::uint8_t*>(table.ranges.data()),
                                      table.ranges.size() * sizeof(kernels::TapRange)),
                            {static_cast<std::int64_t>(table.ranges.size() * sizeof(kernels::TapRange))},
                            device)),
        weights(Tensor::from(table.weights, {static_cast<std::int64_t>(table.weights.size())}, device)),
        stride(table.stride) {}
  kernels::TapView view() const {
    return {static_cast<const kernels::TapRange*>(ranges.raw()), weights.data<float>(), stride};
  }
};

template <class T>
Matrix run(Device device, const kernels::Resize& p, const kernels::TapTable& rows,
           const kernels::TapTable& columns, const Matrix& x) {
  std::vector<T> values;
  for (const double v : x.values()) values.push_back(T(static_cast<float>(v)));
  const Tensor in = Tensor::from(values, {x.numel()}, device);
  const Tensor out = Tensor::empty({p.n * p.out_height * p.out_width * p.channels}, {kDTypeOf<T>, device});
  const DeviceTable row_table(rows, device);
  const DeviceTable column_table(columns, device);
  const kernels::ResizeTables tables{.rows = row_table.view(), .columns = column_table.view()};
  NAGARE_DISPATCH(device, resize(p, tables, in.data<T>(), out.data<T>(), compute_stream(device)));
  const std::vector<float> result = out.template to_vector<float>();
  Matrix m(1, out.numel());
  m.values().assign(result.begin(), result.end());
  return m;
}

using Case = std::tuple<Device, Sizes, Interpolation, bool>;
struct ResizeTest : testing::TestWithParam<Case> {
  Device device = std::get<0>(GetParam());
  Sizes s = std::get<1>(GetParam());
  kernels::ResizeAxis rows{static_cast<int>(s.in_height), static_cast<int>(s.out_height),
                           std::get<2>(GetParam()), std::get<3>(GetParam())};
  kernels::ResizeAxis columns{static_cast<int>(s.in_width), static_cast<int>(s.out_width), rows.interpolation,
                              rows.antialias};
  Shape in_shape{kImages, s.in_height, s.in_width, s.channels};
  Shape out_shape{kImages, s.out_height, s.out_width, s.channels};
  kernels::Resize p{kImages, s.in_height, s.in_width, s.out_height, s.out_width, s.channels};
  kernels::TapTable row_taps = kernels::tap_table(rows);
  kernels::TapTable column_taps = kernels::tap_table(columns);
  Matrix x = test::normal(1, in_shape.numel(), /*seed=*/1);
  Matrix dy = test::normal(1, out_shape.numel(), /*seed=*/2);

  // The definition, or with `back` its transpose: sum over all pairs of pixels of the product of two weights.
  Matrix map(const Matrix& from, bool back) const {
    Matrix result(1, back ? in_shape.numel() : out_shape.numel());
    const auto at = [&](const Shape& shape, std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t c) {
      return ((n * shape[1] + h) * shape[2] + w) * shape[3] + c;
    };
    for (int i = 0; i < s.out_height; ++i) {
      for (int u = 0; u < s.in_height; ++u) {
        const double row_weight = test::resize_weight(rows, i, u);
        for (int j = 0; j < s.out_width; ++j) {
          for (int v = 0; v < s.in_width; ++v) {
            const double weight = row_weight * test::resize_weight(columns, j, v);
            for (std::int64_t k = 0; weight != 0 && k < kImages * s.channels; ++k) {
              const std::int64_t in = at(in_shape, k / s.channels, u, v, k % s.channels);
              const std::int64_t out = at(out_shape, k / s.channels, i, j, k % s.channels);
              back ? result(0, in) += weight * from(0, out) : result(0, out) += weight * from(0, in);
            }
          }
        }
      }
    }
    return result;
  }
};

TEST_P(ResizeTest, MatchesTheDefinition) {
  EXPECT_TRUE(all_near(run<float>(device, p, row_taps, column_taps, x), map(x, false), 1e-5));
}

TEST_P(ResizeTest, TransposedTablesGiveTheTransposedMap) {
  const Matrix dx = run<float>(device, p.transposed(), transposed(row_taps, s.in_height),
                               transposed(column_taps, s.in_width), dy);
  EXPECT_TRUE(all_near(dx, map(dy, true), 2e-5));
}

TEST_P(ResizeTest, Bf16RoundsTheInputAndTheResult) {
  Matrix rounded = x;
  for (double& v : rounded.values()) v = static_cast<float>(bf16(static_cast<float>(v)));
  const Matrix y = run<bf16>(device, p, row_taps, column_taps, x);
  const Matrix want = map(rounded, false);
  for (std::int64_t k = 0; k < want.numel(); ++k) {
    ASSERT_NEAR(y(0, k), want(0, k), 0.005 * (std::abs(want(0, k)) + 1e-2));
  }
}

void PrintTo(const Sizes& s, std::ostream* out) {
  *out << s.in_height << "x" << s.in_width << " to " << s.out_height << "x" << s.out_width << ", "
       << s.channels;
}

INSTANTIATE_TEST_SUITE_P(
    Sizes, ResizeTest,  // one pixel, same size, up, down, far down, mixed; 1 to many channels
    testing::Combine(testing::ValuesIn(test::devices()),
                     testing::Values(Sizes{1, 1, 4, 3, 3}, Sizes{5, 7, 5, 7, 2}, Sizes{6, 5, 16, 11, 3},
                                     Sizes{11, 13, 5, 7, 1}, Sizes{37, 20, 3, 1, 3}, Sizes{20, 4, 7, 9, 70}),
                     testing::Values(Interpolation::bilinear, Interpolation::bicubic), testing::Bool()));

TEST(ResizeTaps, AntialiasedWeightsSumToOneAndStayInside) {
  for (const Interpolation interpolation : {Interpolation::bilinear, Interpolation::bicubic}) {
    for (int in = 1; in < 60; ++in) {
      for (int out = 1; out < 60; ++out) {
        for (const bool antialias : {false, true}) {
          const kernels::TapTable table = kernels::tap_table({in, out, interpolation, antialias});
          for (int i = 0; i < out; ++i) {
            const kernels::TapRange range = table.ranges[static_cast<std::size_t>(i)];
            ASSERT_TRUE(range.begin >= 0 && range.count >= 1 && range.count <= table.stride);
            ASSERT_LE(range.begin + range.count, in);
            double sum = 0;
            for (int k = 0; k < range.count; ++k)
              sum += table.weights[static_cast<std::size_t>(i * table.stride + k)];
            ASSERT_NEAR(sum, 1, 1e-6);
          }
        }
      }
    }
  }
}

TEST(ResizeErrors, NameShapeAndSizes) {
  const kernels::Resize p{
      .n = 2, .in_height = 3, .in_width = 4, .out_height = 0, .out_width = 5, .channels = 1};
  EXPECT_THAT([&] { p.check(); },
              testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr("(2, 3, 4, 1) to 0 x 5")));
}

}  // namespace
}  // namespace nagare
