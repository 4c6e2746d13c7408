#include <gmock/gmock.h>

#include "engine/ops/sinkhorn.h"
#include "tests/support/devices.h"
#include "tests/support/gradient.h"

namespace nagare {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

struct SinkhornOp : testing::TestWithParam<Device> {
  Device device = GetParam();
  Tensor tensor(const Shape& shape, std::uint32_t seed, DType dtype = DType::f32) const {
    test::Values values = test::normal_values(shape.numel(), seed, dtype);
    for (double& v : values) v *= 0.125;
    return test::to_tensor(values, shape, dtype, device);
  }
};

TEST_P(SinkhornOp, RowsSumToOneAndPrototypesAreUsedAlike) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const Tensor q = sinkhorn(tensor({12, 4}, 1, dtype), {.iterations = 100});
    ASSERT_EQ(q.dtype(), DType::f32);
    const test::Values values = test::to_values(q);
    for (std::size_t b = 0; b < 12; ++b) {
      double sum = 0.0;
      for (std::size_t k = 0; k < 4; ++k) sum += values[b * 4 + k];
      EXPECT_NEAR(sum, 1.0, 1e-5);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      double sum = 0.0;
      for (std::size_t b = 0; b < 12; ++b) sum += values[b * 4 + k];
      EXPECT_NEAR(sum, 3.0, 1e-3);
    }
  }
}

TEST_P(SinkhornOp, TheQueueCountsAsIfItStoodBelow) {
  const Tensor scores = tensor({5, 7}, 1);
  const Tensor queue = tensor({9, 7}, 2);
  test::Values both = test::to_values(scores);
  const test::Values more = test::to_values(queue);
  both.insert(both.end(), more.begin(), more.end());
  const Tensor stacked = sinkhorn(test::to_tensor(both, {14, 7}, DType::f32, device), {});
  EXPECT_TRUE(test::near_values(test::to_values(sinkhorn(scores, {}, queue)),
                                test::to_values(stacked.rows(0, 5)), 1e-6));
}

TEST_P(SinkhornOp, GroupsAreAssignedOnTheirOwn) {
  const Tensor scores = tensor({8, 7}, 1);
  const Tensor queue = tensor({6, 7}, 2);
  const test::Values both = test::to_values(sinkhorn(scores, {.groups = 2}, queue));
  for (std::int64_t g = 0; g < 2; ++g) {
    const test::Values alone = test::to_values(sinkhorn(scores.rows(4 * g, 4), {}, queue.rows(3 * g, 3)));
    EXPECT_EQ(alone, test::Values(both.begin() + 28 * g, both.begin() + 28 * (g + 1)));
  }
}

TEST_P(SinkhornOp, BothDomainsAgreeAndNothingIsRecorded) {
  Tensor scores = tensor({5, 7}, 3);
  scores.set_requires_grad(true);
  const Tensor linear = sinkhorn(scores, {.epsilon = 0.1F});
  EXPECT_FALSE(linear.requires_grad());
  EXPECT_TRUE(test::near_values(test::to_values(linear),
                                test::to_values(sinkhorn(scores, {.epsilon = 0.1F, .log_domain = true})),
                                4e-6));
}

TEST_P(SinkhornOp, NonsenseIsRefusedByName) {
  const auto refused = [](auto call, const char* text) {
    EXPECT_THAT(call, ThrowsMessage<std::invalid_argument>(HasSubstr(text)));
  };
  const Tensor scores = tensor({5, 7}, 3);
  refused([&] { sinkhorn(tensor({35}, 3), {}); },
          "sinkhorn: scores (35), 1 groups, need (groups * samples, prototypes)");
  refused([&] { sinkhorn(scores, {.groups = 2}); }, "2 groups");
  refused([&] { sinkhorn(scores, {}, tensor({5, 6}, 3)); }, "scores (5, 7), queue (5, 6)");
  refused([&] { sinkhorn(scores, {}, tensor({5, 7}, 3, DType::bf16)); }, "sinkhorn");
  refused([&] { sinkhorn(scores, {.epsilon = -1.0F}); }, "epsilon -1.0");
}

INSTANTIATE_TEST_SUITE_P(Devices, SinkhornOp, testing::ValuesIn(test::devices()));

}  // namespace
}  // namespace nagare
