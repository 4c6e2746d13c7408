#include <gmock/gmock.h>

#include "engine/ops/elementwise.h"
#include "engine/ops/shape_ops.h"
#include "engine/ops/softmax.h"
#include "engine/ops/view_cross_entropy.h"
#include "tests/support/devices.h"
#include "tests/support/gradient.h"

namespace nagare {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr std::int64_t kBatch = 3;
constexpr std::int64_t kCols = 11;

struct ViewCrossEntropyOp : testing::TestWithParam<std::tuple<Device, DType>> {
  Device device = std::get<0>(GetParam());
  DType dtype = std::get<1>(GetParam());
  Tensor logits(std::int64_t rows, std::uint32_t seed) const {
    return test::to_tensor(test::normal_values(rows * kCols, seed, dtype), {rows, kCols}, dtype, device);
  }
};

// Composed of softmaxes and soft cross-entropies, pair by pair.
Tensor composed(const Tensor& student, const Tensor& probabilities, const ViewPairs& pairs) {
  Tensor total;
  for (std::int64_t a = 0; a < pairs.targets; ++a) {
    for (std::int64_t v = 0; v < pairs.views; ++v) {
      if (v == a) continue;
      const Tensor s = slice(cast(student, DType::f32), 0, v * kBatch, kBatch);
      const Tensor term =
          soft_cross_entropy(scale(s, 1.0F / pairs.temperature), probabilities.rows(a * kBatch, kBatch));
      total = total.defined() ? add(total, term) : term;
    }
  }
  return scale(total, 1.0F / static_cast<float>(pairs.targets * (pairs.views - 1)));
}

TEST_P(ViewCrossEntropyOp, MatchesItsCompositionOfSoftmaxes) {
  const ViewPairs pairs{.views = 4, .targets = 2, .temperature = 0.5F};
  const Tensor teacher = logits(2 * kBatch, 2);
  const Tensor center = test::to_tensor(test::normal_values(kCols, 3), {1, kCols}, DType::f32, device);
  std::vector<Tensor> rows(2 * kBatch, center);
  const Tensor q = softmax(subtract(cast(teacher, DType::f32), concat(rows, 0)), 0.25F);
  for (const bool given : {false, true}) {
    Tensor fused_in = logits(4 * kBatch, 1);
    Tensor composed_in = logits(4 * kBatch, 1);
    fused_in.set_requires_grad(true);
    composed_in.set_requires_grad(true);
    const Tensor fused = given ? view_cross_entropy(fused_in, q, pairs)
                               : view_cross_entropy(fused_in, TeacherLogits{teacher, center, 0.25F}, pairs);
    const Tensor want = composed(composed_in, q, pairs);
    EXPECT_NEAR(fused.item(), want.item(), 1e-5);
    tape::backward(scale(fused, 3.0F));
    tape::backward(scale(want, 3.0F));
    EXPECT_EQ(fused_in.grad().dtype(), dtype);
    EXPECT_TRUE(test::near_values(test::to_values(fused_in.grad()), test::to_values(composed_in.grad()),
                                  test::tolerance_of(dtype, 1e-5)));
  }
}

TEST_P(ViewCrossEntropyOp, TheCentreMayMoveBeforeTheBackward) {
  Tensor student = logits(2 * kBatch, 1);
  Tensor again = logits(2 * kBatch, 1);
  student.set_requires_grad(true);
  again.set_requires_grad(true);
  const Tensor teacher = logits(2 * kBatch, 2);
  const Tensor center = Tensor::zeros({kCols}, {.device = device});
  const Tensor loss = view_cross_entropy(student, TeacherLogits{teacher, center}, {});
  tape::backward(view_cross_entropy(again, TeacherLogits{teacher, center}, {}));
  update_center(center, teacher, 0.0F);
  tape::backward(loss);
  EXPECT_EQ(test::to_values(student.grad()), test::to_values(again.grad()));
}

TEST_P(ViewCrossEntropyOp, NonsenseIsRefusedByName) {
  const auto refused = [](auto call, const char* text) {
    EXPECT_THAT(call, ThrowsMessage<std::invalid_argument>(HasSubstr(text)));
  };
  const Tensor s = logits(6, 1);
  const Tensor q = Tensor::zeros({6, kCols}, {.device = device});
  const Tensor center = Tensor::zeros({kCols}, {.device = device});
  refused([&] { view_cross_entropy(s, q, {.views = 4}); },
          "student (6, 11), targets (6, 11), 4 views, 2 with targets");
  refused([&] { view_cross_entropy(s, q.rows(0, 3), {}); }, "targets (3, 11)");
  refused([&] { view_cross_entropy(s, q, {.temperature = -1.0F}); }, "temperatures -1.0");
  refused(
      [&] {
        view_cross_entropy(s, TeacherLogits{s, q}, {});
      },
      "center (6, 11), need (rows, K) and K numbers");
  refused([&] { update_center(center, s, 2.0F); }, "update_center: teacher logits (6, 11), momentum 2.0");
}

INSTANTIATE_TEST_SUITE_P(Devices, ViewCrossEntropyOp,
                         testing::Combine(testing::ValuesIn(test::devices()),
                                          testing::Values(DType::f32, DType::bf16)));

}  // namespace
}  // namespace nagare
