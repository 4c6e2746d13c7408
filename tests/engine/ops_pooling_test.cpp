#include <gmock/gmock.h>

#include "engine/ops/pooling.h"
#include "tests/support/devices.h"
#include "tests/support/gradient.h"

namespace nagare {
namespace {

using test::normal_input;
using test::OpCase;
using test::Values;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

struct Image {
  std::int64_t n;
  std::int64_t height;
  std::int64_t width;
  std::int64_t channels;
  MaxPool window;
};
void PrintTo(const Image& i, std::ostream* out) {
  *out << i.n << "x" << i.height << "x" << i.width << "x" << i.channels << "k" << i.window.kernel << "s"
       << i.window.stride << "p" << i.window.padding;
}

// Value and flat position of every maximum, in double.
struct Maxima {
  Values y;
  std::vector<std::int64_t> index;
};
Maxima maxima(const Image& p, const Values& x) {
  Maxima found;
  const auto [kernel, stride, padding] = p.window;
  for (std::int64_t n = 0; n < p.n; ++n) {
    for (std::int64_t i = -padding; i + kernel <= p.height + padding; i += stride) {
      for (std::int64_t j = -padding; j + kernel <= p.width + padding; j += stride) {
        for (std::int64_t c = 0; c < p.channels; ++c) {
          double best = -INFINITY;
          std::int64_t at = -1;
          for (std::int64_t h = std::max<std::int64_t>(i, 0); h < std::min(i + kernel, p.height); ++h) {
            for (std::int64_t w = std::max<std::int64_t>(j, 0); w < std::min(j + kernel, p.width); ++w) {
              const double v =
                  x[static_cast<std::size_t>(((n * p.height + h) * p.width + w) * p.channels + c)];
              if (v > best) {
                best = v;
                at = h * p.width + w;
              }
            }
          }
          found.y.push_back(best);
          found.index.push_back(at);
        }
      }
    }
  }
  return found;
}

struct PoolingOpTest : testing::TestWithParam<std::tuple<Device, DType, Image>> {
  Device device = std::get<0>(GetParam());
  DType dtype = std::get<1>(GetParam());
  Image image = std::get<2>(GetParam());
  Shape shape{image.n, image.height, image.width, image.channels};
};

TEST_P(PoolingOpTest, MaxPoolMatchesTheDefinition) {
  OpCase c;
  c.inputs = {normal_input(shape, 1)};
  // All different, and in bf16 too: a shuffled row of small integers.
  std::int64_t i = 0;
  const auto n = shape.numel();
  for (double& v : c.inputs[0].values) v = static_cast<double>(i++ * 97 % 251) / 4.0 - 30.0;
  c.inputs[0].dtype = dtype;
  c.op = [&](const std::vector<Tensor>& in) { return max_pool(in[0], image.window); };
  c.definition = [&](const std::vector<Values>& in) { return maxima(image, in[0]).y; };
  c.tolerance = test::tolerance_of(dtype);
  if (n <= 251) {
    EXPECT_TRUE(test::matches_definition(device, c));
  }
  const Tensor x = test::to_tensor(c.inputs[0].values, shape, dtype, device);
  const MaxPoolResult got = max_pool_with_indices(x, image.window);
  const Maxima want = maxima(image, c.inputs[0].values);
  EXPECT_EQ(test::to_values(got.y), want.y);
  EXPECT_EQ(got.indices.to_vector<std::int64_t>(), want.index);
}

TEST_P(PoolingOpTest, GlobalAveragePoolMatchesTheDefinition) {
  OpCase c;
  c.inputs = {normal_input(shape, 1, dtype)};
  c.op = [](const std::vector<Tensor>& in) { return global_average_pool(in[0]); };
  c.definition = [&](const std::vector<Values>& in) {
    const auto channels = static_cast<std::size_t>(image.channels);
    const auto pixels = static_cast<std::size_t>(image.height * image.width);
    Values y(static_cast<std::size_t>(image.n) * channels, 0.0);
    for (std::size_t k = 0; k < in[0].size(); ++k) {
      y[k / (pixels * channels) * channels + k % channels] += in[0][k] / static_cast<double>(pixels);
    }
    return y;
  };
  c.tolerance = test::tolerance_of(dtype);
  EXPECT_TRUE(test::matches_definition(device, c));
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, PoolingOpTest,
    testing::Combine(testing::ValuesIn(test::devices()), testing::Values(DType::f32, DType::bf16),
                     testing::Values(Image{1, 1, 1, 1, {}}, Image{1, 7, 9, 3, {}}, Image{2, 8, 8, 1, {}},
                                     Image{1, 5, 6, 2, {.kernel = 2, .stride = 2, .padding = 0}},
                                     Image{1, 6, 7, 2, {.kernel = 5, .stride = 1, .padding = 2}},
                                     Image{2, 3, 4, 5, {.kernel = 2, .stride = 3, .padding = 1}},
                                     Image{3, 16, 12, 37, {}})));

struct PoolingEdges : testing::TestWithParam<Device> {
  TensorOptions options{.device = GetParam()};
};

TEST_P(PoolingEdges, TheFirstOfEqualValuesGetsTheWholeGradient) {
  Tensor x = Tensor::full({1, 4, 4, 1}, -5.0F, options);  // below 0: padding must not win
  x.set_requires_grad(true);
  const MaxPoolResult got = max_pool_with_indices(x, {});
  EXPECT_THAT(got.y.to_vector<float>(), ElementsAre(-5, -5, -5, -5));
  EXPECT_THAT(got.indices.to_vector<std::int64_t>(), ElementsAre(0, 1, 4, 5));
  tape::backward(got.y, Tensor::from<float>(std::vector<float>{1, 2, 3, 4}, {1, 2, 2, 1}, GetParam()));
  EXPECT_THAT(x.grad().to_vector<float>(), ElementsAre(1, 2, 0, 0, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
}

TEST_P(PoolingEdges, NanAndMinusInfinityAreKept) {
  const float inf = INFINITY;
  const Tensor x =
      Tensor::from<float>(std::vector<float>{1, NAN, 3, 2, -inf, -inf, -inf, -inf}, {2, 2, 2, 1}, GetParam());
  const MaxPoolResult got = max_pool_with_indices(x, {.kernel = 2, .stride = 2, .padding = 0});
  const std::vector<float> y = got.y.to_vector<float>();
  EXPECT_TRUE(std::isnan(y[0]));
  EXPECT_EQ(y[1], -inf);
  EXPECT_THAT(got.indices.to_vector<std::int64_t>(), ElementsAre(1, 0));
}

TEST_P(PoolingEdges, ErrorsNameImageAndWindow) {
  const Tensor x = Tensor::zeros({1, 2, 2, 3}, options);
  EXPECT_THAT(
      [&] { max_pool(x, {.kernel = 3, .stride = 1, .padding = 0}); },
      ThrowsMessage<std::invalid_argument>(HasSubstr("max_pool: image (1, 2, 2, 3), kernel 3, stride 1")));
  EXPECT_THAT([&] { max_pool(x, {.kernel = 2, .stride = 1, .padding = 2}); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("padding <= kernel / 2")));
  EXPECT_THAT(
      [&] {
        max_pool(x.reshaped({4, 3}), {});
      },
      ThrowsMessage<std::invalid_argument>(HasSubstr("max_pool: x (4, 3), need (N, H, W, C)")));
  EXPECT_THAT(
      [&] {
        global_average_pool(Tensor::zeros({2, 0, 3, 4}, options));
      },
      ThrowsMessage<std::invalid_argument>(HasSubstr("global_average_pool: x (2, 0, 3, 4)")));
}

INSTANTIATE_TEST_SUITE_P(Devices, PoolingEdges, testing::ValuesIn(test::devices()));

}  // namespace
}  // namespace nagare
