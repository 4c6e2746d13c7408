#include "kernels/nearest.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <random>

#include "kernels/dispatch.h"
#include "kernels/parallel.h"
#include "tests/support/devices.h"
#include "tests/support/matrix.h"

namespace nagare {
namespace {

using kernels::Nearest;
using test::Matrix;

enum class Search : std::uint8_t { f32, bf16, through_bf16 };
void PrintTo(Search search, std::ostream* out) {
  *out << std::array{"f32", "bf16", "through bf16"}[static_cast<std::size_t>(search)];
}

struct Found {
  std::vector<float> similarity;
  std::vector<std::int64_t> index;
  bool operator==(const Found&) const = default;
};

Tensor on_device(const Matrix& m, Device device, bool half) {
  if (half) {
    std::vector<bf16> values;
    for (const double v : m.values()) values.emplace_back(static_cast<float>(v));
    return Tensor::from(values, {m.rows(), m.cols()}, device);
  }
  return Tensor::from(std::vector<float>(m.values().begin(), m.values().end()), {m.rows(), m.cols()}, device);
}

struct Problem {
  Matrix query;
  Matrix bank;
  std::int64_t k;
  std::vector<float> penalty = {};
};

Found nearest(Device device, Search search, const Problem& problem) {
  const Nearest p{.queries = problem.query.rows(),
                  .bank = problem.bank.rows(),
                  .dim = problem.bank.cols(),
                  .k = problem.k,
                  .through_bf16 = search == Search::through_bf16};
  const bool half = search == Search::bf16;
  const Tensor query = on_device(problem.query, device, half);
  const Tensor bank = on_device(problem.bank, device, half);
  const bool penalised = !problem.penalty.empty();
  const Tensor penalty = penalised ? Tensor::from(problem.penalty, {p.bank}, device) : Tensor();
  const float* penalties = penalised ? penalty.data<float>() : nullptr;
  const Tensor similarity = Tensor::empty({p.queries, p.k}, {.device = device});
  const Tensor index = Tensor::empty({p.queries, p.k}, {.dtype = DType::i64, .device = device});
  const Tensor scratch = Tensor::empty({p.scratch_bytes(device)}, {.dtype = DType::u8, .device = device});
  const Stream stream = compute_stream(device);
  if (half) {
    NAGARE_DISPATCH(device, nearest<bf16>(p, query.data<bf16>(), bank.data<bf16>(), penalties, scratch.raw(),
                                          similarity.data<float>(), index.data<std::int64_t>(), stream));
  } else {
    NAGARE_DISPATCH(device,
                    nearest<float>(p, query.data<float>(), bank.data<float>(), penalties, scratch.raw(),
                                   similarity.data<float>(), index.data<std::int64_t>(), stream));
  }
  return {similarity.to_vector<float>(), index.to_vector<std::int64_t>()};
}

double key(const Problem& problem, std::int64_t q, std::int64_t n) {
  double sum = problem.penalty.empty() ? 0.0 : -problem.penalty[static_cast<std::size_t>(n)];
  for (std::int64_t d = 0; d < problem.bank.cols(); ++d) sum += problem.query(q, d) * problem.bank(n, d);
  return sum;
}

// Whole rows of keys, sorted.
Found definition(const Problem& problem) {
  Found found;
  for (std::int64_t q = 0; q < problem.query.rows(); ++q) {
    std::vector<double> keys;
    for (std::int64_t n = 0; n < problem.bank.rows(); ++n) keys.push_back(key(problem, q, n));
    std::vector<std::int64_t> order(keys.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, std::greater{},
                             [&](std::int64_t n) { return keys[static_cast<std::size_t>(n)]; });
    for (std::int64_t i = 0; i < problem.k; ++i) {
      found.index.push_back(order[static_cast<std::size_t>(i)]);
      found.similarity.push_back(static_cast<float>(keys[static_cast<std::size_t>(found.index.back())]));
    }
  }
  return found;
}

// Small integers: every sum is exact in all types, and there are many ties.
Matrix integers(std::int64_t rows, std::int64_t cols, std::uint32_t seed) {
  Matrix m = test::normal(rows, cols, seed);
  for (double& v : m.values()) v = std::round(2.0 * v);
  return m;
}

struct Size {
  std::int64_t queries, bank, dim, k;
};
void PrintTo(const Size& s, std::ostream* out) {
  *out << s.queries << " of " << s.bank << " x " << s.dim << ", k " << s.k;
}

struct NearestTest : testing::TestWithParam<std::tuple<Device, Search, Size>> {
  Device device = std::get<0>(GetParam());
  Search search = std::get<1>(GetParam());
  Size size = std::get<2>(GetParam());
};

TEST_P(NearestTest, MatchesTheDefinitionTiesIncluded) {
  Problem problem{
      .query = integers(size.queries, size.dim, 1), .bank = integers(size.bank, size.dim, 2), .k = size.k};
  EXPECT_EQ(nearest(device, search, problem), definition(problem));
  for (std::int64_t n = 0; n < size.bank; ++n)
    problem.penalty.push_back(static_cast<float>(n * 5 % 7) - 3.0F);
  EXPECT_EQ(nearest(device, search, problem), definition(problem));
}

TEST_P(NearestTest, SimilaritiesAreThoseOfTheNearestOnRealNumbers) {
  const Problem problem{.query = test::normal(size.queries, size.dim, 3),
                        .bank = test::normal(size.bank, size.dim, 4),
                        .k = size.k};
  const Found got = nearest(device, search, problem);
  const Found want = definition(problem);
  // f32 sums of `dim` products; bf16 rows are off by 2^-8 of |q| |b|.
  const double tolerance = (search == Search::bf16 ? 0x1p-7 : 1e-6) * static_cast<double>(size.dim + 4);
  for (std::size_t i = 0; i < got.index.size(); ++i) {
    ASSERT_NEAR(got.similarity[i], want.similarity[i], tolerance);
    const auto q = static_cast<std::int64_t>(i) / size.k;
    ASSERT_NEAR(key(problem, q, got.index[i]), got.similarity[i], tolerance);
  }
  EXPECT_EQ(nearest(device, search, problem), got) << "the second time";
}

// 64 queries and 512 rows are a tile of the CPU twin, 128 and 128 one of the CUDA twin.
const Size kSizes[] = {{1, 1, 1, 1},   {0, 3, 2, 1},       {2, 3, 1, 2},
                       {5, 31, 7, 31}, {3, 513, 16, 200},  {63, 127, 3, 5},
                       {1, 700, 2, 1}, {129, 257, 17, 64}, {2, 1031, 5, 450}};

INSTANTIATE_TEST_SUITE_P(Sizes, NearestTest,
                         testing::Combine(testing::ValuesIn(test::devices()),
                                          testing::Values(Search::f32, Search::bf16, Search::through_bf16),
                                          testing::ValuesIn(kSizes)));

struct NearestEdges : testing::TestWithParam<std::tuple<Device, Search>> {
  Device device = std::get<0>(GetParam());
  Search search = std::get<1>(GetParam());
};

// Every row passes the threshold; none does after the first k; all rows are one point.
TEST_P(NearestEdges, TheOrderOfTheBankDoesNotMatter) {
  for (const double slope : {1.0, -1.0, 0.0}) {
    Problem problem{.query = Matrix{{1, 0}, {0, 1}}, .bank = Matrix(1500, 2), .k = 20};
    for (std::int64_t n = 0; n < 1500; ++n) {
      problem.bank(n, 0) = 1.0 + slope * static_cast<double>(n % 128) / 128;
      problem.bank(n, 1) = slope * static_cast<double>(n / 12);
    }
    EXPECT_EQ(nearest(device, search, problem), definition(problem)) << slope;
  }
}

TEST_P(NearestEdges, ANanSpoilsItsOwnQueryAlone) {
  Problem problem{.query = integers(3, 4, 1), .bank = integers(600, 4, 2), .k = 3};
  const Found want = definition(problem);
  problem.query(1, 2) = NAN;
  const Found got = nearest(device, search, problem);
  for (std::size_t i = 0; i < 9; ++i) {
    if (i / 3 == 1) {
      EXPECT_TRUE(std::isnan(got.similarity[i]));
      EXPECT_EQ(got.index[i], -1);
    } else {
      EXPECT_EQ(got.similarity[i], want.similarity[i]);
      EXPECT_EQ(got.index[i], want.index[i]);
    }
  }
  problem.query(1, 2) = 1.0;
  problem.bank(577, 0) = NAN;
  EXPECT_THAT(nearest(device, search, problem).index, testing::Each(-1));
}

TEST_P(NearestEdges, InfinitiesHaveTheirPlaceAndZerosAreEqual) {
  const Problem far{.query = {{1.0, 0.0}}, .bank = {{-INFINITY, 1}, {5, 1}, {INFINITY, 1}, {-2, 1}}, .k = 4};
  // 0 times infinity is NaN, so the second column must not be 0.
  Problem problem = far;
  problem.query(0, 1) = 1.0;
  EXPECT_THAT(nearest(device, search, problem).index, testing::ElementsAre(2, 1, 3, 0));
  const Problem zeros{.query = {{0.0, 1.0}}, .bank = {{1, -0.0}, {-1, 0.0}, {-1, -0.0}, {1, 0.0}}, .k = 3};
  EXPECT_THAT(nearest(device, search, zeros).index, testing::ElementsAre(0, 1, 2));
}

// Whatever their places, equal rows have equal bits and the lower one comes first.
TEST_P(NearestEdges, CopiesOfARowAreInTheirOrder) {
  for (const std::int64_t dim : {3, 64, 129}) {
    Problem problem{.query = test::normal(70, dim, 1), .bank = test::normal(701, dim, 2), .k = 12};
    const std::int64_t places[] = {0, 15, 16, 17, 127, 128, 511, 512, 513, 640, 699, 700};
    for (const std::int64_t n : places) {
      for (std::int64_t d = 0; d < dim; ++d) problem.bank(n, d) = 10.0 * problem.bank(0, d);
      if (n == 0) continue;
      for (std::int64_t d = 0; d < dim; ++d) problem.bank(n, d) = problem.bank(0, d);
    }
    const Found got = nearest(device, search, problem);
    for (std::int64_t q = 0; q < 70; ++q) {
      const auto* row = &got.index[static_cast<std::size_t>(q * 12)];
      if (std::find(row, row + 12, 0) == row + 12) continue;  // on the other side
      const auto* found = std::find(row, row + 12, 0);
      const auto same = std::min<std::ptrdiff_t>(row + 12 - found, std::size(places));
      EXPECT_TRUE(std::equal(found, found + same, std::begin(places))) << "query " << q << ", dim " << dim;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, NearestEdges,
                         testing::Combine(testing::ValuesIn(test::devices()),
                                          testing::Values(Search::f32, Search::bf16, Search::through_bf16)));

struct NearestDevices : testing::TestWithParam<Device> {};

// 40 clusters: the rows of a cluster are nearer to one another than bf16 can tell. Neighbours must be those of f32.
TEST_P(NearestDevices, RoundedCopiesLoseNoNeighbour) {
  const std::int64_t dim = 24;
  const Matrix centres = test::normal(40, dim, 1);
  const auto cluster = [&](std::int64_t rows, std::uint32_t seed) {
    Matrix m = test::normal(rows, dim, seed);
    for (std::int64_t r = 0; r < rows; ++r) {
      double squared = 0.0;
      for (std::int64_t d = 0; d < dim; ++d) {
        m(r, d) = centres(r % 40, d) + 0.02 * m(r, d);
        squared += m(r, d) * m(r, d);
      }
      for (double& v : m.row(r)) v = static_cast<float>(v / std::sqrt(squared));
    }
    return m;
  };
  const Problem problem{.query = cluster(50, 2), .bank = cluster(2000, 3), .k = 30};
  const Found got = nearest(GetParam(), Search::through_bf16, problem);
  const Found want = definition(problem);
  int beyond = 0;  // farther than the true i-th neighbour by more than f32 sums may be off
  int moved = 0;
  const Found rounded = nearest(GetParam(), Search::bf16, problem);
  for (std::size_t i = 0; i < want.index.size(); ++i) {
    const auto q = static_cast<std::int64_t>(i / 30);
    beyond += key(problem, q, got.index[i]) < want.similarity[i] - 1e-6 ? 1 : 0;
    moved += rounded.index[i] != want.index[i] ? 1 : 0;
  }
  EXPECT_EQ(beyond, 0);
  EXPECT_GT(moved, 100) << "the data must be hard for bf16";
}

TEST_P(NearestDevices, NonsenseIsRefusedByName) {
  const auto check = [](const Nearest& p) { return [p] { p.check(); }; };
  const auto refused = testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr("nearest: "));
  EXPECT_THAT(check({.queries = -1, .bank = 2, .dim = 3, .k = 1}), refused);
  EXPECT_THAT(check({.queries = 1, .bank = 0, .dim = 3, .k = 1}), refused);
  EXPECT_THAT(check({.queries = 1, .bank = 2, .dim = 0, .k = 1}), refused);
  EXPECT_THAT(check({.queries = 1, .bank = 2, .dim = 3, .k = 0}), refused);
  EXPECT_THAT(check({.queries = 1, .bank = 2, .dim = 3, .k = 3}),
              testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr("bank (2, 3), k 3")));
  EXPECT_THAT(check({.queries = 1, .bank = std::int64_t{1} << 31, .dim = 3, .k = 3}), refused);
  const Device device = GetParam();
  EXPECT_THAT(
      [&] {
        NAGARE_DISPATCH(
            device, nearest<bf16>({.queries = 1, .bank = 2, .dim = 3, .k = 1, .through_bf16 = true}, nullptr,
                                  nullptr, nullptr, nullptr, nullptr, nullptr, compute_stream(device)));
      },
      testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr("rounded already")));
}

INSTANTIATE_TEST_SUITE_P(Devices, NearestDevices, testing::ValuesIn(test::devices()));

TEST(NearestThreads, TheirNumberChangesNoBit) {
  const Problem problem{.query = test::normal(300, 19, 1), .bank = test::normal(900, 19, 2), .k = 11};
  const int before = threads();
  for (const Search search : {Search::f32, Search::bf16, Search::through_bf16}) {
    set_threads(1);
    const Found one = nearest(Device::cpu, search, problem);
    set_threads(3);
    EXPECT_EQ(nearest(Device::cpu, search, problem), one);
  }
  set_threads(before);
}

}  // namespace
}  // namespace nagare
