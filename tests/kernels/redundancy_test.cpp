#include "kernels/redundancy.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

#include "kernels/dispatch.h"
#include "kernels/parallel.h"
#include "tests/support/devices.h"
#include "tests/support/matrix.h"

namespace nagare {
namespace {

using kernels::kPartners;
using kernels::Redundancy;
using kernels::RedundancyLists;
using test::Matrix;

// A buffer with its lists, on a device.
template <class T>
class Kept {
 public:
  Kept(Device device, std::int64_t slots, std::int64_t dim)
      : features(slots, dim),
        ages(static_cast<std::size_t>(slots), -1),
        device_(device),
        p_{.slots = slots, .dim = dim},
        feature_(Tensor::empty({slots, dim}, {.dtype = kDTypeOf<T>, .device = device})),
        age_(Tensor::empty({slots}, {.dtype = DType::i64, .device = device})),
        similarity_(Tensor::empty({slots, kPartners}, {.device = device})),
        partner_(Tensor::empty({slots, kPartners}, {.device = device})),
        floor_(Tensor::empty({slots}, {.device = device})),
        norm_(Tensor::empty({slots}, {.device = device})),
        scratch_(Tensor::empty({p_.scratch_bytes(device)}, {.dtype = DType::u8, .device = device})) {
    clear();
  }

  void clear() { NAGARE_DISPATCH(device_, redundancy_clear(p_, lists(), compute_stream(device_))); }

  void update(const std::vector<std::int64_t>& changed) {
    std::vector<T> values;
    for (const double v : features.values()) values.push_back(T(static_cast<float>(v)));
    feature_.copy_from(Tensor::from(values, feature_.shape()));
    age_.copy_from(Tensor::from(ages, age_.shape()));
    const auto count = static_cast<std::int64_t>(changed.size());
    const Tensor slots = Tensor::from(changed, {count}, device_);
    NAGARE_DISPATCH(device_, redundancy_update<T>(p_, feature_.data<T>(), age_.data<std::int64_t>(),
                                                  slots.data<std::int64_t>(), count, lists(), scratch_.raw(),
                                                  compute_stream(device_)));
  }

  std::vector<std::int64_t> evict(std::int64_t count) {
    const Tensor victim = Tensor::empty({count}, {.dtype = DType::i64, .device = device_});
    NAGARE_DISPATCH(
        device_, redundancy_evict<T>(p_, feature_.data<T>(), age_.data<std::int64_t>(), count, lists(),
                                     victim.data<std::int64_t>(), scratch_.raw(), compute_stream(device_)));
    const std::vector<std::int64_t> gone = victim.to_vector<std::int64_t>();
    for (const std::int64_t slot : gone) {
      if (slot >= 0) ages[static_cast<std::size_t>(slot)] = -1;
    }
    return gone;
  }

  // What the lists promise, against sums in double.
  void expect_true_lists(double tolerance) const {
    const std::vector<float> similarity = similarity_.to_vector<float>();
    const std::vector<float> floor = floor_.to_vector<float>();
    const Tensor host = partner_.to(Device::cpu);
    const auto* partner = reinterpret_cast<const std::int32_t*>(host.data<float>());
    for (std::int64_t i = 0; i < p_.slots; ++i) {
      if (ages[static_cast<std::size_t>(i)] < 0) continue;
      std::vector<std::int64_t> listed;
      for (std::int64_t at = i * kPartners; at < (i + 1) * kPartners; ++at) {
        if (partner[at] < 0) continue;
        listed.push_back(partner[at]);
        ASSERT_NEAR(similarity[static_cast<std::size_t>(at)], product(i, partner[at]), tolerance);
      }
      bool alone = true;
      for (std::int64_t j = 0; j < p_.slots; ++j) {
        if (j == i || ages[static_cast<std::size_t>(j)] < 0) continue;
        alone = false;
        if (std::ranges::count(listed, j) == 0) {
          ASSERT_LE(product(i, j), floor[static_cast<std::size_t>(i)] + tolerance) << i << " " << j;
        }
      }
      ASSERT_EQ(listed.empty(), alone) << i;
      if (!alone) {
        ASSERT_GE(similarity[static_cast<std::size_t>(i * kPartners)], floor[static_cast<std::size_t>(i)]);
      }
    }
  }

  // The rule, on whole rows, in double.
  std::vector<std::int64_t> definition(std::int64_t count) const {
    std::vector<std::int64_t> left = ages;
    std::vector<std::int64_t> gone;
    for (std::int64_t n = 0; n < count; ++n) {
      double best = -INFINITY;
      std::int64_t victim = -1;
      for (std::int64_t i = 0; i < p_.slots; ++i) {
        if (left[static_cast<std::size_t>(i)] < 0) continue;
        double most = -1e300;
        for (std::int64_t j = 0; j < p_.slots; ++j) {
          if (j != i && left[static_cast<std::size_t>(j)] >= 0) most = std::max(most, product(i, j));
        }
        const bool older =
            victim >= 0 && left[static_cast<std::size_t>(i)] < left[static_cast<std::size_t>(victim)];
        if (most > best || (most == best && older)) {
          best = most;
          victim = i;
        }
      }
      gone.push_back(victim);
      if (victim >= 0) left[static_cast<std::size_t>(victim)] = -1;
    }
    return gone;
  }

  Matrix features;
  std::vector<std::int64_t> ages;

 private:
  // Symmetric, as the kernel's must be.
  double product(std::int64_t i, std::int64_t j) const {
    double sum = 0.0;
    for (std::int64_t d = 0; d < p_.dim; ++d) sum += features(i, d) * features(j, d);
    return sum;
  }
  RedundancyLists lists() const {
    return {.similarity = similarity_.data<float>(),
            .partner = reinterpret_cast<std::int32_t*>(partner_.data<float>()),
            .floor = floor_.data<float>(),
            .norm = norm_.data<float>()};
  }

  Device device_;
  Redundancy p_;
  Tensor feature_, age_, similarity_, partner_, floor_, norm_, scratch_;
};

// Multiples of 1/4, exact in every type and sum, with many equal pairs.
void set_row(Matrix& m, std::int64_t row, std::uint32_t seed) {
  const Matrix values = test::normal(1, m.cols(), seed);
  for (std::int64_t d = 0; d < m.cols(); ++d) m(row, d) = std::round(4.0 * values(0, d)) / 4.0;
}

template <class T>
void follow_a_stream(Device device, std::int64_t slots, std::int64_t dim) {
  Kept<T> kept(device, slots, dim);
  std::int64_t clock = 0;
  std::uint32_t seed = 0;
  for (int step = 0; step < 6; ++step) {
    // Fill every free slot but each seventh, the last slot first: age is not the place.
    std::vector<std::int64_t> changed;
    for (std::int64_t i = slots - 1; i >= 0; --i) {
      auto& age = kept.ages[static_cast<std::size_t>(i)];
      if (age >= 0 || (i + step) % 7 == 6) continue;
      age = clock++;
      changed.push_back(i);
      set_row(kept.features, i, ++seed % 31);  // some are copies of others
    }
    // Some that were there change too, one leaves.
    for (std::int64_t i = step; i < slots; i += 5) {
      if (kept.ages[static_cast<std::size_t>(i)] < 0 || std::ranges::count(changed, i) > 0) continue;
      set_row(kept.features, i, ++seed);
      if (i % 2 == 0) kept.ages[static_cast<std::size_t>(i)] = -1;
      changed.push_back(i);
    }
    kept.update(changed);
    kept.expect_true_lists(1e-9);
    const auto present = std::ranges::count_if(kept.ages, [](std::int64_t age) { return age >= 0; });
    const std::int64_t count = step == 4 ? present + 1 : present / 2;
    const std::vector<std::int64_t> want = kept.definition(count);
    ASSERT_EQ(kept.evict(count), want) << "step " << step;
  }
}

struct Size {
  std::int64_t slots, dim;
};
void PrintTo(const Size& s, std::ostream* out) { *out << s.slots << " x " << s.dim; }
struct RedundancyTest : testing::TestWithParam<std::tuple<Device, Size>> {};

TEST_P(RedundancyTest, FollowsAStreamAsTheDefinitionDoes) {
  const auto [device, size] = GetParam();
  follow_a_stream<float>(device, size.slots, size.dim);
  follow_a_stream<bf16>(device, size.slots, size.dim);
}

INSTANTIATE_TEST_SUITE_P(Sizes, RedundancyTest,  // 128 slots are a tile of the CUDA twin
                         testing::Combine(testing::ValuesIn(test::devices()),
                                          testing::Values(Size{1, 1}, Size{2, 3}, Size{5, 17}, Size{33, 1},
                                                          Size{33, 17}, Size{131, 3})));

struct RedundancyEdges : testing::TestWithParam<Device> {
  Device device = GetParam();
};

// More rows and slots than a tile of either twin, and real numbers, whose products round.
TEST_P(RedundancyEdges, TilesAgreeWithTheRuleAndALaterRebuildWithTheLists) {
  const std::int64_t slots = 530;
  Kept<float> kept(device, slots, 29);
  std::vector<std::int64_t> all;
  kept.features = test::normal(slots, 29, 1);
  for (std::int64_t i = 0; i < slots; ++i) {
    kept.ages[static_cast<std::size_t>(i)] = (i * 7) % slots;
    all.push_back(i);
    if (i % 10 == 3) {  // copies: exact ties in rounded sums, in different tiles
      for (std::int64_t d = 0; d < 29; ++d) kept.features(i, d) = kept.features((i * 31) % 100, d);
    }
  }
  kept.update(all);
  kept.expect_true_lists(1e-5);
  const std::vector<std::int64_t> want = kept.definition(60);
  EXPECT_EQ(kept.evict(60), want);
  // Next step: a few changes and a second eviction, with the lists as they are or made anew.
  std::vector<std::int64_t> changed;
  for (std::int64_t i = 0; i < slots; i += 9) {
    if (kept.ages[static_cast<std::size_t>(i)] < 0) continue;
    for (std::int64_t d = 0; d < 29; ++d) kept.features(i, d) = kept.features((i + 4) % slots, d) + 0.125;
    changed.push_back(i);
  }
  Kept<float> rebuilt(device, slots, 29);
  rebuilt.features = kept.features;
  rebuilt.ages = kept.ages;
  kept.update(changed);
  rebuilt.update(all);
  const std::vector<std::int64_t> incremental = kept.evict(100);
  EXPECT_EQ(incremental, rebuilt.evict(100));
}

// All entries are one point: every pair is the most similar, the oldest go in order.
TEST_P(RedundancyEdges, OnePointLosesItsOldest) {
  const std::int64_t slots = 150;
  Kept<float> kept(device, slots, 7);
  std::vector<std::int64_t> all;
  const Matrix point = test::normal(1, 7, 5);
  for (std::int64_t i = 0; i < slots; ++i) {
    all.push_back(i);
    kept.ages[static_cast<std::size_t>(i)] = slots - i;
    for (std::int64_t d = 0; d < 7; ++d) kept.features(i, d) = point(0, d);
  }
  kept.update(all);
  std::vector<std::int64_t> want;
  for (std::int64_t i = 0; i < 100; ++i) want.push_back(slots - 1 - i);
  EXPECT_EQ(kept.evict(100), want);
}

TEST_P(RedundancyEdges, ANanIsSimilarToNothing) {
  Kept<float> kept(device, 40, 3);
  std::vector<std::int64_t> all;
  for (std::int64_t i = 0; i < 40; ++i) {
    all.push_back(i);
    set_row(kept.features, i, static_cast<std::uint32_t>(i));
    kept.ages[static_cast<std::size_t>(i)] = i;
  }
  kept.features(11, 1) = NAN;
  kept.ages[11] = 100;
  kept.update(all);
  EXPECT_EQ(kept.evict(40).back(), 11);
}

// Column 0 alone is a large product, and every pair has a column of its own with one larger and negative: in one order of the sum it
// overflows downwards, in another it does not. Every victim is an entry, and each goes once.
TEST_P(RedundancyEdges, WhatOverflowsIsStillEvictedOnce) {
  constexpr std::int64_t kSlots = 16;
  constexpr std::int64_t kDim = 1 + kSlots * (kSlots - 1) / 2;
  for (const float large : {1.8e19F, 2e19F, 3e19F, 1e30F}) {
    Kept<float> kept(device, kSlots, kDim);
    std::vector<std::int64_t> all;
    std::int64_t column = 1;
    for (std::int64_t i = 0; i < kSlots; ++i) {
      all.push_back(i);
      kept.ages[static_cast<std::size_t>(i)] = i;
      for (std::int64_t d = 0; d < kDim; ++d) kept.features(i, d) = 0.0;
      kept.features(i, 0) = 1.73e19F;
    }
    for (std::int64_t i = 0; i < kSlots; ++i) {
      for (std::int64_t j = i + 1; j < kSlots; ++j, ++column) {
        kept.features(i, column) = large;
        kept.features(j, column) = -large;
      }
    }
    kept.update(all);
    std::vector<std::int64_t> victims = kept.evict(kSlots);
    std::ranges::sort(victims);
    EXPECT_EQ(victims, all) << "values of " << large;
  }
}

TEST(RedundancyErrors, NonsenseIsRefusedByName) {
  const auto refused =
      testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr("redundancy: features (0, 3)"));
  EXPECT_THAT(([] { Redundancy{.slots = 0, .dim = 3}.check(); }), refused);
  EXPECT_THROW((Redundancy{.slots = 3, .dim = 0}.check()), std::invalid_argument);
  EXPECT_THROW((Redundancy{.slots = std::int64_t{1} << 31, .dim = 1}.check()), std::invalid_argument);
}

TEST(RedundancyThreads, TheirNumberChangesNothing) {
  const int before = threads();
  std::vector<std::int64_t> one;
  for (const int number : {1, 3}) {
    set_threads(number);
    Kept<float> kept(Device::cpu, 1100, 19);
    kept.features = test::normal(1100, 19, 1);
    std::vector<std::int64_t> all;
    for (std::int64_t i = 0; i < 1100; ++i) {
      all.push_back(i);
      kept.ages[static_cast<std::size_t>(i)] = i;
    }
    kept.update(all);
    const std::vector<std::int64_t> gone = kept.evict(300);
    if (number == 1) one = gone;
    EXPECT_EQ(gone, one);
  }
  set_threads(before);
}

INSTANTIATE_TEST_SUITE_P(Devices, RedundancyEdges, testing::ValuesIn(test::devices()));

}  // namespace
}  // namespace nagare
