#include "kernels/vote.h"

#include <gmock/gmock.h>

#include <cmath>

#include "kernels/dispatch.h"
#include "tests/support/devices.h"
#include "tests/support/matrix.h"

namespace nagare {
namespace {

using kernels::Vote;
using kernels::VoteWeight;
using test::Matrix;

struct Ballot {
  std::vector<float> similarity;
  std::vector<std::int64_t> index;
  std::vector<std::int64_t> label;
};

std::vector<double> vote(Device device, const Vote& p, const Ballot& ballot) {
  const Tensor similarity = Tensor::from(ballot.similarity, {p.queries, p.k}, device);
  const Tensor index = Tensor::from(ballot.index, {p.queries, p.k}, device);
  const Tensor label = Tensor::from(ballot.label, {p.bank}, device);
  const Tensor score = Tensor::full({2 * p.queries * p.classes}, 7.0F, {.device = device});  // f64 fits
  double* scores = static_cast<double*>(score.raw());
  NAGARE_DISPATCH(device, vote(p, similarity.data<float>(), index.data<std::int64_t>(),
                               label.data<std::int64_t>(), scores, compute_stream(device)));
  std::vector<double> host(static_cast<std::size_t>(p.queries * p.classes));
  copy_bytes({host.data(), Device::cpu}, {scores, device}, host.size() * sizeof(double));
  return host;
}

struct VoteTest : testing::TestWithParam<std::tuple<Device, VoteWeight, std::int64_t, std::int64_t>> {};

TEST_P(VoteTest, MatchesTheDefinition) {
  const auto [device, weight, k, classes] = GetParam();
  const Vote p{.queries = 5, .k = k, .bank = 41, .classes = classes, .weight = weight, .temperature = 0.1F};
  const Matrix similarity = test::normal(p.queries, k, 1);
  Ballot ballot{
      .similarity = {similarity.values().begin(), similarity.values().end()}, .index = {}, .label = {}};
  for (std::int64_t n = 0; n < p.bank; ++n) ballot.label.push_back(n * n % classes);
  for (std::int64_t i = 0; i < p.queries * k; ++i) ballot.index.push_back(i * 17 % p.bank);
  std::vector<double> want(static_cast<std::size_t>(p.queries * classes));
  for (std::size_t i = 0; i < ballot.index.size(); ++i) {
    const double s = ballot.similarity[i];
    const double w = weight == VoteWeight::one          ? 1.0
                     : weight == VoteWeight::similarity ? s
                                                        : std::exp(s / 0.1F);
    const auto c = ballot.label[static_cast<std::size_t>(ballot.index[i])];
    want[i / static_cast<std::size_t>(k) * static_cast<std::size_t>(classes) + static_cast<std::size_t>(c)] +=
        w;
  }
  const std::vector<double> got = vote(device, p, ballot);
  for (std::size_t i = 0; i < want.size(); ++i)
    EXPECT_NEAR(got[i], want[i], 1e-12 * (1.0 + std::abs(want[i])));
  EXPECT_EQ(vote(device, p, ballot), got);
}

INSTANTIATE_TEST_SUITE_P(Sizes, VoteTest,
                         testing::Combine(testing::ValuesIn(test::devices()),
                                          testing::Values(VoteWeight::one, VoteWeight::similarity,
                                                          VoteWeight::exponential),
                                          testing::Values(1, 31, 33, 200), testing::Values(1, 10, 37)));

struct VoteEdges : testing::TestWithParam<Device> {};

TEST_P(VoteEdges, StrangersHaveNoVoteAndColdTemperaturesStayFinite) {
  const Vote p{.queries = 1, .k = 5, .bank = 3, .classes = 2, .temperature = 0.002F};
  const std::vector<double> got =
      vote(GetParam(), p, {.similarity = {1, 1, 1, 1, 1}, .index = {0, 1, 2, -1, 3}, .label = {0, -1, 2}});
  EXPECT_NEAR(got[0] / std::exp(1.0 / 0.002F), 1.0, 1e-12);
  EXPECT_EQ(got[1], 0.0);
}

TEST_P(VoteEdges, NoQueriesAreFine) {
  const Vote p{.queries = 0, .k = 1, .bank = 1, .classes = 2};
  EXPECT_TRUE(vote(GetParam(), p, {.similarity = {}, .index = {}, .label = {0}}).empty());
}

INSTANTIATE_TEST_SUITE_P(Devices, VoteEdges, testing::ValuesIn(test::devices()));

TEST(VoteErrors, NonsenseIsRefusedByName) {
  for (const Vote& bad : {Vote{.queries = -1, .k = 1, .bank = 1, .classes = 1},
                          Vote{.queries = 1, .k = 0, .bank = 1, .classes = 1},
                          Vote{.queries = 1, .k = 1, .bank = 0, .classes = 1},
                          Vote{.queries = 1, .k = 1, .bank = 1, .classes = 0},
                          Vote{.queries = 1, .k = 1, .bank = 1, .classes = 1, .temperature = NAN},
                          Vote{.queries = 1, .k = 1, .bank = 1, .classes = 1, .temperature = 0.0F}}) {
    EXPECT_THAT([&] { bad.check(); },
                testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr("vote: ")));
  }
}

}  // namespace
}  // namespace nagare
