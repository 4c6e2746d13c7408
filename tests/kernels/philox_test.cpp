#include "kernels/philox.h"

#include <gtest/gtest.h>

#include <set>

namespace nagare {
namespace {

// Golden values of the Random123 distribution (kat_vectors, philox4x32-10).
TEST(PhiloxTest, MatchesThePublishedVectors) {
  const PhiloxBlock zero = philox4x32({{0, 0, 0, 0}}, 0);
  EXPECT_EQ(zero.word[0], 0x6627e8d5U);
  EXPECT_EQ(zero.word[1], 0xe169c58dU);
  EXPECT_EQ(zero.word[2], 0xbc57ac4cU);
  EXPECT_EQ(zero.word[3], 0x9b00dbd8U);
  const std::uint32_t ones = 0xffffffffU;
  const PhiloxBlock all = philox4x32({{ones, ones, ones, ones}}, UINT64_MAX);
  EXPECT_EQ(all.word[0], 0x408f276dU);
  EXPECT_EQ(all.word[1], 0x41c83b0eU);
  EXPECT_EQ(all.word[2], 0xa20bc7c6U);
  EXPECT_EQ(all.word[3], 0x6d5451fdU);
  const PhiloxBlock pi =
      philox4x32({{0x243f6a88U, 0x85a308d3U, 0x13198a2eU, 0x03707344U}}, 0x299f31d0a4093822U);
  EXPECT_EQ(pi.word[0], 0xd16cfe09U);
  EXPECT_EQ(pi.word[1], 0x94fdccebU);
  EXPECT_EQ(pi.word[2], 0x5001e420U);
  EXPECT_EQ(pi.word[3], 0x24126ea1U);
}

TEST(PhiloxTest, EveryPartOfTheKeyChangesTheStream) {
  const RandomKey base{.seed = 1, .purpose = Purpose::augment, .step = 2, .sample = 3, .view = 4};
  std::set<std::uint32_t> first{Philox(base).next()};
  for (const RandomKey& other :
       {RandomKey{2, Purpose::augment, 2, 3, 4}, RandomKey{1, Purpose::buffer, 2, 3, 4},
        RandomKey{1, Purpose::augment, 9, 3, 4}, RandomKey{1, Purpose::augment, 2, 9, 4},
        RandomKey{1, Purpose::augment, 2, 3, 9}}) {
    EXPECT_TRUE(first.insert(Philox(other).next()).second);
  }
}

TEST(PhiloxTest, UniformStaysBelowOneAndHasTheRightMean) {
  Philox random({.seed = 7});
  double sum = 0.0;
  for (int i = 0; i < 100000; ++i) {
    const float u = random.uniform();
    ASSERT_GE(u, 0.0F);
    ASSERT_LT(u, 1.0F);
    sum += u;
  }
  EXPECT_NEAR(sum / 100000, 0.5, 0.005);
}

TEST(PhiloxTest, BelowCoversItsRange) {
  Philox random({.seed = 7});
  std::set<std::uint32_t> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(random.below(7));
  EXPECT_EQ(seen, (std::set<std::uint32_t>{0, 1, 2, 3, 4, 5, 6}));
}

}  // namespace
}  // namespace nagare
