#include "engine/tensor/checked_size.h"

#include <gtest/gtest.h>

#include <vector>

#include "engine/device/errors.h"
#include "engine/tensor/tensor.h"
#include "kernels/philox.h"

namespace nagare {
namespace {

__extension__ using Wide = unsigned __int128;

// Around every power of two that an index or a product may stumble at.
std::vector<std::int64_t> odd_sizes() {
  std::vector<std::int64_t> sizes = {0, 1, 2, 3, 7, INT64_MAX, INT64_MAX - 1};
  for (const int bits : {15, 16, 31, 32, 33, 53, 60, 61, 62}) {
    for (const std::int64_t more : {-1, 0, 1}) sizes.push_back((std::int64_t{1} << bits) + more);
  }
  return sizes;
}

TEST(CheckedSize, ProductsAreThoseOf128Bits) {
  const std::vector<std::int64_t> sizes = odd_sizes();
  for (const std::int64_t a : sizes) {
    for (const std::int64_t b : sizes) {
      const auto wide = static_cast<Wide>(a) * static_cast<Wide>(b);
      const auto product = checked_mul(static_cast<std::uint64_t>(a), static_cast<std::uint64_t>(b));
      EXPECT_EQ(product.has_value(), wide <= UINT64_MAX) << a << " x " << b;
      EXPECT_EQ(product.value_or(0), wide <= UINT64_MAX ? static_cast<std::uint64_t>(wide) : 0);
    }
  }
}

TEST(CheckedSize, BytesAreExactOrNothing) {
  const std::vector<std::int64_t> sizes = odd_sizes();
  Philox random({.seed = 3, .purpose = Purpose::synthetic});
  for (int i = 0; i < 200'000; ++i) {
    std::vector<std::int64_t> shape(random.below(5));
    for (std::int64_t& size : shape) size = sizes[random.below(static_cast<std::uint32_t>(sizes.size()))];
    const std::size_t element = std::size_t{1} << random.below(4);
    Wide nonzero = element;
    bool empty = false;
    bool fits = true;
    for (const std::int64_t size : shape) {
      empty = empty || size == 0;
      if (size > 0 && fits) nonzero *= static_cast<std::uint64_t>(size);
      fits = fits && nonzero < (static_cast<Wide>(1) << 62);
    }
    const auto bytes = checked_bytes(shape, element);
    ASSERT_EQ(bytes.has_value(), fits);
    if (!fits) continue;
    ASSERT_EQ(*bytes, empty ? 0 : static_cast<std::size_t>(nonzero));
    ASSERT_EQ(Shape(shape).numel(),
              static_cast<std::int64_t>(*bytes / element));  // what has bytes is a shape
  }
  EXPECT_FALSE(checked_bytes(std::vector<std::int64_t>{2, -1}, 1));
  EXPECT_FALSE(checked_bytes(std::vector<std::int64_t>{0, -1}, 1));
}

TEST(CheckedSize, ATensorThatNoAddressReachesIsRefused) {
  constexpr std::int64_t kSize = std::int64_t{1} << 61;  // f64: 2^64 bytes, which is 0
  EXPECT_THROW(Tensor::empty({kSize}, {.dtype = DType::f64}), OutOfMemory);
  EXPECT_THROW(Tensor::empty({kSize, 0}, {.dtype = DType::f64}), OutOfMemory);
  EXPECT_THROW(Tensor::wrap(nullptr, {kSize}, {.dtype = DType::f64}), OutOfMemory);
}

}  // namespace
}  // namespace nagare
