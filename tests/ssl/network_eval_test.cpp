// What looks at networks and images: the whole evaluator, bags of patches, crops, fine-tuning, CKA, measures.
#include <gmock/gmock.h>

#include <cmath>
#include <cstring>

#include "engine/device/errors.h"
#include "kernels/parallel.h"
#include "ssl/augment/augmenter.h"
#include "ssl/eval/evaluator.h"
#include "ssl/eval/measures.h"
#include "ssl/eval/network_cka.h"

namespace nagare::ssl {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

const FeatureInput kInput{.mean = {0.5F, 0.5F, 0.5F}, .std = {0.25F, 0.25F, 0.25F}, .size = 16};

struct Subject {
  explicit Subject(std::uint64_t seed = 1)
      : data(load_dataset("fractal:classes=4,per-class=8,test-per-class=3,size=16,seed=2", {})),
        backbone(models::make_backbone("resnet18:width=4", {.image_size = 16, .seed = seed})) {}

  std::vector<std::vector<float>> state() const {
    nn::StateList list;
    backbone->list_state(list);
    std::vector<std::vector<float>> values;
    for (const nn::StateEntry& entry : list.entries()) {
      if (entry.tensor.dtype() == DType::f32) values.push_back(entry.tensor.to_vector<float>());
    }
    return values;
  }

  Evaluation evaluate(EvaluationOptions options) const {
    options.batch = 5;
    return Evaluator(data, {.classes = {{0, 1}, {2, 3}}}, options).evaluate(*backbone, kInput, 2);
  }

  Dataset data;
  std::unique_ptr<models::Backbone> backbone;
};

std::vector<double> numbers(const Evaluation& evaluation) {
  std::vector<double> all = {evaluation.measures.rank, evaluation.measures.alignment,
                             evaluation.measures.uniformity};
  for (const ReadoutResult& readout : evaluation.readouts) {
    all.push_back(readout.accuracy);
    all.insert(all.end(), readout.tasks.begin(), readout.tasks.end());
  }
  return all;
}

// How often an evaluation asks whether it is still wanted.
int questions_of(const std::string& readouts, bool augment = false) {
  const Subject subject;
  const EvaluationOptions options{
      .readouts = readouts, .batch = 5, .augment = augment, .epochs = 2, .bag = {.count = 3}};
  FeatureInput input = kInput;
  int asked = 0;
  input.given_up = [&asked] { return ++asked < 0; };
  const Evaluator evaluator(subject.data, {.classes = {{0, 1}, {2, 3}}}, options);
  evaluator.evaluate(*subject.backbone, input, 2);
  const int all = asked;
  asked = 0;
  input.given_up = [&asked, all] { return ++asked == all; };
  EXPECT_THROW(evaluator.evaluate(*subject.backbone, input, 2), GivenUp) << readouts;
  return all;
}

TEST(NetworkEvalTest, EveryLongLoopAsksWhetherItIsStillWanted) {
  const int plain = questions_of("knn");
  EXPECT_GE(plain, 10);  // 32 + 12 images, five at a time
  for (const char* readouts : {"knn,bag:knn", "knn,linear-moco", "knn,finetune"})
    EXPECT_GT(questions_of(readouts), plain) << readouts;
  EXPECT_GT(questions_of("knn,linear-moco", true), plain);
}

TEST(NetworkEvalTest, TheNetworkStaysAndTheNumbersRepeat) {
  const Subject subject;
  const auto before = subject.state();
  const EvaluationOptions options{
      .readouts = "knn,ridge,linear-moco@0.5,finetune,finetune-swav@0.5,bag:knn,bag:linear-emp-task",
      .augment = true,
      .epochs = 2,
      .bag = {.count = 3}};
  const int threads_before = threads();
  set_threads(1);
  const std::vector<double> one = numbers(subject.evaluate(options));
  set_threads(3);
  EXPECT_EQ(one, numbers(subject.evaluate(options)));
  set_threads(threads_before);
  EXPECT_EQ(subject.state(), before);
  for (const double number : one) EXPECT_TRUE(std::isfinite(number));
}

// Judged by the images that it learns from.
TEST(NetworkEvalTest, FineTuningLearns) {
  Subject subject;
  subject.data.test = subject.data.train;
  const Evaluation evaluation = subject.evaluate({.readouts = "finetune,finetune@0.2", .epochs = 60});
  EXPECT_GT(evaluation.readouts[0].accuracy, 60.0);  // chance: 25
  EXPECT_EQ(evaluation.readouts[0].labelled, 32);
  EXPECT_EQ(evaluation.readouts[1].labelled, 8);
  EXPECT_EQ(evaluation.readouts[0].setting, 60.0);
}

TEST(NetworkEvalTest, ClassesOfNoTaskAreLeftOut) {
  const Subject subject;
  const Evaluation evaluation = Evaluator(subject.data, {.classes = {{0}, {1}}}, {.readouts = "knn"})
                                    .evaluate(*subject.backbone, kInput, 1);
  EXPECT_EQ(evaluation.readouts[0].labelled, 16);
  EXPECT_THROW(Evaluator(subject.data, {.classes = {{7}}}, {.readouts = "knn"}), BadData);
}

TEST(NetworkEvalTest, WeightsThatAreNotFiniteAreRefused) {
  const Subject subject;
  nn::StateList list;
  subject.backbone->list_state(list);
  list.find("conv1.weight")->tensor.data<float>()[0] = NAN;
  for (const char* readout : {"knn", "ridge", "ncm"})
    EXPECT_THAT([&] { subject.evaluate({.readouts = readout}); },
                ThrowsMessage<Diverged>(HasSubstr("finite")));
}

TEST(NetworkEvalTest, NothingIsMeasuredWithoutImages) {
  const Subject subject;
  EXPECT_TRUE(std::isnan(subject.evaluate({.measure_images = 0}).measures.rank));
  EXPECT_TRUE(std::isnan(subject.evaluate({.measure_images = 1}).measures.rank));
  const Measures m = subject.evaluate({.measure_images = 7}).measures;
  EXPECT_TRUE(m.rank >= 1.0 && m.rank <= 7.1) << m.rank;
  EXPECT_TRUE(m.alignment > 0.0 && m.uniformity < 0.0 && m.spread > 0.0 && m.mean_norm < 1.0);
}

// The mean over the definition's windows, image by image.
TEST(BagTest, AGridIsTheMeanOfItsWindows) {
  const Subject subject;
  const Tensor images = subject.data.test.images.rows(0, 3);
  const Tensor grid = bag_features(*subject.backbone, images, kInput, {.patches = "grid"}, {.batch = 30});
  std::vector<double> mean(32);
  for (std::int64_t y = 0; y <= 8; y += 2) {
    for (std::int64_t x = 0; x <= 8; x += 2) {
      const Tensor window = Tensor::empty({1, 8, 8, 3}, {.dtype = DType::u8});
      for (std::int64_t r = 0; r < 8; ++r) {
        for (std::int64_t c = 0; c < 24; ++c) {
          window.data<std::uint8_t>()[r * 24 + c] =
              images.data<std::uint8_t>()[((1 * 16 + y + r) * 16 + x) * 3 + c];
        }
      }
      const std::vector<float> row =
          extract_features(*subject.backbone, window, kInput, 1).to_vector<float>();
      for (std::size_t d = 0; d < 32; ++d) mean[d] += row[d] / 25.0;
    }
  }
  const std::vector<float> got = grid.rows(1, 1).to_vector<float>();
  for (std::size_t d = 0; d < 32; ++d) EXPECT_NEAR(got[d], mean[d], 1e-4);
}

TEST(BagTest, RandomPatchesDependOnSeedAndDrawAlone) {
  const Subject subject;
  const Tensor images = subject.data.test.images.rows(0, 5);
  const auto bag = [&](const BagDraw& draw) {
    return bag_features(*subject.backbone, images, kInput, {.count = 4}, draw).to_vector<float>();
  };
  const std::vector<float> whole = bag({.seed = 1, .draw = 0, .batch = 64});
  const std::vector<float> pieces = bag({.seed = 1, .draw = 0, .batch = 1});
  for (std::size_t i = 0; i < whole.size(); ++i) EXPECT_NEAR(whole[i], pieces[i], 1e-5);
  EXPECT_NE(whole, bag({.seed = 1, .draw = 1, .batch = 64}));
  EXPECT_NE(whole, bag({.seed = 2, .draw = 0, .batch = 64}));
}

TEST(BagTest, RefusesUnknownKinds) {
  EXPECT_THAT([] { (BagOptions{.patches = "some"}).check(); },
              ThrowsMessage<BadConfig>(HasSubstr("\"some\"")));
  EXPECT_THROW(BagOptions{.count = 0}.check(), BadConfig);
  EXPECT_THAT([] { (BagOptions{.feature = "head"}).check(); },
              ThrowsMessage<BadConfig>(HasSubstr("\"head\", need backbone or hidden")));
}

HiddenLayer::Find in(const nn::StateList& list) {
  return [&list](const std::string& name) {
    const nn::StateEntry* entry = list.find(name);
    return entry == nullptr ? Tensor() : entry->tensor;
  };
}

nn::StateList projector(const models::MlpOptions& options) {
  nn::StateList list;
  const nn::StateList::Scope scope(list, "projector");
  models::Mlp(options).list_state(list);
  return list;
}

// Two features, two units: W = [1 2; -1 1], b = (1, 0), BN with mean (2, 0), variance (3, 1), gamma (2, 1),
// beta (0, 5). Of x = (1, 1): W x + b = (4, 0), out (4 / sqrt 3, 5). Of (-1, 0): (0, 1), out (0, 6), as ReLU cuts -4 / sqrt 3.
TEST(HiddenLayerTest, IsTheFirstBlockOfTheProjector) {
  const nn::StateList list = projector({.widths = {2, 2, 3}, .hidden_bias = true});
  const auto set = [&](const char* name, const std::vector<float>& values) {
    list.find(name)->tensor.copy_from(Tensor::from(values, list.find(name)->tensor.shape()));
  };
  set("projector.0.weight", {1, 2, -1, 1});
  set("projector.0.bias", {1, 0});
  set("projector.1.weight", {2, 1});
  set("projector.1.bias", {0, 5});
  set("projector.1.running_mean", {2, 0});
  set("projector.1.running_var", {3, 1});
  const std::optional<HiddenLayer> hidden = HiddenLayer::of(in(list), Device::cpu);
  ASSERT_TRUE(hidden.has_value());
  EXPECT_EQ(hidden->dim(), 2);
  const std::vector<float> y =
      hidden->forward(Tensor::from(std::vector<float>{1, 1, -1, 0}, {2, 2})).to_vector<float>();
  EXPECT_NEAR(y[0], 4 / std::sqrt(3.0), 1e-4);
  EXPECT_NEAR(y[1], 5, 1e-4);
  EXPECT_EQ(y[2], 0);
  EXPECT_NEAR(y[3], 6, 1e-4);
}

TEST(HiddenLayerTest, AHeadWithoutOneHasNone) {
  EXPECT_FALSE(HiddenLayer::of(in({}), Device::cpu).has_value());
  EXPECT_FALSE(HiddenLayer::of(in(projector({.widths = {4, 3}})), Device::cpu).has_value());
  EXPECT_FALSE(
      HiddenLayer::of(in(projector({.widths = {4, 3}, .output_norm = true})), Device::cpu).has_value());
  EXPECT_EQ(HiddenLayer::of(in(projector({.widths = {4, 5, 3}, .hidden_norm = false})), Device::cpu)->dim(),
            5);
  EXPECT_EQ(HiddenLayer::of(in(projector({.widths = {4, 5, 6, 3}})), Device::cpu)->dim(), 5);
}

TEST(HiddenLayerTest, BagsTakeTheMeanOfWhatItMakesOfEveryPatch) {
  const Subject subject;
  const nn::StateList list = projector({.widths = {32, 7, 3}, .seed = 3});
  const std::optional<HiddenLayer> hidden = HiddenLayer::of(in(list), Device::cpu);
  const Tensor images = subject.data.test.images.rows(0, 3);
  const BagOptions centre{.patches = "centre", .feature = "hidden"};  // one patch: its mean is itself
  const Tensor plain = bag_features(*subject.backbone, images, kInput, centre, {});
  const Tensor bags = bag_features(*subject.backbone, images, kInput, centre, {}, &*hidden);
  EXPECT_EQ(bags.to_vector<float>(), hidden->forward(plain).to_vector<float>());
  EvaluationOptions options{.readouts = "bag:knn", .measure_images = 0, .bag = centre};
  EXPECT_THAT([&] { subject.evaluate(options); }, ThrowsMessage<BadConfig>(HasSubstr("no projector")));
  options.readouts = "knn";
  EXPECT_NO_THROW(subject.evaluate(options));
}

TEST(NetworkCkaTest, ANetworkIsLikeItself) {
  const Subject a;
  const Subject b(2);
  const Tensor& images = a.data.test.images;
  const BlockFeatures of_a = block_features(*a.backbone, images, kInput, 5);
  const BlockFeatures of_b = block_features(*b.backbone, images, kInput, 12);
  EXPECT_THAT(of_a.names, testing::ElementsAre("conv1", "layer1", "layer2", "layer3", "layer4"));
  const AccuracyMatrix blocks = cka_between_blocks(of_a, of_a);
  for (std::size_t i = 0; i < 5; ++i) EXPECT_NEAR(blocks[i][i], 1.0, 1e-9);
  EXPECT_NEAR(blocks[1][3], blocks[3][1], 1e-9);
  const auto networks = cka_between_networks({of_a, of_b});
  ASSERT_EQ(networks.size(), 5U);
  EXPECT_LT(networks[4][0][1], 1.0);
  EXPECT_NEAR(networks[4][0][1], networks[4][1][0], 1e-9);
  // The last block, pooled, is the feature.
  const Tensor features = extract_features(*a.backbone, images, kInput, 12);
  const std::vector<float> want = features.to_vector<float>();
  const std::vector<float> got = of_a.features[4].to_vector<float>();
  for (std::size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-5);
}

TEST(NetworkCkaTest, ParametersHaveADistance) {
  const Subject a;
  const Subject same;
  EXPECT_DOUBLE_EQ(parameter_distance(*a.backbone, *same.backbone), 0.0);
  nn::StateList list;
  same.backbone->list_state(list);
  list.find("conv1.weight")->tensor.data<float>()[0] += 3.0F;
  list.find("bn1.running_mean")->tensor.data<float>()[0] += 5.0F;  // a buffer
  list.find("bn1.weight")->tensor.data<float>()[0] += 4.0F;
  EXPECT_NEAR(parameter_distance(*a.backbone, *same.backbone), 5.0, 1e-5);
  const auto other = models::make_backbone("resnet18:width=8", {.image_size = 16});
  EXPECT_THROW(parameter_distance(*a.backbone, *other), std::invalid_argument);
}

}  // namespace
}  // namespace nagare::ssl
