#include "models/resnet.h"

#include <gmock/gmock.h>

#include "engine/autograd/tape.h"
#include "engine/device/memory.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/reduce.h"
#include "tests/support/devices.h"
#include "tests/support/matrix.h"

namespace nagare {
namespace {

using models::ResNet;
using models::Stem;

Tensor images(std::int64_t n, std::int64_t size, Device device) {
  const test::Matrix values = test::normal(n, size * size * 3, 1);
  return Tensor::from(std::vector<float>(values.values().begin(), values.values().end()), {n, size, size, 3},
                      device);
}

nn::StateList state_of(const ResNet& net) {
  nn::StateList list;
  net.list_state(list);
  return list;
}

struct ResNetTest : testing::TestWithParam<Device> {};

TEST_P(ResNetTest, ListsTorchvisionsNamesAndShapes) {
  const ResNet net({.width = 8, .stem = Stem::imagenet, .device = GetParam()});
  const nn::StateList list = state_of(net);
  EXPECT_EQ(list.entries().size(), 120U);  // torchvision's resnet18 has 122 with fc.weight and fc.bias
  EXPECT_EQ(list.parameters().size(), 60U);
  const auto shape = [&](const char* name) {
    return list.find(name) ? list.find(name)->tensor.shape() : Shape{};
  };
  EXPECT_EQ(shape("conv1.weight"), (Shape{8, 7, 7, 3}));
  EXPECT_EQ(shape("layer1.0.conv1.weight"), (Shape{8, 3, 3, 8}));
  EXPECT_EQ(shape("layer2.0.downsample.0.weight"), (Shape{16, 1, 1, 8}));
  EXPECT_EQ(shape("layer2.0.downsample.1.running_var"), (Shape{16}));
  EXPECT_EQ(shape("layer4.1.bn2.bias"), (Shape{64}));
  EXPECT_EQ(list.find("conv1.weight")->layout, nn::DiskLayout::conv_oihw);
  EXPECT_EQ(list.find("bn1.num_batches_tracked")->tensor.dtype(), DType::i64);
  EXPECT_EQ(list.find("layer1.0.downsample.0.weight"), nullptr);
}

TEST_P(ResNetTest, StagesHaveTheirSizesAndTheFeaturesAreTheMeanOfTheLast) {
  ResNet cifar({.width = 4, .device = GetParam()});
  const auto small = cifar.forward_stages(images(2, 32, GetParam()), false);
  EXPECT_EQ(small.stem.shape(), (Shape{2, 32, 32, 4}));
  EXPECT_EQ(small.layers[0].shape(), (Shape{2, 32, 32, 4}));
  EXPECT_EQ(small.layers[3].shape(), (Shape{2, 4, 4, 32}));
  EXPECT_EQ(small.features.shape(), (Shape{2, 32}));
  const std::vector<float> last = small.layers[3].to_vector<float>();
  double mean = 0.0;
  for (std::size_t i = 0; i < 16; ++i) mean += last[i * 32 + 5] / 16.0;
  EXPECT_NEAR(small.features.to_vector<float>()[5], mean, 1e-5);

  ResNet imagenet({.width = 4, .stem = Stem::imagenet, .device = GetParam()});
  const auto large = imagenet.forward_stages(images(1, 64, GetParam()), false);
  EXPECT_EQ(large.stem.shape(), (Shape{1, 32, 32, 4}));
  EXPECT_EQ(large.layers[0].shape(), (Shape{1, 16, 16, 4}));
  EXPECT_EQ(large.layers[3].shape(), (Shape{1, 2, 2, 32}));
}

TEST_P(ResNetTest, APaddingOfTwoAddsTwoPixels) {
  ResNet net({.width = 4, .stem_padding = 2, .device = GetParam()});
  const auto stages = net.forward_stages(images(2, 32, GetParam()), false);
  EXPECT_EQ(stages.stem.shape(), (Shape{2, 34, 34, 4}));
  EXPECT_EQ(stages.layers[3].shape(), (Shape{2, 5, 5, 32}));
}

// With group norm an image's features are its own: the same in training, in evaluation and beside other images. Mish is
// not ReLU, and its gradients reach everything.
TEST_P(ResNetTest, GroupNormsAndMishMakeFeaturesOfOneImageAlone) {
  const models::ResNetOptions options{
      .width = 4, .groups = 2, .activation = models::Activation::mish, .seed = 3, .device = GetParam()};
  ResNet net(options);
  const Tensor x = images(3, 16, GetParam());
  const std::vector<float> trained = net.forward(x, true).to_vector<float>();
  EXPECT_EQ(net.forward(x, false).to_vector<float>(), trained);
  const std::vector<float> alone = net.forward(x.rows(1, 1), true).to_vector<float>();
  for (std::size_t c = 0; c < 32; ++c) EXPECT_NEAR(alone[c], trained[32 + c], 1e-5F);
  models::ResNetOptions other = options;
  other.activation = models::Activation::relu;
  EXPECT_NE(ResNet(other).forward(x, true).to_vector<float>(), trained);
  EXPECT_EQ(net.clone()->forward(x, true).to_vector<float>(), trained);
  tape::backward(mean(square(net.forward(x, true))));
  for (const nn::StateEntry& entry : state_of(net).parameters()) {
    ASSERT_TRUE(entry.tensor.grad().defined()) << entry.name;
    float largest = 0.0F;
    for (const float g : entry.tensor.grad().to_vector<float>()) largest = std::max(largest, std::abs(g));
    EXPECT_GT(largest, 0.0F) << entry.name;
  }
}

// Blocks that begin as their shortcuts: with ReLU the first stage passes the stem on.
TEST_P(ResNetTest, ZeroInitMakesBlocksTheirShortcuts) {
  ResNet net({.width = 4, .zero_init = true, .device = GetParam()});
  const auto stages = net.forward_stages(images(2, 16, GetParam()), true);
  EXPECT_EQ(stages.layers[0].to_vector<float>(), stages.stem.to_vector<float>());
}

TEST_P(ResNetTest, ForwardIsTheStagesFeaturesAndHoldsLessMemory) {
  ResNet net({.width = 4, .device = GetParam()});
  const Tensor x = images(4, 64, GetParam());
  const tape::NoGrad guard;
  const auto peak_of = [&](const auto& work) {
    reset_peak_memory(GetParam());
    const std::size_t before = memory_use(GetParam()).in_use;
    work();
    return memory_use(GetParam()).peak - before;
  };
  std::vector<float> features;
  std::vector<float> stages;
  const std::size_t lean = peak_of([&] { features = net.forward(x, false).to_vector<float>(); });
  const std::size_t all = peak_of([&] { stages = net.forward_stages(x, false).features.to_vector<float>(); });
  EXPECT_EQ(features, stages);
  const std::size_t stem = 4 * 64 * 64 * 4 * sizeof(float);  // needed for layer1's first block alone
  EXPECT_LE(lean + stem, all);
}

TEST_P(ResNetTest, TrainingReachesEveryParameterAndMovesTheRunningStatistics) {
  ResNet net({.width = 4, .device = GetParam()});
  const Tensor features = net.forward(images(3, 16, GetParam()), true);
  const test::Matrix weights = test::normal(1, features.numel(), 2);
  const Tensor direction = Tensor::from(std::vector<float>(weights.values().begin(), weights.values().end()),
                                        features.shape(), GetParam());
  tape::backward(sum(multiply(features, direction)));
  const nn::StateList list = state_of(net);
  for (const nn::StateEntry& e : list.parameters()) {
    const Tensor gradient = e.tensor.grad();
    ASSERT_TRUE(gradient.defined()) << e.name;
    double size = 0.0;
    for (const float v : gradient.to_vector<float>()) size += std::abs(static_cast<double>(v));
    EXPECT_GT(size, 0.0) << e.name;
  }
  EXPECT_EQ(list.find("layer4.1.bn2.num_batches_tracked")->tensor.item(), 1.0);
  EXPECT_NE(list.find("layer4.1.bn2.running_var")->tensor.to_vector<float>()[0], 1.0F);
}

TEST_P(ResNetTest, EvaluationChangesNothingAndDoesNotMixImages) {
  ResNet net({.width = 4, .device = GetParam()});
  const Tensor both = images(2, 16, GetParam());
  const std::vector<float> together = net.forward(both, false).to_vector<float>();
  const std::vector<float> alone = net.forward(both.rows(1, 1), false).to_vector<float>();
  for (std::size_t i = 0; i < alone.size(); ++i) EXPECT_NEAR(alone[i], together[alone.size() + i], 1e-5F);
  EXPECT_EQ(state_of(net).find("bn1.num_batches_tracked")->tensor.item(), 0.0);
}

TEST_P(ResNetTest, Bf16FollowsF32) {
  ResNet net({.width = 8, .device = GetParam()});
  const Tensor x = images(2, 32, GetParam());
  const std::vector<float> exact = net.forward(x, true).to_vector<float>();
  const Tensor half = net.forward(cast(x, DType::bf16), true);
  EXPECT_EQ(half.dtype(), DType::bf16);
  const std::vector<float> rounded = half.to_vector<float>();
  for (std::size_t i = 0; i < exact.size(); ++i) EXPECT_NEAR(rounded[i], exact[i], 0.1) << i;
}

TEST_P(ResNetTest, TheSeedDecidesTheWeights) {
  const auto first_weight = [&](std::uint64_t seed) {
    return state_of(ResNet({.width = 4, .seed = seed, .device = GetParam()}))
        .find("conv1.weight")
        ->tensor.to_vector<float>();
  };
  EXPECT_EQ(first_weight(1), first_weight(1));
  EXPECT_NE(first_weight(1), first_weight(2));
}

TEST_P(ResNetTest, InitialWeightsHaveKaimingsDeviation) {
  const ResNet net({.width = 64, .device = GetParam()});
  const std::vector<float> w = state_of(net).find("layer2.1.conv1.weight")->tensor.to_vector<float>();
  double squares = 0.0;
  for (const float v : w) squares += static_cast<double>(v) * v;
  EXPECT_NEAR(std::sqrt(squares / static_cast<double>(w.size())), std::sqrt(2.0 / (128 * 9)), 2e-4);
}

TEST_P(ResNetTest, RefusesWhatIsNoImageBatch) {
  ResNet net({.width = 4, .device = GetParam()});
  EXPECT_THAT(
      [&] {
        net.forward(Tensor::zeros({2, 32, 32, 1}), false);
      },
      testing::ThrowsMessage<std::invalid_argument>(testing::HasSubstr("images (2, 32, 32, 1)")));
  EXPECT_THROW(ResNet({.width = 0}), std::invalid_argument);
}

INSTANTIATE_TEST_SUITE_P(Devices, ResNetTest, testing::ValuesIn(test::devices()));

}  // namespace
}  // namespace nagare
