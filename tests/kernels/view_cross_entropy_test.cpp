#include "kernels/view_cross_entropy.h"

#include <gmock/gmock.h>

#include "kernels/dispatch.h"
#include "kernels/parallel.h"
#include "tests/support/devices.h"
#include "tests/support/matrix.h"

namespace nagare {
namespace {

using kernels::ViewCrossEntropy;
using kernels::ViewTargets;
using test::Buffer;
using test::Matrix;

// Student logits (V * B, K), teacher logits (A * B, K) and centre (1, K), or given probabilities (A * B, K).
struct Inputs {
  Matrix student;
  Matrix teacher;
  Matrix center;
  Matrix probabilities;  // used when it is not empty
};

struct Result {
  Matrix loss;
  Matrix gradient;  // of three times the mean loss
  bool operator==(const Result&) const = default;
};

template <class T>
Result run_as(Device device, const ViewCrossEntropy& p, const Inputs& in, const T* s, const T* t, T* ds) {
  const Buffer center(device, in.center);
  const Buffer given(device, in.probabilities);
  const bool is_given = in.probabilities.numel() > 0;
  const ViewTargets<T> targets{.logits = is_given ? nullptr : t,
                               .center = is_given ? nullptr : center.data(),
                               .probabilities = is_given ? given.data() : nullptr};
  const Buffer saved(device, Matrix(1, p.saved_floats()));
  const Buffer workspace(device, Matrix(1, p.workspace_floats()));
  const Buffer loss(device, Matrix(1, p.batch));
  const Buffer upstream(device, {{3.0}});
  const Stream stream = compute_stream(device);
  NAGARE_DISPATCH(device,
                  view_cross_entropy(p, s, targets, saved.data(), loss.data(), workspace.data(), stream));
  NAGARE_DISPATCH(device,
                  view_cross_entropy_backward(p, s, targets, saved.data(), upstream.data(), ds, stream));
  return {loss.to_host(), {}};
}

Result run(Device device, const ViewCrossEntropy& p, const Inputs& in, bool half = false) {
  const std::int64_t rows = p.views * p.batch;
  if (half) {
    const Tensor s = test::to_bf16(device, in.student);
    const Tensor t = test::to_bf16(device, in.teacher);
    const Tensor ds = empty_like(s);
    Result r = run_as(device, p, in, s.data<bf16>(), t.data<bf16>(), ds.data<bf16>());
    r.gradient = test::to_matrix(ds, rows);
    return r;
  }
  const Buffer s(device, in.student);
  const Buffer t(device, in.teacher);
  Result r = run_as(device, p, in, s.data(), t.data(), s.data());  // in place
  r.gradient = s.to_host();
  return r;
}

// Row r of log softmax(x / temperature).
std::vector<double> log_softmax(const Matrix& x, std::int64_t r, double temperature, const Matrix* center) {
  std::vector<double> y;
  double largest = -INFINITY;
  for (std::int64_t k = 0; k < x.cols(); ++k) {
    y.push_back((x(r, k) - (center != nullptr ? (*center)(0, k) : 0.0)) / temperature);
    largest = std::max(largest, y.back());
  }
  double sum = 0.0;
  for (const double v : y) sum += std::exp(v - largest);
  for (double& v : y) v -= largest + std::log(sum);
  return y;
}

// The formula, pair by pair.
Matrix definition(const ViewCrossEntropy& p, const Inputs& in) {
  Matrix loss(1, p.batch);
  for (std::int64_t b = 0; b < p.batch; ++b) {
    for (std::int64_t a = 0; a < p.targets; ++a) {
      const std::int64_t row = a * p.batch + b;
      std::vector<double> q;
      if (in.probabilities.numel() > 0) {
        for (std::int64_t k = 0; k < p.cols; ++k) q.push_back(in.probabilities(row, k));
      } else {
        q = log_softmax(in.teacher, row, p.target_temperature, &in.center);
        for (double& v : q) v = std::exp(v);
      }
      for (std::int64_t v = 0; v < p.views; ++v) {
        if (v == a) continue;
        const std::vector<double> s = log_softmax(in.student, v * p.batch + b, p.temperature, nullptr);
        for (std::size_t k = 0; k < s.size(); ++k) {
          if (q[k] != 0.0) loss(0, b) -= q[k] * s[k] / static_cast<double>(p.pairs());
        }
      }
    }
  }
  return loss;
}

double three_means(const Matrix& loss) {
  double sum = 0.0;
  for (const double v : loss.values()) sum += v;
  return 3.0 * sum / static_cast<double>(loss.numel());
}

// Batch, columns, views, targets.
struct Size {
  std::int64_t batch, cols, views, targets;
};
void PrintTo(const Size& s, std::ostream* out) {
  *out << s.batch << "x" << s.cols << ", " << s.views << " views, " << s.targets << " targets";
}

struct ViewCrossEntropyTest : testing::TestWithParam<std::tuple<Device, Size>> {
  Device device = std::get<0>(GetParam());
  Size size = std::get<1>(GetParam());
  ViewCrossEntropy p{.batch = size.batch,
                     .cols = size.cols,
                     .views = size.views,
                     .targets = size.targets,
                     .temperature = 0.5F,
                     .target_temperature = 0.3F};
  Inputs inputs(bool given) const {
    Inputs in{test::normal(p.views * p.batch, p.cols, 1), test::normal(p.targets * p.batch, p.cols, 2),
              test::normal(1, p.cols, 3), Matrix()};
    if (given) {
      in.probabilities = test::normal(p.targets * p.batch, p.cols, 4);
      for (double& v : in.probabilities.values()) v = std::max(v, 0.0);  // any sum, with zeros
    }
    return in;
  }
};

TEST_P(ViewCrossEntropyTest, LossAndGradientMatchTheDefinition) {
  for (const bool given : {false, true}) {
    Inputs in = inputs(given);
    const Result got = run(device, p, in);
    const Matrix want = definition(p, in);
    double largest = 1.0;
    for (const double v : want.values()) largest = std::max(largest, v);
    EXPECT_TRUE(all_near(got.loss, want, 4e-6 * largest)) << given;
    if (p.views * p.batch * p.cols > 600) continue;  // the differences take a pass per entry
    const auto loss = [&](const Matrix& at) {
      Inputs moved = in;
      moved.student = at;
      return three_means(definition(p, moved));
    };
    EXPECT_TRUE(all_near(got.gradient, test::central_differences(loss, in.student, 1e-5), 2e-6 * largest))
        << given;
  }
}

TEST_P(ViewCrossEntropyTest, GradientAlongARandomDirection) {
  for (const bool given : {false, true}) {
    const Inputs in = inputs(given);
    const Result got = run(device, p, in);
    const Matrix direction = test::normal(in.student.rows(), in.student.cols(), 9);
    const auto loss = [&](double step) {
      Inputs moved = in;
      for (std::size_t i = 0; i < direction.values().size(); ++i) {
        moved.student.values()[i] += step * direction.values()[i];
      }
      return three_means(definition(p, moved));
    };
    const double want = (loss(1e-5) - loss(-1e-5)) / 2e-5;
    EXPECT_NEAR(test::dot(got.gradient, direction), want, 1e-4 * (1.0 + std::abs(want))) << given;
  }
}

TEST_P(ViewCrossEntropyTest, HalfPrecisionIsReadAsItIs) {
  for (const bool given : {false, true}) {
    Inputs in = inputs(given);
    in.student = test::rounded_to_bf16(in.student);
    in.teacher = test::rounded_to_bf16(in.teacher);
    const Result half = run(device, p, in, true);
    const Result full = run(device, p, in);
    EXPECT_TRUE(all_near(half.loss, full.loss, 1e-5 * (1.0 + std::abs(full.loss(0, 0))))) << given;
    double largest = 0.0;
    for (const double v : full.gradient.values()) largest = std::max(largest, std::abs(v));
    EXPECT_TRUE(all_near(half.gradient, full.gradient, 5e-3 * largest)) << given;
  }
}

TEST_P(ViewCrossEntropyTest, SameBitsWithAnyNumberOfThreads) {
  const Inputs in = inputs(false);
  const Result once = run(device, p, in);
  const int before = threads();
  set_threads(3);
  const Result again = run(device, p, in);
  set_threads(before);
  EXPECT_EQ(once, again);
}

INSTANTIATE_TEST_SUITE_P(Sizes, ViewCrossEntropyTest,
                         testing::Combine(testing::ValuesIn(test::devices()),
                                          testing::Values(Size{1, 1, 2, 1}, Size{1, 2, 2, 2},
                                                          Size{5, 31, 3, 1}, Size{3, 33, 5, 2},
                                                          Size{2, 257, 10, 2}, Size{7, 17, 4, 4},
                                                          Size{1, 7, 18, 2}, Size{2, 2500, 3, 2})));

struct ViewCrossEntropyEdges : testing::TestWithParam<Device> {
  Device device = GetParam();
};

// Spread of e^10000 at an offset of 500, and no loss where both agree on one entry.
TEST_P(ViewCrossEntropyEdges, HugeLogits) {
  const ViewCrossEntropy p{.batch = 2, .cols = 1500, .views = 2};
  Inputs in{Matrix(4, 1500), Matrix(4, 1500), Matrix(1, 1500), Matrix()};
  for (std::int64_t r = 0; r < 4; ++r) {
    for (std::int64_t k = 0; k < 1500; ++k) {
      in.student(r, k) = 500.0 + (k == 1400 ? 0.0 : -1000.0);
      in.teacher(r, k) = -500.0 + (k == 1400 ? 100.0 : 0.0);
    }
  }
  const Result got = run(device, p, in);
  EXPECT_TRUE(all_near(got.loss, Matrix(1, 2), 1e-6));
  in.student = test::normal(4, 1500, 1);
  for (double& v : in.student.values()) v = static_cast<float>(100.0 * v + 700.0);
  EXPECT_TRUE(all_near(run(device, p, in).loss, definition(p, in), 2e-6 * 4000.0));
}

TEST_P(ViewCrossEntropyEdges, MaskedEntriesAndBadRows) {
  const ViewCrossEntropy p{.batch = 2, .cols = 3, .views = 2, .targets = 1};
  Inputs in{test::normal(4, 3, 1), Matrix(), Matrix(), {{0.5, 0.5, 0.0}, {1.0, 0.0, 0.0}}};
  in.teacher = Matrix(2, 3);
  in.center = Matrix(1, 3);
  for (std::int64_t r = 0; r < 4; ++r) in.student(r, 2) = -INFINITY;
  const Result got = run(device, p, in);
  EXPECT_TRUE(all_near(got.loss, definition(p, in), 1e-6));
  for (std::int64_t r = 0; r < 4; ++r) EXPECT_EQ(got.gradient(r, 2), 0.0);
  in.student(2, 0) = NAN;  // view 1 of image 0
  const Result bad = run(device, p, in);
  EXPECT_TRUE(std::isnan(bad.loss(0, 0)));
  EXPECT_NEAR(bad.loss(0, 1), got.loss(0, 1), 0.0);
}

TEST_P(ViewCrossEntropyEdges, TheCentreMovesTowardsTheMeanOfTheTeacher) {
  const Matrix t = test::normal(13, 37, 1);
  const Matrix c = test::normal(1, 37, 2);
  Matrix want = c;
  for (std::int64_t k = 0; k < 37; ++k) {
    double sum = 0.0;
    for (std::int64_t r = 0; r < 13; ++r) sum += t(r, k);
    want(0, k) = 0.9 * c(0, k) + 0.1 * sum / 13.0;
  }
  const kernels::CenterUpdate p{.rows = 13, .cols = 37, .momentum = 0.9F};
  const Buffer logits(device, t);
  const Buffer center(device, c);
  NAGARE_DISPATCH(device, update_center(p, logits.data(), center.data(), compute_stream(device)));
  EXPECT_TRUE(all_near(center.to_host(), want, 1e-6));
  const Tensor half = test::to_bf16(device, t);
  const Buffer again(device, c);
  NAGARE_DISPATCH(device, update_center(p, half.data<bf16>(), again.data(), compute_stream(device)));
  EXPECT_TRUE(all_near(again.to_host(), want, 1e-3));
}

TEST_P(ViewCrossEntropyEdges, EmptyIsValidAndNonsenseIsRefusedByName) {
  EXPECT_NO_THROW(
      run(device, {.batch = 0, .cols = 3, .views = 2}, {Matrix(0, 3), Matrix(0, 3), Matrix(1, 3), {}}));
  const auto refused = [](const auto& p, const char* text) {
    EXPECT_THAT([&] { p.check(); }, testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr(text)));
  };
  refused(ViewCrossEntropy{.batch = 4, .cols = 3, .views = 1}, "view_cross_entropy: 1 views of (4, 3)");
  refused(ViewCrossEntropy{.batch = 4, .cols = 3, .views = 2, .targets = 3}, "3 targets");
  refused(ViewCrossEntropy{.batch = 4, .cols = 3, .views = 12, .targets = 9}, "min(views, 8)");
  refused(ViewCrossEntropy{.batch = 4, .cols = 3, .views = 2, .temperature = NAN}, "temperatures nan and");
  refused(ViewCrossEntropy{.batch = 4, .cols = 3, .views = 2, .target_temperature = 0.0F}, "and 0.0");
  refused(kernels::CenterUpdate{.rows = 0, .cols = 3, .momentum = 0.9F},
          "update_center: teacher logits (0, 3)");
  refused(kernels::CenterUpdate{.rows = 1, .cols = 3, .momentum = NAN}, "momentum nan");
}

INSTANTIATE_TEST_SUITE_P(Devices, ViewCrossEntropyEdges, testing::ValuesIn(test::devices()));

}  // namespace
}  // namespace nagare
