#include <gmock/gmock.h>

#include "engine/ops/nearest.h"
#include "tests/support/devices.h"

namespace nagare {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

Tensor matrix(const std::vector<float>& values, const Shape& shape, Device device = Device::cpu) {
  return Tensor::from(values, shape, device);
}

TEST(NearestTest, RowsAreFoundAndVote) {
  for (const Device device : test::devices()) {
    const Tensor queries = matrix({1, 0, 0, 1}, {2, 2}, device);
    const Tensor bank = matrix({3, 0, 1, 2, 2, 1}, {3, 2}, device);
    const NearestRows found = nearest(queries, bank, 2);
    EXPECT_THAT(found.index.to_vector<std::int64_t>(), ElementsAre(0, 2, 1, 2));
    EXPECT_THAT(found.similarity.to_vector<float>(), ElementsAre(3, 2, 2, 1));
    const Tensor penalty = matrix({5, 0, 0}, {3}, device);
    EXPECT_THAT(nearest(queries, bank, 1, penalty).index.to_vector<std::int64_t>(), ElementsAre(2, 1));
    const Tensor labels = Tensor::from(std::vector<std::int64_t>{1, 0, 1}, {3}, device);
    const Tensor scores = vote(found, labels, {.classes = 2, .weight = kernels::VoteWeight::similarity});
    EXPECT_THAT(scores.to_vector<double>(), ElementsAre(0, 5, 2, 1));
  }
}

TEST(NearestTest, RefusesWhatDoesNotFit) {
  const Tensor bank = matrix({3, 0, 1, 2, 2, 1}, {3, 2});
  EXPECT_THAT(
      [&] {
        nearest(matrix({1, 2, 3}, {1, 3}), bank, 1);
      },
      ThrowsMessage<std::invalid_argument>(HasSubstr("queries (1, 3), bank (3, 2)")));
  EXPECT_THAT(
      [&] {
        nearest(bank, bank, 1, matrix({1, 2}, {2}));
      },
      ThrowsMessage<std::invalid_argument>(HasSubstr("penalty (2)")));
  EXPECT_THAT([&] { nearest(bank, bank, 4); }, ThrowsMessage<std::invalid_argument>(HasSubstr("k 4")));
  const NearestRows found = nearest(bank, bank, 1);
  EXPECT_THAT(
      [&] {
        vote(found, Tensor::from(std::vector<std::int64_t>{1, 0, 1}, {3}), {.classes = 0});
      },
      ThrowsMessage<std::invalid_argument>(HasSubstr("0 classes")));
}

}  // namespace
}  // namespace nagare
