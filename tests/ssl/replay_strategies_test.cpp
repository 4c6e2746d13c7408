// Strategies that replay: what LUMP, DER, A-GEM, GSS, fifo and joint do with images, worked by hand.
#include <gmock/gmock.h>

#include <cmath>
#include <set>

#include "engine/device/errors.h"
#include "ssl/augment/mixup.h"
#include "ssl/buffers/fifo.h"
#include "ssl/buffers/gradient_selection.h"
#include "ssl/buffers/reservoir.h"
#include "ssl/buffers/seen_images.h"
#include "ssl/strategies/agem.h"
#include "ssl/strategies/joint.h"
#include "ssl/strategies/table.h"
#include "tests/ssl/tiny_run.h"
#include "tests/ssl/toy_learner.h"

namespace nagare::ssl {
namespace {

using test::Pixel;
using test::pixel_of;
using test::ToyLearner;
using testing::ElementsAre;
using testing::FloatNear;
using testing::HasSubstr;
using testing::Pointwise;
using testing::ThrowsMessage;

auto near(const std::vector<float>& want) { return Pointwise(FloatNear(1e-5F), want); }

// Image `id` has the view (x, y, 0).
Pixel pixel(double x, double y) { return {pixel_of(x), pixel_of(y), pixel_of(0)}; }

std::vector<float> pixels_of(const Views& views) {
  return views.images.reshaped({views.images.numel()}).to_vector<float>();
}

Tensor row(const std::vector<float>& values) {
  return Tensor::from(values, {static_cast<std::int64_t>(values.size())});
}

TEST(MixupTest, SharesHaveTheMomentsOfBeta) {
  for (const double alpha : {0.2, 0.4, 1.0, 4.0}) {
    constexpr int kDraws = 20000;
    double sum = 0.0;
    double squares = 0.0;
    for (std::uint32_t i = 0; i < kDraws; ++i) {
      const double share = draw_mixing_share(alpha, {.seed = 3, .purpose = Purpose::mixup, .step = i});
      ASSERT_TRUE(share >= 0.0 && share <= 1.0) << share;
      sum += share;
      squares += (share - 0.5) * (share - 0.5);
    }
    EXPECT_NEAR(sum / kDraws, 0.5, 0.01) << alpha;
    EXPECT_NEAR(squares / kDraws, 1.0 / (4.0 * (2.0 * alpha + 1.0)), 0.005) << alpha;
  }
  const RandomKey key{.seed = 3, .purpose = Purpose::mixup, .step = 9};
  EXPECT_EQ(draw_mixing_share(0.4, key), draw_mixing_share(0.4, key));
  EXPECT_THROW(draw_mixing_share(0.0, key), std::invalid_argument);
  EXPECT_THROW(draw_mixing_share(NAN, key), std::invalid_argument);
}

TEST(LumpTest, MixesEveryViewWithAStoredImagesFromTheSecondStepOn) {
  const auto lump = make_strategy("lump", test::toy_context());
  ToyLearner learner(*lump, {pixel(1, 0), pixel(1, 0), pixel(0, 1), pixel(0, 1)}, 2);
  learner.train(learner.read({0, 1}), 0.1);
  EXPECT_THAT(pixels_of(learner.mixed), near({1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0}));  // nothing is stored yet
  learner.train(learner.read({2, 3}), 0.1);                                           // still the first task
  const float share = draw_mixing_share(0.4F, {.seed = 5, .purpose = Purpose::mixup, .step = 1});
  std::vector<float> want;
  for (int view_and_image = 0; view_and_image < 4; ++view_and_image) {
    want.insert(want.end(), {1 - share, share, 0});  // one share for all
  }
  EXPECT_THAT(pixels_of(learner.mixed), near(want));
  EXPECT_THAT(lump->stored_ids(), ElementsAre(0, 1, 2, 3));
}

TEST(LumpTest, FewerStoredImagesAreGoneThroughInTurns) {
  auto context = test::toy_context();
  context.stream_batch = 3;
  context.capacity = 2;
  const auto lump = make_strategy("lump", context);
  ToyLearner learner(*lump, {pixel(1, 0), pixel(0, 1)});
  learner.train(learner.read({0, 1}), 0.1);
  learner.train(learner.read({0, 0, 0}), 0.1);
  const std::vector<float> mixed = pixels_of(learner.mixed);
  ASSERT_EQ(mixed.size(), 9U);
  EXPECT_EQ(mixed[0], mixed[6]);  // images 0 and 2 got the same stored one
  EXPECT_EQ(mixed[1], mixed[7]);
  EXPECT_NE(mixed[1], mixed[4]);
}

// UCL stores the second view as it was: what comes back is not drawn anew, and not what it was mixed with.
TEST(LumpTest, UclReplaysTheStoredSecondView) {
  const auto lump = make_strategy("lump", test::toy_context({{"variant", "ucl"}}));
  ToyLearner learner(*lump, {pixel(1, 0), pixel(1, 0), pixel(0, 1), pixel(0, 1)}, 2);
  learner.train(learner.read({0, 1}), 0.1);
  learner.train(learner.read({2, 3}), 0.1);
  const Tensor payload = learner.state("reservoir.payload");
  EXPECT_THAT(payload.rows(0, 1).to_vector<float>(), near({1, 0, 0}));
  EXPECT_THAT(payload.rows(2, 1).to_vector<float>(), near({0, 1, 0}));  // unmixed
  payload.copy_from(Tensor::full(payload.shape(), 5.0F));
  learner.train(learner.read({2, 3}), 0.1);
  const float share = draw_mixing_share(0.4F, {.seed = 5, .purpose = Purpose::mixup, .step = 2});
  EXPECT_NEAR(pixels_of(learner.mixed)[8], (1 - share) * 5.0F,
              1e-4);                                     // second view, first image, third channel
  EXPECT_NEAR(pixels_of(learner.mixed)[2], 0.0F, 1e-6);  // first view: drawn anew
  const auto wrong = make_strategy("lump", test::toy_context({{"variant", "ucl"}}));
  EXPECT_THAT([&] { ToyLearner(*wrong, {pixel(1, 0)}, 3); }, ThrowsMessage<BadConfig>(HasSubstr("takes 3")));
}

// f(x) = w . x: stored with the weight before the update, compared with the weight of the update under way.
TEST(DerTest, HoldsOutputsAtWhatTheyWereOnArrival) {
  const auto der = make_strategy("der", test::toy_context({{"alpha", "0.5"}}));
  ToyLearner learner(*der, {pixel(1, 0), pixel(1, 0), pixel(0, 1), pixel(0, 1)}, 2);
  learner.set_weight({0.5F, 0.0F, 0.0F});
  EXPECT_EQ(learner.train(learner.read({0, 1}), 0.1), 0.0);
  EXPECT_THAT(learner.state("reservoir.payload").rows(0, 2).reshaped({2}).to_vector<float>(),
              near({0.5F, 0.5F}));
  learner.set_weight({2.0F, 0.0F, 0.0F});
  // 0.5 (2 - 0.5)^2 for either stored image; gradient of the loss (0, 1, 0) plus 2 0.5 1.5 (1, 0, 0)
  EXPECT_NEAR(learner.train(learner.read({2, 3}), 0.1), 1.125, 1e-6);
  EXPECT_THAT(learner.gradient, near({1.5F, 1.0F, 0.0F}));
  EXPECT_TRUE(learner.passes.empty());  // the method's loss is taken once
}

TEST(DerTest, ProjectionsAreAnotherTarget) {
  const auto der = make_strategy("der", test::toy_context({{"target", "projections"}}));
  ToyLearner learner(*der, {pixel(1, 0), pixel(1, 0)});
  learner.set_weight({0.5F, 0.0F, 0.0F});
  learner.train(learner.read({0, 1}), 0.1);
  EXPECT_THAT(learner.state("reservoir.payload").rows(0, 2).reshaped({2}).to_vector<float>(),
              near({5.0F, 5.0F}));
}

// The distance to an unchanged output is 0; what is left is beta times the mean f of stored images, 0.25 2.
TEST(DerTest, PlusPlusAddsTheLossOnStoredImages) {
  const auto der = make_strategy("der++", test::toy_context({{"beta", "0.25"}}));
  ToyLearner learner(*der, {pixel(1, 0), pixel(1, 0)}, 2);
  learner.set_weight({2.0F, 0.0F, 0.0F});
  learner.train(learner.read({0, 1}), 0.0);
  EXPECT_NEAR(learner.train(learner.read({0, 1}), 0.0), 0.5, 1e-6);
  EXPECT_THAT(learner.passes, ElementsAre(Pass::extra));
}

// g = (1, 0), r = (-1, 1): g . r = -1 < 0, r . r = 2, so g becomes (0.5, 0.5), at right angles to r.
TEST(AgemTest, ProjectsByHand) {
  EXPECT_THAT(project_gradient(row({1, 0}), row({-1, 1})).to_vector<float>(), near({0.5F, 0.5F}));
  EXPECT_THAT(project_gradient(row({1, 0}), row({1, 1})).to_vector<float>(), near({1.0F, 0.0F}));
  EXPECT_THAT(project_gradient(row({1, 0}), row({0, 0})).to_vector<float>(), near({1.0F, 0.0F}));
}

TEST(AgemTest, RemembersEndedTasksAloneAndProjectsAgainstThem) {
  const auto agem = make_strategy("agem", test::toy_context());
  ToyLearner learner(*agem, {pixel(-1, 1), pixel(-1, 1), pixel(-1, 1), pixel(1, 0), pixel(1, 0)});
  learner.train(learner.read({0, 1}), 0.1);
  learner.train(learner.read({1, 2}), 0.1);
  EXPECT_TRUE(agem->stored_ids().empty()) << "the task under way is not in the memory";
  EXPECT_TRUE(learner.passes.empty());
  agem->end_task(0);
  ASSERT_EQ(agem->stored_ids().size(), 2U) << "half of the buffer for one of two tasks";
  for (const std::int64_t id : agem->stored_ids()) EXPECT_LT(id, 3) << "an image that has arrived";
  learner.train(learner.read({3, 4}), 0.1);
  EXPECT_THAT(learner.gradient, near({0.5F, 0.5F, 0.0F}));
  EXPECT_EQ(agem->metrics().at(0).value, 1.0);
  EXPECT_THAT(learner.passes, ElementsAre(Pass::extra));
  learner.train(learner.read({0, 1}), 0.1);
  EXPECT_THAT(learner.gradient, near({-1.0F, 1.0F, 0.0F}));
  EXPECT_EQ(agem->metrics().at(0).value, 0.0);
  agem->end_task(1);
  EXPECT_EQ(agem->stored_ids().size(), 4U);
  EXPECT_THAT(agem->stored_ids()[0], testing::Lt(3));  // the first task's share stays
  const auto small = make_strategy("agem", test::toy_context());
  EXPECT_THAT([&] { ToyLearner(*small, {pixel(1, 0)}, 1, 5); },
              ThrowsMessage<BadConfig>(HasSubstr("one image a task")));
}

TEST(GradientSelectionTest, ReplacesByScore) {
  // Slots of scores 1.5 and 0.5; an image of score 0.5 replaces them with chance 0.75 and 0.5, drawn 3 : 1.
  constexpr int kRuns = 4000;
  int first = 0;
  int second = 0;
  for (std::uint64_t seed = 0; seed < kRuns; ++seed) {
    GradientSelectionBuffer buffer(2, {1, 1, 3}, seed, Device::cpu);
    const Batch image{.images = Tensor::zeros({1, 1, 1, 3}, {.dtype = DType::u8}), .ids = {7}};
    const auto never = []() -> double { throw std::logic_error("asked in vain"); };
    EXPECT_EQ(buffer.offer(image, 1.5, never), 0);
    EXPECT_EQ(buffer.offer(image, 0.5, never), 1);
    EXPECT_EQ(buffer.offer(image, 1.0, never), std::nullopt);  // too much like the rest
    const auto slot = buffer.offer(image, 0.2, [] { return 0.5; });
    if (!slot) continue;
    EXPECT_EQ(buffer.score(*slot), 0.5);
    (*slot == 0 ? first : second) += 1;
  }
  EXPECT_NEAR(first / double{kRuns}, 0.75 * 0.75, 0.03);
  EXPECT_NEAR(second / double{kRuns}, 0.25 * 0.5, 0.02);
}

// A gradient is the view itself: images of one direction do not displace each other, one of the opposite does.
TEST(GssTest, KeepsGradientsThatPointElsewhere) {
  const auto gss = make_strategy("gss", test::toy_context());
  ToyLearner learner(
      *gss, {pixel(1, 0), pixel(1, 0), pixel(1, 0), pixel(1, 0), pixel(1, 0), pixel(-1, 0), pixel(-1, 0)});
  learner.train(learner.read({0, 1}), 0.1);
  EXPECT_THAT(learner.state("buffer.scores").rows(0, 2).to_vector<double>(), ElementsAre(0.1, 0.1));
  learner.train(learner.read({2, 3}), 0.1);
  EXPECT_EQ(learner.composed.ids.size(), 4U);  // replayed behind what arrived
  EXPECT_THAT(learner.state("buffer.scores").rows(2, 2).to_vector<double>(),
              Pointwise(testing::DoubleNear(1e-6), {2.0, 2.0}));
  for (int i = 0; i < 10; ++i) learner.train(learner.read({4, 4}), 0.1);
  EXPECT_THAT(gss->stored_ids(), ElementsAre(0, 1, 2, 3));  // cosine 1: score 2
  learner.train(learner.read({5, 6}), 0.1);                 // cosine -1: score 0, whoever is drawn gives way
  const std::vector<std::int64_t> ids = gss->stored_ids();
  EXPECT_TRUE(std::ranges::find(ids, 5) != ids.end());
  for (const Pass pass : learner.passes) EXPECT_EQ(pass, Pass::frozen);
  EXPECT_FALSE(learner.weight().grad().defined());
}

TEST(FifoTest, HoldsTheNewest) {
  Fifo fifo(3, {1, 1, 3}, Device::cpu);
  const auto batch = [](std::vector<std::int64_t> ids) {
    const auto count = static_cast<std::int64_t>(ids.size());
    return Batch{.images = Tensor::zeros({count, 1, 1, 3}, {.dtype = DType::u8}), .ids = std::move(ids)};
  };
  fifo.insert(batch({1, 2}));
  EXPECT_EQ(fifo.size(), 2);
  EXPECT_THAT(ids_of(fifo.stored(), fifo.by_age()), ElementsAre(1, 2));
  fifo.insert(batch({3, 4}));
  EXPECT_THAT(ids_of(fifo.stored(), fifo.by_age()), ElementsAre(2, 3, 4));
  fifo.insert(batch({5, 6, 7, 8, 9}));
  EXPECT_THAT(ids_of(fifo.stored(), fifo.by_age()), ElementsAre(7, 8, 9));
  EXPECT_THROW(Fifo(0, {1, 1, 3}, Device::cpu), std::invalid_argument);
}

TEST(FifoTest, ReplaysOlderOnesOrTheBufferAlone) {
  const std::vector<Pixel> images(10, pixel(1, 0));
  const auto fifo = make_strategy("fifo", test::toy_context({{"newest", "on"}}));
  ToyLearner stream(*fifo, images);
  stream.train(stream.read({0, 1}), 0.1);
  EXPECT_THAT(stream.composed.ids, ElementsAre(0, 1));
  stream.train(stream.read({2, 3}), 0.1);
  stream.train(stream.read({4, 5}), 0.1);
  EXPECT_THAT(stream.composed.ids, ElementsAre(4, 5, 2, 3));
  stream.train(stream.read({6, 7}), 0.1);
  EXPECT_THAT(fifo->stored_ids(), ElementsAre(4, 5, 6, 7));

  const auto alone = make_strategy("fifo", test::toy_context({{"variant", "buffer-only"}}));
  ToyLearner learner(*alone, images);
  alone->arrive(learner.read({0, 1}));
  EXPECT_FALSE(alone->compose(learner.read({0, 1}), {}).images.defined());  // 2 of 4
  alone->arrive(learner.read({2, 3}));
  const Batch drawn = alone->compose(learner.read({2, 3}), {});
  EXPECT_EQ(drawn.ids.size(), 2U);
  auto small = test::toy_context({{"variant", "buffer-only"}});
  small.capacity = 1;
  EXPECT_THAT([&] { make_strategy("fifo", small); }, ThrowsMessage<BadConfig>(HasSubstr("which holds 1")));
}

TEST(ReservoirTest, KeepsAPayloadAndForgetsOnDemand) {
  Reservoir reservoir(2, {1, 1, 3}, 3, Device::cpu, 2);
  const Batch batch{.images = Tensor::zeros({2, 1, 1, 3}, {.dtype = DType::u8}), .ids = {4, 5}};
  reservoir.insert(batch,
                   Tensor::from(std::vector<float>{1, 2, 3, 4, 9, 9}, {3, 2}));  // a row too many is left
  const std::vector<std::int64_t> slots = {1, 0};
  EXPECT_THAT(reservoir.payload(slots).reshaped({4}).to_vector<float>(), ElementsAre(3, 4, 1, 2));
  EXPECT_THROW(reservoir.insert(batch), std::invalid_argument);
  EXPECT_THROW(reservoir.insert(batch, Tensor::zeros({1, 2})), std::invalid_argument);
  reservoir.clear();
  EXPECT_EQ(reservoir.size(), 0);
  EXPECT_TRUE(reservoir.ids().empty());
  reservoir.insert(batch, Tensor::zeros({2, 2}));
  EXPECT_THAT(reservoir.ids(), ElementsAre(4, 5));
  EXPECT_EQ(reservoir.presentations(), 4);
}

TEST(SeenImagesTest, MarksAndThinsOut) {
  SeenImages seen(6);
  const auto ids = [](std::vector<std::int64_t> list) { return Batch{.images = {}, .ids = std::move(list)}; };
  seen.insert(ids({5, 1, 1, 3, 0}));
  EXPECT_THAT(seen.ids(), ElementsAre(0, 1, 3, 5));
  EXPECT_THAT(seen.ids(2), ElementsAre(0, 3));
  EXPECT_THROW(seen.insert(ids({6})), std::out_of_range);
  seen.clear();
  EXPECT_TRUE(seen.ids().empty());
  EXPECT_THROW(SeenImages(0), std::invalid_argument);
}

TEST(JointTest, ShufflesEveryPassOverAllTasks) {
  const Dataset& data = test::tiny_dataset();
  const Stream stream = make_stream(data, {.spec = "seq:2", .batch = 6, .epochs = 2, .seed = 7});
  const Stream joint = joint_stream(stream, 7);
  ASSERT_EQ(joint.batches.size(), stream.batches.size());
  std::multiset<std::int64_t> first_half;
  std::set<std::int64_t> tasks_of_first_batch;
  std::size_t seen = 0;
  for (std::size_t i = 0; i < joint.batches.size(); ++i) {
    EXPECT_EQ(joint.batches[i].ids.size(), stream.batches[i].ids.size());
    EXPECT_EQ(joint.batches[i].position, stream.batches[i].position);
    EXPECT_EQ(joint.batches[i].task, 1);
    for (const std::int64_t id : joint.batches[i].ids) {
      if (seen++ < static_cast<std::size_t>(test::kTinyImages)) first_half.insert(id);
      if (i == 0) tasks_of_first_batch.insert(data.train.labels.classes[static_cast<std::size_t>(id)] / 2);
    }
  }
  EXPECT_EQ(std::set<std::int64_t>(first_half.begin(), first_half.end()).size(), first_half.size());
  EXPECT_EQ(first_half.size(), static_cast<std::size_t>(test::kTinyImages));
  EXPECT_EQ(tasks_of_first_batch.size(), 2U);
  EXPECT_NE(joint_stream(stream, 8).batches[0].ids, joint.batches[0].ids);
  EXPECT_EQ(arranged("er", stream, 7).batches[0].ids, stream.batches[0].ids);
}

}  // namespace
}  // namespace nagare::ssl
