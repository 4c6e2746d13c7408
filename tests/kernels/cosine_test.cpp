#include "kernels/cosine.h"

#include <gmock/gmock.h>

#include "kernels/dispatch.h"
#include "tests/support/devices.h"
#include "tests/support/gradient.h"
#include "tests/support/matrix.h"

namespace nagare {
namespace {

using kernels::Cosine;
using kernels::PatchCosine;
using test::Matrix;
using testing::HasSubstr;
using testing::ThrowsMessage;

Matrix rounded_normal(std::int64_t rows, std::int64_t cols, std::uint32_t seed, DType dtype,
                      double magnitude = 1.0) {
  Matrix m = test::normal(rows, cols, seed);
  for (double& v : m.values()) v = test::rounded(v * magnitude, dtype);
  return m;
}

Tensor on_device(const Matrix& m, DType dtype, Device device) {
  return test::to_tensor(m.values(), {m.rows(), m.cols()}, dtype, device);
}

Matrix on_host(const Tensor& t) {
  Matrix m(t.shape().rows(), t.shape().back());
  const std::vector<float> values = t.to_vector<float>();
  m.values().assign(values.begin(), values.end());
  return m;
}

struct Result {
  Matrix cosines;
  double loss = 0.0;
  Matrix da;
  Matrix db;
  bool operator==(const Result&) const = default;
};

enum class Learns { both, a, b, neither };

Result run(Device device, DType dtype, const Cosine& p, const Matrix& a, const Matrix& b,
           Learns learns = Learns::both, bool in_place = false) {
  const Tensor left = on_device(a, dtype, device);
  const Tensor right = on_device(b, dtype, device);
  const Tensor da = in_place ? left : Tensor::zeros(left.shape(), left.options());
  const Tensor db = in_place ? right : Tensor::zeros(left.shape(), left.options());
  const Tensor cosines = Tensor::empty({p.rows, 1}, {.device = device});
  const Tensor loss = Tensor::empty({}, {.device = device});
  for_activation_type("test", dtype, [&]<class T>(T) {
    const kernels::CosineOutputs<T> out{
        .cosines = cosines.data<float>(),
        .loss = loss.data<float>(),
        .da = learns == Learns::both || learns == Learns::a ? da.data<T>() : nullptr,
        .db = learns == Learns::both || learns == Learns::b ? db.data<T>() : nullptr};
    NAGARE_DISPATCH(device, cosine(p, left.data<T>(), right.data<T>(), out, compute_stream(device)));
  });
  return {on_host(cosines), loss.item(), on_host(da), on_host(db)};
}

double length(std::span<const double> v) {
  double squares = 0.0;
  for (const double x : v) squares += x * x;
  return std::sqrt(squares);
}

double cosine_of(std::span<const double> a, std::span<const double> b, double epsilon) {
  double product = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) product += a[i] * b[i];
  return product / (std::max(length(a), epsilon) * std::max(length(b), epsilon));
}

Matrix definition(const Cosine& p, Matrix a, Matrix b) {
  Matrix c(p.rows, 1);
  for (std::int64_t r = 0; r < p.rows; ++r) c(r, 0) = cosine_of(a.row(r), b.row(r), p.epsilon);
  return c;
}

double total(const Matrix& m) {
  double sum = 0.0;
  for (const double v : m.values()) sum += v;
  return sum;
}

double largest(const Matrix& m) {
  double most = 1e-300;
  for (const double v : m.values()) most = std::max(most, std::abs(v));
  return most;
}

// 1 / the shortest row: the size of the terms that cancel in a gradient (wholly, where rows have one column).
double term_size(Matrix m) {
  double most = 0.0;
  for (std::int64_t r = 0; r < m.rows(); ++r) most = std::max(most, 1.0 / length(m.row(r)));
  return most;
}

using Case = std::tuple<Device, DType, std::int64_t, std::int64_t>;
struct CosineTest : testing::TestWithParam<Case> {
  Device device = std::get<0>(GetParam());
  DType dtype = std::get<1>(GetParam());
  Cosine p{.rows = std::get<2>(GetParam()), .cols = std::get<3>(GetParam()), .weight = -0.37F};
  // Gradients are stored in the element type: half a unit in its last place.
  double gradient_tolerance = dtype == DType::bf16 ? 4.1e-3 : 2e-6;
};

TEST_P(CosineTest, MatchesTheDefinitionAndItsCentralDifferences) {
  const Matrix a = rounded_normal(p.rows, p.cols, 1, dtype);
  const Matrix b = rounded_normal(p.rows, p.cols, 2, dtype);
  const Result got = run(device, dtype, p, a, b);
  const Matrix want = definition(p, a, b);
  EXPECT_TRUE(all_near(got.cosines, want, 1e-6));
  EXPECT_NEAR(got.loss, p.weight * total(want), 1e-6 * static_cast<double>(p.rows + 1));
  const auto of_a = [&](const Matrix& m) { return p.weight * total(definition(p, m, b)); };
  const auto of_b = [&](const Matrix& m) { return p.weight * total(definition(p, a, m)); };
  const Matrix da = test::central_differences(of_a, a, 1e-5);
  const Matrix db = test::central_differences(of_b, b, 1e-5);
  EXPECT_TRUE(all_near(got.da, da, gradient_tolerance * largest(da) + 2e-7 * term_size(a)));
  EXPECT_TRUE(all_near(got.db, db, gradient_tolerance * largest(db) + 2e-7 * term_size(b)));
}

TEST_P(CosineTest, AConstantOperandInPlaceAndAgainGiveTheSameBits) {
  const Matrix a = rounded_normal(p.rows, p.cols, 3, dtype);
  const Matrix b = rounded_normal(p.rows, p.cols, 4, dtype);
  const Result both = run(device, dtype, p, a, b);
  EXPECT_EQ(run(device, dtype, p, a, b), both);
  EXPECT_EQ(run(device, dtype, p, a, b, Learns::both, /*in_place=*/true), both);
  const Result only_a = run(device, dtype, p, a, b, Learns::a);
  const Result only_b = run(device, dtype, p, a, b, Learns::b);
  const Matrix untouched(p.rows, p.cols);
  EXPECT_EQ(only_a, (Result{both.cosines, both.loss, both.da, untouched}));
  EXPECT_EQ(only_b, (Result{both.cosines, both.loss, untouched, both.db}));
  EXPECT_EQ(run(device, dtype, p, a, b, Learns::neither),
            (Result{both.cosines, both.loss, untouched, untouched}));
}

// 1, primes, a pack and its neighbours, a warp's and a block's share of a row.
INSTANTIATE_TEST_SUITE_P(Sizes, CosineTest,
                         testing::Combine(testing::ValuesIn(test::devices()),
                                          testing::Values(DType::f32, DType::bf16),
                                          testing::Values(0, 1, 2, 9),
                                          testing::Values(1, 2, 7, 16, 33, 513, 520)));

struct CosineEdges : testing::TestWithParam<Device> {
  Device device = GetParam();
};

TEST_P(CosineEdges, RowsOfAnyMagnitude) {
  for (const std::int64_t cols : {5, 600}) {
    for (const auto& [of_a, of_b] : {std::pair(1e30, 1e-6), std::pair(1e-6, 1e30), std::pair(1e34, 1e34),
                                     std::pair(1e-7, 1e-7), std::pair(1e18, 1.0)}) {
      const Cosine p{.rows = 3, .cols = cols};
      const Matrix a = rounded_normal(3, cols, 5, DType::f32, of_a);
      const Matrix b = rounded_normal(3, cols, 6, DType::f32, of_b);
      const Result got = run(device, DType::f32, p, a, b);
      EXPECT_TRUE(all_near(got.cosines, definition(p, a, b), 1e-6)) << of_a << " " << of_b;
      const auto of = [&](const Matrix& m) { return total(definition(p, m, b)); };
      const Matrix da = test::central_differences(of, a, 1e-5 * of_a);
      EXPECT_TRUE(all_near(got.da, da, 5e-6 * largest(da))) << of_a << " " << of_b;
    }
  }
}

// In rows shorter than epsilon the divisor is a constant, so the cosine is linear in them.
TEST_P(CosineEdges, ZeroAndTinyRows) {
  const Cosine p{.rows = 3, .cols = 2, .epsilon = 1e-8F, .weight = 2.0F};
  const Matrix a{{0, 0}, {3e-9F, 0}, {0, 0}};
  const Matrix b{{3, 4}, {3, 4}, {0, 0}};
  const Result got = run(device, DType::f32, p, a, b);
  EXPECT_TRUE(all_near(got.cosines, {{0}, {0.18}, {0}}, 1e-7));
  EXPECT_TRUE(all_near(got.da, {{1.2e8, 1.6e8}, {1.2e8, 1.6e8}, {0, 0}}, 32));
  // db = weight / |b| (a / epsilon - c b / |b|)
  EXPECT_TRUE(all_near(got.db, {{0, 0}, {0.4 * (0.3 - 0.18 * 0.6), -0.4 * 0.18 * 0.8}, {0, 0}}, 1e-7));
}

TEST_P(CosineEdges, ABadRowHarmsNoOther) {
  const Matrix a{{NAN, 1}, {INFINITY, 1}, {3, 4}};
  const Matrix b{{1, 1}, {1, 1}, {4, 3}};
  const Result got = run(device, DType::f32, {.rows = 3, .cols = 2}, a, b);
  EXPECT_TRUE(std::isnan(got.cosines(0, 0)) && std::isnan(got.cosines(1, 0)) && std::isnan(got.loss));
  EXPECT_NEAR(got.cosines(2, 0), 0.96, 1e-6);
  EXPECT_TRUE(std::isnan(got.da(0, 0)) && std::isnan(got.da(0, 1)));
  EXPECT_NEAR(got.da(2, 0), (4 - 0.96 * 3) / 25, 1e-6);
}

Matrix patch_definition(const PatchCosine& p, Matrix z) {
  Matrix mean(p.batch, p.dim);
  for (std::int64_t r = 0; r < z.rows(); ++r) {
    for (std::int64_t c = 0; c < p.dim; ++c) mean(r % p.batch, c) += z(r, c) / static_cast<double>(p.patches);
  }
  Matrix cosines(z.rows(), 1);
  for (std::int64_t r = 0; r < z.rows(); ++r)
    cosines(r, 0) = cosine_of(z.row(r), mean.row(r % p.batch), p.epsilon);
  return cosines;
}

struct PatchResult {
  Matrix cosines;
  double loss = 0.0;
  Matrix dz;
  bool operator==(const PatchResult&) const = default;
};

enum class Patches { forward_only, gradient, in_place };

PatchResult run(Device device, DType dtype, const PatchCosine& p, const Matrix& z,
                Patches mode = Patches::gradient) {
  const Tensor in = on_device(z, dtype, device);
  const Tensor dz = mode == Patches::in_place ? in : Tensor::zeros(in.shape(), in.options());
  const Tensor scratch = Tensor::empty({p.scratch_floats()}, {.device = device});
  const Tensor cosines = Tensor::empty({p.patches * p.batch, 1}, {.device = device});
  const Tensor loss = Tensor::empty({}, {.device = device});
  for_activation_type("test", dtype, [&]<class T>(T) {
    const kernels::PatchCosineOutputs<T> out{.cosines = cosines.data<float>(),
                                             .loss = loss.data<float>(),
                                             .dz = mode == Patches::forward_only ? nullptr : dz.data<T>()};
    NAGARE_DISPATCH(device,
                    patch_cosine(p, in.data<T>(), scratch.data<float>(), out, compute_stream(device)));
  });
  return {on_host(cosines), loss.item(), on_host(dz)};
}

struct PatchCosineTest
    : testing::TestWithParam<std::tuple<Device, DType, std::int64_t, std::int64_t, std::int64_t>> {
  Device device = std::get<0>(GetParam());
  DType dtype = std::get<1>(GetParam());
  PatchCosine p{.patches = std::get<2>(GetParam()),
                .batch = std::get<3>(GetParam()),
                .dim = std::get<4>(GetParam()),
                .weight = 0.7F};
};

TEST_P(PatchCosineTest, MatchesTheDefinitionAndItsCentralDifferences) {
  const Matrix z = rounded_normal(p.patches * p.batch, p.dim, 7, dtype);
  const PatchResult got = run(device, dtype, p, z);
  const Matrix want = patch_definition(p, z);
  EXPECT_TRUE(all_near(got.cosines, want, 1e-6));
  EXPECT_NEAR(got.loss, p.weight * total(want), 1e-6 * static_cast<double>(z.rows() + 1));
  const auto loss = [&](const Matrix& m) { return p.weight * total(patch_definition(p, m)); };
  const Matrix dz = test::central_differences(loss, z, 1e-5);
  EXPECT_TRUE(
      all_near(got.dz, dz, (dtype == DType::bf16 ? 4.1e-3 : 3e-6) * largest(dz) + 4e-7 * term_size(z)));
  EXPECT_EQ(run(device, dtype, p, z), got);
  EXPECT_EQ(run(device, dtype, p, z, Patches::in_place), got);
  EXPECT_EQ(run(device, dtype, p, z, Patches::forward_only).loss, got.loss);
}

INSTANTIATE_TEST_SUITE_P(Sizes, PatchCosineTest,
                         testing::Combine(testing::ValuesIn(test::devices()),
                                          testing::Values(DType::f32, DType::bf16), testing::Values(1, 2, 11),
                                          testing::Values(0, 1, 3), testing::Values(1, 7, 16, 40)));

TEST_P(CosineEdges, PatchesThatCancelOrVanish) {
  // Image 0: z and -z, whose mean is zero; image 1: zeros.
  const PatchCosine p{.patches = 2, .batch = 2, .dim = 2, .epsilon = 1e-8F};
  const PatchResult got = run(device, DType::f32, p, {{3, 4}, {0, 0}, {-3, -4}, {0, 0}});
  EXPECT_TRUE(all_near(got.cosines, {{0}, {0}, {0}, {0}}, 0));
  EXPECT_TRUE(all_near(got.dz, {{0, 0}, {0, 0}, {0, 0}, {0, 0}}, 0));
  const Matrix huge = rounded_normal(6, 9, 8, DType::f32, 1e32);
  const PatchCosine q{.patches = 3, .batch = 2, .dim = 9};
  EXPECT_TRUE(all_near(run(device, DType::f32, q, huge).cosines, patch_definition(q, huge), 1e-6));
}

TEST_P(CosineEdges, NonsenseIsRefusedByName) {
  EXPECT_THAT([] { Cosine({.rows = 2, .cols = 0}).check(); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("cosine: shape (2, 0), epsilon 0.000000")));
  EXPECT_THAT([] { Cosine({.rows = 2, .cols = 3, .epsilon = NAN}).check(); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("epsilon nan")));
  EXPECT_THAT([] { PatchCosine({.patches = 0, .batch = 4, .dim = 3}).check(); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("patch_cosine: shape (0, 4, 3)")));
  for (const float bad : {0.0F, -1.0F, NAN, INFINITY, 1e-40F}) {
    EXPECT_THROW((Cosine{.rows = 2, .cols = 3, .epsilon = bad}.check()), std::invalid_argument);
    EXPECT_THROW((PatchCosine{.patches = 2, .batch = 3, .dim = 3, .epsilon = bad}.check()),
                 std::invalid_argument);
  }
  EXPECT_THROW((Cosine{.rows = 2, .cols = 3, .weight = INFINITY}.check()), std::invalid_argument);
}

INSTANTIATE_TEST_SUITE_P(Devices, CosineEdges, testing::ValuesIn(test::devices()));

}  // namespace
}  // namespace nagare
