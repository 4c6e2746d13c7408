// The emulator's bfloat16 and half give the bits of the toolkit's own headers, compiled for the host. Built where a
// toolkit is there.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>

#include "tests/kernels/cuda_headers_peer.h"

namespace nagare::test {
namespace {

bool is_nan(double x) { return std::isnan(x); }

template <class T>
void expect_same(const NarrowOperations& want) {
  std::mt19937 random(7);
  const auto of = [](std::uint16_t bits) { return T::from_bits(bits); };
  const auto same = [&](T x, std::uint16_t bits) {
    return x.bits == bits || (is_nan(x) && is_nan(of(bits)));  // which NaN a host picks is its own affair
  };
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const auto a = static_cast<std::uint16_t>(bits);
    const float wide = of(a);
    ASSERT_TRUE(wide == want.to_float(a) || (is_nan(wide) && is_nan(want.to_float(a)))) << bits;
    for (int i = 0; i < 8; ++i) {
      // Half of the partners are near: sums that cancel, halfway cases.
      const auto b =
          static_cast<std::uint16_t>(i % 2 == 0 ? random() : bits + random() % 64 + 0x8000U * (i % 4 / 2));
      ASSERT_TRUE(same(of(a) + of(b), want.add(a, b))) << bits << " + " << b;
      ASSERT_TRUE(same(of(a) * of(b), want.multiply(a, b))) << bits << " * " << b;
      ASSERT_TRUE(same(of(a) / of(b), want.divide(a, b))) << bits << " / " << b;
      ASSERT_EQ(of(a) < of(b), want.less(a, b)) << bits << " < " << b;
      const float x = std::bit_cast<float>(bits << 16 | static_cast<std::uint32_t>(random() & 0xffffU));
      ASSERT_TRUE(same(T(x), want.from_float(x))) << x;
    }
    const float next = of(static_cast<std::uint16_t>(a + 1));
    const float between = wide + (next - wide) / 2;  // a tie
    ASSERT_TRUE(same(T(between), want.from_float(between))) << between;
  }
}

TEST(CudaHeadersTest, Bfloat16HasTheBitsOfTheToolkit) { expect_same<__nv_bfloat16>(kToolkitBf16); }
TEST(CudaHeadersTest, HalfHasTheBitsOfTheToolkit) { expect_same<__half>(kToolkitHalf); }

}  // namespace
}  // namespace nagare::test
