#include "kernels/tile_product.h"

#include <gmock/gmock.h>

#include <vector>

#include "kernels/parallel.h"
#include "tests/support/matrix.h"

namespace nagare {
namespace {

using kernels::cpu::tile_product;
using kernels::cpu::TileProduct;

template <class T>
std::vector<T> values(std::int64_t n, std::uint32_t seed) {
  std::vector<T> out;
  const test::Matrix m = test::normal(1, n, seed);
  for (const double v : m.values()) out.push_back(T(static_cast<float>(v)));
  return out;
}

// c after the product, from the definition in double.
template <class T>
std::vector<double> definition(const TileProduct& p, const std::vector<T>& a, const std::vector<T>& b,
                               const std::vector<float>& c) {
  std::vector<double> out(c.begin(), c.end());
  for (std::int64_t r = 0; r < p.rows; ++r) {
    for (std::int64_t k = 0; k < p.cols; ++k) {
      double sum = 0.0;
      for (std::int64_t i = 0; i < p.inner; ++i) {
        const std::int64_t at_a = p.transpose_a ? i * p.stride_a + r : r * p.stride_a + i;
        const std::int64_t at_b = p.transpose_b ? k * p.stride_b + i : i * p.stride_b + k;
        sum += static_cast<double>(static_cast<float>(a[static_cast<std::size_t>(at_a)])) *
               static_cast<float>(b[static_cast<std::size_t>(at_b)]);
      }
      double& at = out[static_cast<std::size_t>(r * p.stride_c + k)];
      at = p.scale * sum + (p.keep == 0.0F ? 0.0 : p.keep * at);
    }
  }
  return out;
}

template <class T>
void expect_product(const TileProduct& p) {
  const auto a = values<T>((p.transpose_a ? p.inner : p.rows) * p.stride_a, 1);
  const auto b = values<T>((p.transpose_b ? p.cols : p.inner) * p.stride_b, 2);
  std::vector<float> c(static_cast<std::size_t>(p.rows * p.stride_c), 0.25F);
  const std::vector<double> want = definition(p, a, b, c);
  tile_product(p, a.data(), b.data(), c.data());
  for (std::size_t i = 0; i < c.size(); ++i) ASSERT_NEAR(c[i], want[i], 1e-4) << "entry " << i;
}

TEST(TileProductTest, EveryTransposeMatchesTheDefinition) {
  for (const std::int64_t size : {1, 2, 17, 64}) {
    for (const bool transpose_a : {false, true}) {
      for (const bool transpose_b : {false, true}) {
        TileProduct p{.rows = size,
                      .cols = size + 3,
                      .inner = size + 6,
                      .stride_a = size + 7,
                      .stride_b = size + 8,
                      .stride_c = size + 5};
        p.transpose_a = transpose_a;
        p.transpose_b = transpose_b;
        p.scale = -0.5F;
        p.keep = 2.0F;
        expect_product<float>(p);
        p.stride_c = p.cols;
        p.scale = 1.0F;
        p.keep = 0.0F;
        expect_product<float>(p);
        expect_product<bf16>(p);
      }
    }
  }
}

template <class T>
void expect_threads_agree() {
  constexpr std::int64_t kTiles = 4;
  const TileProduct p{.rows = 133,
                      .cols = 147,
                      .inner = 1129,
                      .stride_a = 1129,
                      .stride_b = 1129,
                      .stride_c = 147,
                      .transpose_b = true};
  const auto a = values<T>(133 * 1129, 3);
  const auto b = values<T>(147 * 1129, 4);
  std::vector<std::vector<float>> tiles(kTiles, std::vector<float>(133 * 147));
  parallel_for(kTiles, [&](std::int64_t i) {
    tile_product(p, a.data(), b.data(), tiles[static_cast<std::size_t>(i)].data());
  });
  for (const auto& tile : tiles) EXPECT_EQ(tile, tiles[0]);
  // A lone tile, outside: the library must not spread it over the threads.
  const int before = threads();
  set_threads(3);
  tile_product(p, a.data(), b.data(), tiles[1].data());
  EXPECT_EQ(threads(), 3);
  set_threads(before);
  EXPECT_EQ(tiles[1], tiles[0]);
}

TEST(TileProductTest, EveryCallerGetsTheSameBits) {
  expect_threads_agree<float>();
  expect_threads_agree<bf16>();
}

TEST(TileProductTest, NonsenseIsRefusedByName) {
  std::vector<float> x(16);
  EXPECT_THAT(
      [&] {
        tile_product({.rows = 2, .cols = 2, .inner = 4, .stride_a = 3, .stride_b = 2, .stride_c = 2},
                     x.data(), x.data(), x.data());
      },
      testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr("(2, 4) x (4, 2), row strides 3")));
  std::vector<bf16> y(16);
  EXPECT_THAT(
      [&] {
        tile_product({.rows = 2, .cols = 2, .inner = 4, .stride_a = 4, .stride_b = 2, .stride_c = 3},
                     y.data(), y.data(), x.data());
      },
      testing::ThrowsMessage<std::invalid_argument>(
          testing::HasSubstr("row stride of c 3: need 1, 0 and 2")));
}

}  // namespace
}  // namespace nagare
