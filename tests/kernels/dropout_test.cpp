#include "kernels/dropout.h"

#include <gmock/gmock.h>

#include "kernels/dispatch.h"
#include "kernels/parallel.h"
#include "tests/support/devices.h"
#include "tests/support/gradient.h"

namespace nagare {
namespace {

using kernels::Dropout;
using test::Values;

struct DropoutTest : testing::TestWithParam<std::tuple<Device, DType, std::int64_t>> {
  Device device = std::get<0>(GetParam());
  DType dtype = std::get<1>(GetParam());
  std::int64_t n = std::get<2>(GetParam());
};

TEST_P(DropoutTest, ElementIUsesDrawIOfTheStream) {
  const Dropout p{
      .n = n, .drop_probability = 0.25F, .key = {.seed = 9, .purpose = Purpose::dropout, .view = 2}};
  const Values in = test::normal_values(n, 1, dtype);
  Philox random(p.key);
  Values want;
  for (const double v : in) {
    want.push_back(random.uniform() < 0.25F ? 0.0
                                            : test::rounded(static_cast<float>(v) * (1.0F / 0.75F), dtype));
  }
  const Tensor x = test::to_tensor(in, {n}, dtype, device);
  const int before = threads();
  set_threads(3);
  for_activation_type("test", dtype, [&]<class T>(T) {
    NAGARE_DISPATCH(device, dropout(p, x.data<T>(), x.data<T>(), x.stream()));
  });
  set_threads(before);
  EXPECT_EQ(test::to_values(x), want);
}

INSTANTIATE_TEST_SUITE_P(Sizes, DropoutTest,
                         testing::Combine(testing::ValuesIn(test::devices()),
                                          testing::Values(DType::f32, DType::bf16),
                                          testing::Values(0, 1, 2, 31, 257, 10007)));

TEST(DropoutCheck, NonsenseIsRefusedByName) {
  const auto message = testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr("dropout: "));
  for (const float bad : {1.0F, -0.1F, NAN}) EXPECT_THAT([bad] { (Dropout{4, bad, {}}).check(); }, message);
  EXPECT_THAT([] { (Dropout{(std::int64_t{1} << 26) + 1, 0.5F, {}}).check(); }, message);
}

}  // namespace
}  // namespace nagare
