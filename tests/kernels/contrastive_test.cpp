#include "kernels/contrastive.h"

#include <gmock/gmock.h>

#include <bit>

#include "kernels/dispatch.h"
#include "kernels/parallel.h"
#include "tests/support/devices.h"
#include "tests/support/matrix.h"

namespace nagare {
namespace {

using kernels::Contrastive;
using kernels::ContrastivePositives;
using test::Buffer;
using test::Matrix;

// What the kernels are given, in double. k is empty with self, own without own, labels without labels.
struct Inputs {
  Matrix q, k, own;
  std::vector<std::int64_t> row_labels, column_labels;
};

struct Outputs {
  Matrix loss, stats;
};

struct Gradients {
  Matrix dq, dk;
};

// A matrix on the device in element type T, which holds the values exactly (see rounded()).
template <class T>
class TypedBuffer {
 public:
  TypedBuffer(Device device, const Matrix& m) {
    if (m.numel() == 0) return;
    std::vector<T> values;
    for (const double v : m.values()) values.push_back(T(static_cast<float>(v)));
    tensor_ = Tensor::from(values, {m.rows(), m.cols()}, device);
  }
  const T* data() const { return tensor_.defined() ? tensor_.template data<T>() : nullptr; }

 private:
  Tensor tensor_;
};

Tensor labels_on(Device device, const std::vector<std::int64_t>& labels) {
  return labels.empty() ? Tensor() : Tensor::from(labels, {static_cast<std::int64_t>(labels.size())}, device);
}

template <class T>
struct OnDevice {
  TypedBuffer<T> q, k, own;
  Tensor row_labels, column_labels;
  Buffer scratch;

  OnDevice(Device device, const Contrastive& p, const Inputs& in)
      : q(device, in.q),
        k(device, in.k),
        own(device, in.own),
        row_labels(labels_on(device, in.row_labels)),
        column_labels(labels_on(device, in.column_labels)),
        scratch(device, Matrix(1, p.scratch_floats())) {}
  kernels::ContrastiveInputs<T> inputs(const Contrastive& p) const {
    const auto data = [](const Tensor& t) { return t.defined() ? t.data<std::int64_t>() : nullptr; };
    return {q.data(), p.self ? q.data() : k.data(), own.data(), data(row_labels), data(column_labels)};
  }
};

template <class T>
Outputs forward(Device device, const Contrastive& p, const Inputs& in) {
  const OnDevice<T> at(device, p, in);
  const Buffer stats(device, Matrix(1, p.stats_floats())), loss(device, Matrix(1, p.rows));
  NAGARE_DISPATCH(device, contrastive(p, at.inputs(p), at.scratch.data(), stats.data(), loss.data(),
                                      compute_stream(device)));
  return {loss.to_host(), stats.to_host()};
}

enum class Wanted : std::uint8_t { both, queries, keys };

template <class T>
Gradients backward(Device device, const Contrastive& p, const Inputs& in, const Outputs& out,
                   const Matrix& dloss, Wanted wanted = Wanted::both) {
  const OnDevice<T> at(device, p, in);
  const Buffer stats(device, out.stats), upstream(device, dloss);
  const Buffer dq(device, Matrix(p.rows, p.dim)), dk(device, Matrix(p.columns, p.dim));
  NAGARE_DISPATCH(device,
                  contrastive_backward(p, at.inputs(p), stats.data(), upstream.data(), at.scratch.data(),
                                       wanted == Wanted::keys ? nullptr : dq.data(),
                                       p.self || wanted == Wanted::queries ? nullptr : dk.data(),
                                       compute_stream(device)));
  return {dq.to_host(), dk.to_host()};
}

// The definition in double: the whole matrix, no running maximum (one shift for all, so that no exp overflows).
struct Definition {
  Contrastive p;
  Inputs in;

  double logit(const Matrix& a, std::int64_t i, const Matrix& b, std::int64_t j) const {
    double sum = 0.0;
    for (std::int64_t c = 0; c < p.dim; ++c) sum += a(i, c) * b(j, c);
    return sum / static_cast<double>(p.temperature);
  }
  bool positive(std::int64_t i, std::int64_t j) const {
    if (p.own || (p.self && i == j)) return false;
    const auto at = [](std::int64_t k) { return static_cast<std::size_t>(k); };
    return p.labelled ? in.row_labels[at(i)] == in.column_labels[at(j)]
                      : i % p.row_period == j % p.column_period;
  }
  std::vector<double> losses() const {
    const Matrix& k = p.self ? in.q : in.k;
    std::vector<double> all;
    for (std::int64_t i = 0; i < p.rows; ++i) {
      std::vector<double> denominator, positives;
      if (p.own) {
        denominator.push_back(logit(in.q, i, in.own, i));
        positives = denominator;
      }
      for (std::int64_t j = 0; j < p.columns; ++j) {
        if (p.self && i == j) continue;
        const double s = logit(in.q, i, k, j);
        if (positive(i, j)) positives.push_back(s);
        if (!positive(i, j) || p.positives != ContrastivePositives::excluded) denominator.push_back(s);
      }
      all.push_back(positives.empty() ? 0.0 : log_sum(denominator) - of_positives(positives));
    }
    return all;
  }
  double of_positives(const std::vector<double>& s) const {
    if (p.positives == ContrastivePositives::summed) return log_sum(s);
    double sum = 0.0;
    for (const double v : s) sum += v / static_cast<double>(s.size());
    return sum;
  }
  static double log_sum(const std::vector<double>& s) {
    double shift = -INFINITY;
    for (const double v : s) shift = std::max(shift, v);
    double sum = 0.0;
    for (const double v : s) sum += std::exp(v - shift);
    return shift + std::log(sum);
  }
};

Matrix rounded(Matrix m, bool half) {
  if (half) {
    for (double& v : m.values()) v = static_cast<float>(bf16(static_cast<float>(v)));
  }
  return m;
}

Matrix unit_rows(Matrix m) {
  for (std::int64_t r = 0; r < m.rows(); ++r) {
    double squares = 0.0;
    for (const double v : m.row(r)) squares += v * v;
    for (double& v : m.row(r)) v = static_cast<float>(v / std::sqrt(squares));
  }
  return m;
}

Inputs make_inputs(const Contrastive& p, bool half = false) {
  Inputs in;
  in.q = rounded(unit_rows(test::normal(p.rows, p.dim, 1)), half);
  if (!p.self) in.k = rounded(unit_rows(test::normal(p.columns, p.dim, 2)), half);
  if (p.own) in.own = rounded(unit_rows(test::normal(p.rows, p.dim, 3)), half);
  if (p.labelled) {  // five classes, of which the last rows have one to themselves
    for (std::int64_t i = 0; i < p.rows; ++i) in.row_labels.push_back(i == p.rows - 1 ? -7 : i * i % 5);
    for (std::int64_t j = 0; j < p.columns; ++j) in.column_labels.push_back(j * 3 % 5);
    if (p.self) in.column_labels = in.row_labels;
  }
  return in;
}

// sum_i dloss_i loss_i moved along `direction` in one of the inputs, against what the gradient says.
void expect_slope(const Definition& definition, Matrix Inputs::*field, const Matrix& gradient,
                  const Matrix& dloss, double tolerance) {
  for (const std::uint32_t seed : {11U, 12U}) {
    const Matrix direction = test::normal(gradient.rows(), gradient.cols(), seed);
    const auto loss = [&](double step) {
      Definition moved = definition;
      for (std::size_t i = 0; i < direction.values().size(); ++i) {
        (moved.in.*field).values()[i] += step * direction.values()[i];
      }
      double sum = 0.0;
      const std::vector<double> losses = moved.losses();
      for (std::size_t i = 0; i < losses.size(); ++i) sum += dloss.values()[i] * losses[i];
      return sum;
    };
    const double step = 1e-6 * static_cast<double>(definition.p.temperature);
    const double want = (loss(step) - loss(-step)) / (2 * step);
    double length = 0.0;
    for (const double v : gradient.values()) length += v * v;
    const double scale = std::sqrt(length) + std::abs(want) + 1e-3;
    EXPECT_NEAR(test::dot(gradient, direction), want, tolerance * scale);
  }
}

// Within `rounding` of the largest entry.
void expect_near(const Matrix& got, const Matrix& want, double rounding) {
  double largest = 1e-30;
  for (const double v : want.values()) largest = std::max(largest, std::abs(v));
  for (std::size_t i = 0; i < want.values().size(); ++i) {
    ASSERT_NEAR(got.values()[i], want.values()[i], rounding * largest) << "entry " << i;
  }
}

template <class T>
void expect_matches(Device device, const Contrastive& p, const Inputs& in, double tolerance) {
  const Definition definition{p, in};
  const Outputs out = forward<T>(device, p, in);
  const std::vector<double> want = definition.losses();
  for (std::int64_t i = 0; i < p.rows; ++i) {
    const double expected = want[static_cast<std::size_t>(i)];
    EXPECT_NEAR(out.loss(0, i), expected, tolerance * std::max(1.0, std::abs(expected))) << "row " << i;
  }
  const Matrix dloss = test::normal(1, p.rows, 4);
  const Gradients got = backward<T>(device, p, in, out, dloss);
  expect_slope(definition, &Inputs::q, got.dq, dloss, 4 * tolerance);
  if (p.self) return;
  expect_slope(definition, &Inputs::k, got.dk, dloss, 4 * tolerance);
  const double rounding = tolerance * static_cast<double>(p.temperature);
  expect_near(backward<T>(device, p, in, out, dloss, Wanted::queries).dq, got.dq, rounding);
  expect_near(backward<T>(device, p, in, out, dloss, Wanted::keys).dk, got.dk, rounding);
}

struct Sizes {
  std::int64_t rows, columns, dim;
};

// Every form on a size. The rounding of a logit of unit rows is about 2e-7 / T.
void expect_all_forms(Device device, const Sizes& size, float temperature) {
  const double tolerance = 2e-6 + 1e-6 / static_cast<double>(temperature);
  Contrastive p{.rows = size.rows, .columns = size.columns, .dim = size.dim, .temperature = temperature};
  p.row_period = p.column_period = std::max<std::int64_t>(1, std::min(size.rows, size.columns) / 2);
  for (const auto positives :
       {ContrastivePositives::averaged, ContrastivePositives::excluded, ContrastivePositives::summed}) {
    p.positives = positives;
    if (positives == ContrastivePositives::excluded && p.row_period == 1)
      continue;  // nothing left to compare with
    SCOPED_TRACE(testing::Message() << "positives " << static_cast<int>(positives));
    expect_matches<float>(device, p, make_inputs(p), tolerance);
    Contrastive self = p;
    self.self = true;
    self.columns = self.rows;
    if (self.rows >= 4) expect_matches<float>(device, self, make_inputs(self), tolerance);
    self.labelled = true;
    if (self.rows >= 16) expect_matches<float>(device, self, make_inputs(self), tolerance);
  }
  p.positives = ContrastivePositives::averaged;
  p.own = true;
  expect_matches<float>(device, p, make_inputs(p), tolerance);
  expect_matches<bf16>(device, p, make_inputs(p, true), tolerance);
}

struct ContrastiveTest : testing::TestWithParam<Device> {};

TEST_P(ContrastiveTest, MatchesTheDefinitionAndItsGradientInEveryForm) {
  // One of each, primes, a tile and its neighbours, more than a tile either way, rows longer than a chunk.
  for (const Sizes& size :
       {Sizes{1, 2, 1}, {2, 3, 5}, {5, 131, 7}, {17, 16, 33}, {64, 65, 16}, {67, 127, 8}, {128, 64, 8}}) {
    SCOPED_TRACE(testing::Message() << "(" << size.rows << ", " << size.columns << ", " << size.dim << ")");
    expect_all_forms(GetParam(), size, 0.2F);
  }
}

TEST_P(ContrastiveTest, LongRowsAreTakenInPieces) { expect_all_forms(GetParam(), {9, 11, 261}, 0.2F); }

// So many columns that a part of them is several tiles, even on CUDA; rows of one chunk and of two.
TEST_P(ContrastiveTest, TilesFollowEachOther) {
  for (const std::int64_t dim : {3, 129}) {
    Contrastive p{.rows = 3, .columns = 257 * 64 + 5, .dim = dim, .temperature = 0.2F};
    p.row_period = p.column_period = 5000;
    const Inputs in = make_inputs(p);
    using Split = kernels::ContrastiveSplit;
    ASSERT_GT(Split(Split::kCuda, p.rows, p.columns).length, Split::kCuda.block);
    const Outputs out = forward<float>(GetParam(), p, in);
    const Definition definition{p, in};
    const std::vector<double> want = definition.losses();
    for (std::int64_t i = 0; i < p.rows; ++i) {
      EXPECT_NEAR(out.loss(0, i), want[static_cast<std::size_t>(i)], 1e-5) << "row " << i;
    }
    const Matrix dloss = test::normal(1, p.rows, 4);
    expect_slope(definition, &Inputs::q, backward<float>(GetParam(), p, in, out, dloss, Wanted::queries).dq,
                 dloss, 2e-5);
  }
}

// Short sides of long rows: the CPU's backward finds the logits in `stats`, several tiles of them along either side.
TEST(ContrastiveOnCpuTest, KeptLogitsAreThoseOfTheForward) {
  for (const auto& [rows, columns] : {std::pair<int, int>{131, 257}, {257, 131}, {130, 130}}) {
    Contrastive p{.rows = rows, .columns = columns, .dim = 450, .temperature = 0.2F};
    p.row_period = p.column_period = 60;
    for (const auto positives : {ContrastivePositives::averaged, ContrastivePositives::excluded}) {
      p.positives = positives;
      SCOPED_TRACE(testing::Message()
                   << rows << " x " << columns << ", positives " << static_cast<int>(positives));
      ASSERT_TRUE(p.keeps_logits());
      expect_matches<float>(Device::cpu, p, make_inputs(p), 2e-5);
      expect_matches<bf16>(Device::cpu, p, make_inputs(p, true), 2e-5);
    }
  }
}

TEST_P(ContrastiveTest, ALowTemperatureKeepsItsDigits) { expect_all_forms(GetParam(), {21, 70, 24}, 0.01F); }

TEST_P(ContrastiveTest, Bf16IsWidenedExactly) {
  Contrastive p{.rows = 37, .columns = 37, .dim = 19, .temperature = 0.1F};
  p.row_period = p.column_period = 9;
  for (const bool self : {false, true}) {
    p.self = self;
    for (const auto positives : {ContrastivePositives::averaged, ContrastivePositives::summed}) {
      p.positives = positives;
      expect_matches<bf16>(GetParam(), p, make_inputs(p, true), 1e-5);
    }
  }
}

// Logits of +-1000 and far beyond: rows that are nothing like unit vectors.
TEST_P(ContrastiveTest, LargeLogitsDoNotOverflow) {
  Contrastive p{.rows = 20, .columns = 20, .dim = 6, .temperature = 0.01F, .self = true};
  p.row_period = p.column_period = 10;
  Inputs in = make_inputs(p);
  for (double& v : in.q.values()) v = static_cast<float>(v * 3.0);  // logits up to 900
  expect_matches<float>(GetParam(), p, in, 2e-4);
  for (double& v : in.q.values()) v = static_cast<float>(v * 1e4);
  const Outputs out = forward<float>(GetParam(), p, in);
  const Gradients got = backward<float>(GetParam(), p, in, out, test::normal(1, p.rows, 4));
  for (const double v : out.loss.values()) EXPECT_TRUE(std::isfinite(v));
  for (const double v : got.dq.values()) EXPECT_TRUE(std::isfinite(v));
}

TEST_P(ContrastiveTest, ACommonOffsetOfARowCostsItNothing) {
  Contrastive p{.rows = 6, .columns = 40, .dim = 9, .temperature = 0.1F};
  p.row_period = 6;
  p.column_period = 40;
  Inputs in = make_inputs(p);
  for (std::int64_t i = 0; i < p.rows; ++i) in.q(i, 8) = 100.0;
  for (std::int64_t j = 0; j < p.columns; ++j) in.k(j, 8) = 1.0;  // every logit grows by 1000
  expect_matches<float>(GetParam(), p, in, 1e-3);
}

// One image, two views: the denominator is the positive alone.
TEST_P(ContrastiveTest, NothingToTellApartIsExactlyZero) {
  for (const std::int64_t views : {2, 3, 5}) {
    const auto positives = views == 2 ? ContrastivePositives::averaged : ContrastivePositives::summed;
    const Contrastive p{.rows = views,
                        .columns = views,
                        .dim = 7,
                        .temperature = 0.01F,
                        .positives = positives,
                        .self = true,
                        .row_period = 1,
                        .column_period = 1};
    const Inputs in = make_inputs(p);
    const Outputs out = forward<float>(GetParam(), p, in);
    const Gradients got = backward<float>(GetParam(), p, in, out, test::normal(1, views, 4));
    for (const double v : out.loss.values()) EXPECT_EQ(v, 0.0);
    for (const double v : got.dq.values()) EXPECT_EQ(v, 0.0);
  }
}

TEST_P(ContrastiveTest, ARowWithoutPositivesHasNoLossAndNoGradient) {
  Contrastive p{.rows = 3, .columns = 4, .dim = 5, .temperature = 0.1F, .labelled = true};
  Inputs in = make_inputs(p);
  in.row_labels = {1, 1LL << 40, 2};  // compared as 64 bits
  in.column_labels = {0, 1, 2, 0};
  const Outputs out = forward<float>(GetParam(), p, in);
  EXPECT_EQ(out.loss(0, 1), 0.0);
  EXPECT_GT(out.loss(0, 0), 0.0);
  const Gradients got = backward<float>(GetParam(), p, in, out, Matrix{{1.0, 1.0, 1.0}});
  for (std::int64_t c = 0; c < p.dim; ++c) EXPECT_EQ(got.dq(1, c), 0.0);
  expect_matches<float>(GetParam(), p, in, 2e-5);
}

TEST_P(ContrastiveTest, AnEmptyDenominatorIsMinusInfinityAndPullsOnly) {
  Contrastive p{.rows = 2, .columns = 3, .dim = 4, .temperature = 0.5F};
  p.positives = ContrastivePositives::excluded;
  p.row_period = p.column_period = 1;  // every column is a positive
  const Inputs in = make_inputs(p);
  const Outputs out = forward<float>(GetParam(), p, in);
  const Gradients got = backward<float>(GetParam(), p, in, out, Matrix{{1.0, 1.0}});
  for (std::int64_t i = 0; i < 2; ++i) {
    EXPECT_EQ(out.loss(0, i), -INFINITY);
    for (std::int64_t c = 0; c < 4; ++c) {
      const double mean = (in.k(0, c) + in.k(1, c) + in.k(2, c)) / 3.0;
      EXPECT_NEAR(got.dq(i, c), -mean / 0.5, 1e-6);
    }
  }
}

TEST_P(ContrastiveTest, NanReachesTheRowsThatLookAtIt) {
  Contrastive p{.rows = 5, .columns = 70, .dim = 3, .temperature = 0.1F};
  p.row_period = p.column_period = 70;
  Inputs in = make_inputs(p);
  in.q(2, 1) =
      std::bit_cast<double>(0x7ff8000020000000U);  // not the plainest of NaNs: its last f32 bit is set
  const Outputs out = forward<float>(GetParam(), p, in);
  for (std::int64_t i = 0; i < 5; ++i) EXPECT_EQ(std::isnan(out.loss(0, i)), i == 2) << i;
  in.q(2, 1) = 0.0;
  in.k(69, 0) = NAN;
  const Outputs all = forward<float>(GetParam(), p, in);
  for (const double v : all.loss.values()) EXPECT_TRUE(std::isnan(v));
  in.k(69, 0) = INFINITY;
  const Outputs infinite = forward<float>(GetParam(), p, in);
  for (std::int64_t i = 0; i < 5; ++i) EXPECT_EQ(std::isnan(infinite.loss(0, i)), in.q(i, 0) > 0.0) << i;
}

TEST_P(ContrastiveTest, TheNumberOfThreadsAndTheRunChangeNoBit) {
  const int before = threads();
  for (const bool self : {false, true}) {
    Contrastive p{.rows = 150, .columns = self ? 150 : 190, .dim = 20, .temperature = 0.1F, .self = self};
    p.row_period = p.column_period = 50;
    const Inputs in = make_inputs(p);
    const Matrix dloss = test::normal(1, p.rows, 4);
    set_threads(1);
    const Outputs one = forward<float>(GetParam(), p, in);
    const Gradients one_back = backward<float>(GetParam(), p, in, one, dloss);
    set_threads(3);
    const Outputs three = forward<float>(GetParam(), p, in);
    const Gradients three_back = backward<float>(GetParam(), p, in, one, dloss);
    set_threads(before);
    EXPECT_EQ(one.loss, three.loss);
    EXPECT_EQ(one.stats, three.stats);
    EXPECT_EQ(one_back.dq, three_back.dq);
    if (!self) {
      EXPECT_EQ(one_back.dk, three_back.dk);
    }
  }
}

TEST_P(ContrastiveTest, NoRowsAreFine) {
  const Contrastive p{.rows = 0, .columns = 2, .dim = 3, .temperature = 1.0F, .own = true};
  const Buffer k(GetParam(), test::normal(2, 3, 1)), dk(GetParam(), test::normal(2, 3, 2));
  const Buffer scratch(GetParam(), Matrix(1, p.scratch_floats() + 1));
  const kernels::ContrastiveInputs<float> in{nullptr, k.data()};
  const Stream stream = compute_stream(GetParam());
  NAGARE_DISPATCH(GetParam(), contrastive(p, in, scratch.data(), nullptr, nullptr, stream));
  NAGARE_DISPATCH(GetParam(),
                  contrastive_backward(p, in, nullptr, nullptr, scratch.data(), nullptr, dk.data(), stream));
  const Matrix zeros = dk.to_host();
  for (const double v : zeros.values()) EXPECT_EQ(v, 0.0);
}

TEST_P(ContrastiveTest, NonsenseIsRefusedByName) {
  const Contrastive good{
      .rows = 4, .columns = 4, .dim = 3, .temperature = 1.0F, .row_period = 2, .column_period = 2};
  EXPECT_NO_THROW(good.check());
  const auto refused = [&](const std::function<void(Contrastive&)>& spoil, const char* text) {
    Contrastive bad = good;
    spoil(bad);
    EXPECT_THAT([&] { bad.check(); },
                testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr(text)));
  };
  refused([](Contrastive& p) { p.temperature = NAN; }, "temperature nan");
  refused([](Contrastive& p) { p.temperature = 0.0F; }, "temperature 0.0");
  refused([](Contrastive& p) { p.dim = 0; }, "q (4, 0)");
  refused([](Contrastive& p) { p.columns = 0; }, "k (0, 3)");
  refused([](Contrastive& p) { p.row_period = 0; }, "periods 0 and 2");
  refused([](Contrastive& p) { p.self = true, p.columns = 5; }, "k (5, 3)");
  refused([](Contrastive& p) { p.self = true, p.column_period = 4; }, "periods 2 and 4, self");
  refused([](Contrastive& p) { p.own = p.self = true; }, "self, own");
  refused([](Contrastive& p) { p.own = true, p.positives = ContrastivePositives::summed; }, "own");
}

// No matrix of similarities: 16 times the rows cost 16 times the scratch, not 256.
TEST(ContrastiveScratchTest, GrowsWithTheRows) {
  const auto floats = [](std::int64_t rows, std::int64_t columns, bool self) {
    return Contrastive{.rows = rows,
                       .columns = columns,
                       .dim = 128,
                       .temperature = 0.1F,
                       .self = self,
                       .row_period = rows,
                       .column_period = columns}
        .scratch_floats();
  };
  for (const std::int64_t rows : {512, 8192, 131072}) {
    EXPECT_LE(floats(rows, rows, true), (rows + 16384) * 132) << rows;
  }
  EXPECT_LE(floats(256, 65536, false), 65536 * 132);
  EXPECT_LE(floats(256, 1 << 20, false), std::int64_t{1 << 20} * 8);
}

INSTANTIATE_TEST_SUITE_P(Devices, ContrastiveTest, testing::ValuesIn(test::devices()));

}  // namespace
}  // namespace nagare
