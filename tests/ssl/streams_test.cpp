#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <set>

#include "engine/device/errors.h"
#include "ssl/streams/published_random.h"
#include "ssl/streams/stream.h"
#include "ssl/streams/table.h"

namespace nagare::ssl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

// A data set of labels alone.
Dataset labelled(std::vector<std::int64_t> labels, std::int64_t classes) {
  Dataset data;
  data.train.labels.classes = std::move(labels);
  for (std::int64_t c = 0; c < classes; ++c) data.class_names.push_back("class " + std::to_string(c));
  return data;
}

// `per_class` images of each class, classes interleaved.
Dataset interleaved(std::int64_t classes, std::int64_t per_class) {
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < classes * per_class; ++i) labels.push_back(i % classes);
  return labelled(std::move(labels), classes);
}

std::vector<std::int64_t> all_ids(const Stream& stream) {
  std::vector<std::int64_t> ids;
  for (const StreamBatch& batch : stream.batches) ids.insert(ids.end(), batch.ids.begin(), batch.ids.end());
  return ids;
}

std::vector<std::size_t> batch_sizes(const Stream& stream) {
  std::vector<std::size_t> sizes;
  for (const StreamBatch& batch : stream.batches) sizes.push_back(batch.ids.size());
  return sizes;
}

struct Case {
  const char* spec;
  const char* class_order;
  std::int64_t batch;
  std::int64_t epochs;
};

struct StreamProperties : testing::TestWithParam<Case> {};

TEST_P(StreamProperties, EveryImageArrivesOncePerEpochInItsTask) {
  const Case& p = GetParam();
  const Dataset data = interleaved(6, 7);
  const Stream stream = make_stream(
      data, {.spec = p.spec, .class_order = p.class_order, .batch = p.batch, .epochs = p.epochs, .seed = 3});
  ASSERT_EQ(static_cast<std::int64_t>(stream.task_classes.size()), stream.tasks);
  std::map<std::int64_t, std::int64_t> arrivals;
  std::int64_t position = 0;
  std::int64_t task = 0;
  for (const StreamBatch& batch : stream.batches) {
    EXPECT_EQ(batch.position, position);
    EXPECT_GE(batch.task, task);  // tasks never come back
    task = batch.task;
    ASSERT_FALSE(batch.ids.empty());
    EXPECT_LE(static_cast<std::int64_t>(batch.ids.size()), p.batch);
    const auto& classes = stream.task_classes[static_cast<std::size_t>(batch.task)];
    for (const std::int64_t id : batch.ids) {
      ++arrivals[id];
      EXPECT_THAT(classes, testing::Contains(data.train.labels.classes[static_cast<std::size_t>(id)]));
    }
    position += static_cast<std::int64_t>(batch.ids.size());
  }
  EXPECT_EQ(arrivals.size(), data.train.labels.classes.size());
  for (const auto& [id, times] : arrivals) EXPECT_EQ(times, p.epochs) << "image " << id;
}

INSTANTIATE_TEST_SUITE_P(All, StreamProperties,
                         testing::Values(Case{"seq:3", "natural", 4, 1}, Case{"seq:3", "seeded", 5, 3},
                                         Case{"seq:6", "5,4,3,2,1,0", 7, 2}, Case{"seq:1", "natural", 100, 1},
                                         Case{"iid", "natural", 4, 2}, Case{"iid", "seeded", 1, 1},
                                         Case{"data:5", "natural", 4, 2}, Case{"data:1", "natural", 3, 1},
                                         Case{"data:2,split=pytorch:42", "natural", 4, 1},
                                         Case{"seq:2,boundaries=hidden", "natural", 4, 2},
                                         Case{"seq:3,seed=9", "seeded", 4, 1}));

TEST(Stream, TasksTakeTheClassesInTheAskedOrder) {
  const Dataset data = interleaved(4, 2);
  EXPECT_THAT(make_stream(data, {.spec = "seq:2"}).task_classes,
              ElementsAre(ElementsAre(0, 1), ElementsAre(2, 3)));
  EXPECT_THAT(make_stream(data, {.spec = "seq:2", .class_order = "3,0,2,1"}).task_classes,
              ElementsAre(ElementsAre(3, 0), ElementsAre(2, 1)));
}

TEST(Stream, OnlyTheLastBatchOfAPassIsSmaller) {
  const Stream stream = make_stream(interleaved(2, 10), {.spec = "seq:2", .batch = 4, .epochs = 2});
  EXPECT_THAT(batch_sizes(stream), ElementsAre(4, 4, 2, 4, 4, 2, 4, 4, 2, 4, 4, 2));
}

TEST(Stream, TheLastBatchOfAPassHasTwoImages) {
  const Stream stream = make_stream(interleaved(1, 9), {.spec = "iid", .batch = 4});
  EXPECT_THAT(batch_sizes(stream), ElementsAre(4, 3, 2));
}

TEST(Stream, IsShuffledByTheSeedAndTheEpochAlone) {
  const Dataset data = interleaved(4, 50);
  const StreamOptions options{.spec = "seq:2", .epochs = 2, .seed = 1};
  const Stream stream = make_stream(data, options);
  EXPECT_EQ(stream_digest(stream), stream_digest(make_stream(data, options)));
  StreamOptions other = options;
  other.seed = 2;
  EXPECT_NE(stream_digest(stream), stream_digest(make_stream(data, other)));
  EXPECT_NE(stream.batches[0].ids, stream.batches[1].ids);  // two epochs of one task
  EXPECT_FALSE(std::is_sorted(stream.batches[0].ids.begin(), stream.batches[0].ids.end()));
  StreamOptions longer = options;
  longer.epochs = 1;
  EXPECT_EQ(make_stream(data, longer).batches[0].ids, stream.batches[0].ids);
}

TEST(Stream, SeededClassOrderIsAPermutationThatTheSeedChooses) {
  const Dataset data = interleaved(10, 1);
  const auto classes = [&](std::uint64_t seed) {
    std::vector<std::int64_t> order;
    for (const auto& task :
         make_stream(data, {.spec = "seq:5", .class_order = "seeded", .seed = seed}).task_classes) {
      order.insert(order.end(), task.begin(), task.end());
    }
    return order;
  };
  EXPECT_NE(classes(1), classes(2));
  EXPECT_THAT(classes(1), testing::UnorderedElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
}

TEST(Stream, RefusesWhatItCannotDoByName) {
  const auto make = [](StreamOptions options) {
    return [options] { make_stream(interleaved(6, 2), options); };
  };
  EXPECT_THAT(make({.spec = "sqe:3"}), ThrowsMessage<BadConfig>(HasSubstr("nearest is \"seq\"")));
  EXPECT_THAT(make({.spec = "seq:4"}),
              ThrowsMessage<BadConfig>(HasSubstr("6 classes cannot be cut into 4 equal tasks")));
  for (const char* spec : {"seq:0", "seq:-1", "drift:0"})
    EXPECT_THAT(make({.spec = spec}), ThrowsMessage<BadConfig>(HasSubstr("needs 1 to 1000000")));
  for (const char* spec : {"seq", "seq:", "seq:two", "seq:3x"}) {
    EXPECT_THAT(make({.spec = spec}), ThrowsMessage<BadConfig>(HasSubstr("needs seq:T")));
  }
  EXPECT_THAT(make({.spec = "iid:2"}), ThrowsMessage<BadConfig>(HasSubstr("needs iid alone")));
  const auto refused = [&](const char* spec, const char* why) {
    EXPECT_THAT(make({.spec = spec}), ThrowsMessage<BadConfig>(HasSubstr(why))) << spec;
  };
  refused("seq:3,bulr=0.5", "nearest is \"blur\"");
  refused("seq:3,blur", "\"blur\" is not key=value");
  refused("seq:3,", "\"\" is not key=value");
  refused("seq:3,blur=0.1,blur=0.2", "\"blur\" is given twice");
  for (const char* spec : {"seq:3,", "seq:3,,blur=0.1", "seq:3,blur=0.1,"})
    refused(spec, "\"\" is not key=value");
  refused("seq:3,blur=nan", "blur=nan: needs a number from 0 to 1");
  refused("seq:3,blur=1.5", "needs a number from 0 to 1");
  refused("seq:3,runs=0", "needs a whole number from 1 to 4096");
  refused("seq:3,boundaries=open", "needs exposed or hidden");
  refused("seq:3,samples=5", "task 1 has 4 images");
  refused("seq:3,samples=2/5", "samples=5, task 2 has 4 images");
  refused("seq:3,samples=1/2/3/4", "4 numbers of samples for 3 tasks: need at most one for each");
  refused("iid,samples=1/2", "2 numbers of samples for 1 task");
  refused("seq:3,samples=2/", "samples=2/: needs whole numbers from 0 to 1000000000 with / between them");
  refused("seq:3,samples=-1", "samples=-1: needs whole numbers");
  refused("seq:3,split=seeded", "split= has no meaning for seq, only for data");
  refused("data:2,split=torch", "needs seeded, or pytorch:SEED");
  refused("data:13", "12 images cannot be cut into 13 parts");
  refused("iid,blur=0.5", "blur= has no meaning for iid");
  refused("iid,spread=0.5", "spread= has no meaning for iid");
  refused("drift:4", "6 classes cannot be cut into 4 equal tasks");
  refused("drift:3,boundaries=exposed", "no boundaries to expose");
  refused("drift:3,samples=2/4", "samples= needs one number");
  refused("drift:3,samples=5", "15 images in all, there are 12");
  refused("domain", "needs several sources");
  EXPECT_THAT(make({.spec = "seq:3,blur=0.5", .epochs = 2}),
              ThrowsMessage<BadConfig>(HasSubstr("a blur passes once")));
  EXPECT_THAT(make({.spec = "drift:3", .epochs = 2}), ThrowsMessage<BadConfig>(HasSubstr("needs epochs 1")));
  EXPECT_THAT(make({.batch = 0}), ThrowsMessage<BadConfig>(HasSubstr("batch 0")));
  EXPECT_THAT(make({.epochs = 0}), ThrowsMessage<BadConfig>(HasSubstr("epochs 0")));
  EXPECT_THAT(
      [] {
        make_stream(labelled({0, 0, 1, 1}, 4), {.spec = "seq:2"});
      },
      ThrowsMessage<BadData>(HasSubstr("task 1 has no images")));
}

TEST(Stream, TableNamesWhatMakeStreamTakes) {
  Dataset data = interleaved(2, 6);
  data.domains = {"first", "second"};
  data.train.labels.domains = {0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1};
  for (const StreamKind& kind : stream_kinds()) {
    const std::string spec = kind.tasks == StreamTasks::required ? kind.name + ":2" : kind.name;
    EXPECT_NO_THROW(make_stream(data, {.spec = spec})) << kind.name;
    EXPECT_THAT(kind.syntax, testing::StartsWith(kind.name));
  }
  const auto by_name = [](const auto& a, const auto& b) { return a.name < b.name; };
  EXPECT_TRUE(std::is_sorted(stream_kinds().begin(), stream_kinds().end(), by_name));
  const auto by_key = [](const StreamKey& a, const StreamKey& b) { return a.key < b.key; };
  EXPECT_TRUE(std::is_sorted(stream_keys().begin(), stream_keys().end(), by_key));
  for (const StreamKey& key :
       stream_keys()) {  // every key of the table is read: its empty value is what is wrong
    const std::string kind = key.key == "split" ? "data:2" : key.key == "spread" ? "drift:2" : "seq:2";
    EXPECT_THAT([&] { make_stream(data, {.spec = kind + "," + key.key + "="}); },
                ThrowsMessage<BadConfig>(HasSubstr(key.key + "=: needs ")));
  }
}

// floor(N / T) images each, the rest in the first part; all classes in each.
TEST(DataStream, CutsAPermutationAsTorchsRandomSplit) {
  const Dataset data = interleaved(2, 7);
  const Stream stream = make_stream(data, {.spec = "data:4,split=pytorch:42", .batch = 20});
  EXPECT_THAT(batch_sizes(stream), ElementsAre(5, 3, 3, 3));
  EXPECT_THAT(stream.task_classes[0], ElementsAre(0, 1));
  const std::vector<std::int64_t> order = pytorch_permutation(14, 42);
  EXPECT_THAT(stream.batches[0].ids, testing::UnorderedElementsAreArray(order.begin(), order.begin() + 5));
  EXPECT_THAT(stream.batches[1].ids,
              testing::UnorderedElementsAreArray(order.begin() + 5, order.begin() + 8));
  const Stream seeded = make_stream(data, {.spec = "data:4", .batch = 20, .seed = 1});
  EXPECT_NE(all_ids(seeded), all_ids(make_stream(data, {.spec = "data:4", .batch = 20, .seed = 2})));
}

TEST(DomainStream, TakesSourceAfterSource) {
  Dataset data = labelled({0, 1, 0, 1, 1, 0}, 2);
  data.domains = {"photo", "sketch"};
  data.train.labels.domains = {0, 0, 0, 1, 1, 1};
  const Stream stream = make_stream(data, {.spec = "domain", .class_order = "1,0"});
  ASSERT_EQ(stream.tasks, 2);
  EXPECT_THAT(stream.task_domains, ElementsAre(0, 1));
  EXPECT_THAT(stream.task_classes, ElementsAre(ElementsAre(1, 0), ElementsAre(1, 0)));
  EXPECT_THAT(stream.batches[0].ids, testing::UnorderedElementsAre(0, 1, 2));
  EXPECT_THAT(stream.batches[1].ids, testing::UnorderedElementsAre(3, 4, 5));
}

TEST(StreamKeys, SeveralSamplesTakeTurns) {
  const Dataset data = interleaved(3, 20);
  EXPECT_THAT(batch_sizes(make_stream(data, {.spec = "seq:3,samples=4/9", .batch = 20})),
              ElementsAre(4, 9, 4));
  EXPECT_THAT(batch_sizes(make_stream(data, {.spec = "seq:3,samples=0/9", .batch = 20})),
              ElementsAre(20, 9, 20));
}

TEST(StreamKeys, SamplesAreDrawnOnceForAllPasses) {
  const Dataset data = interleaved(4, 20);
  const Stream stream = make_stream(data, {.spec = "seq:2,samples=10", .batch = 10, .epochs = 2});
  EXPECT_THAT(batch_sizes(stream), ElementsAre(10, 10, 10, 10));
  EXPECT_THAT(stream.batches[1].ids, testing::UnorderedElementsAreArray(stream.batches[0].ids));
  EXPECT_NE(stream.batches[1].ids, stream.batches[0].ids);
}

// Images change places around the boundary only, fewer the farther from it; all still arrive once.
TEST(StreamKeys, BlurExchangesImagesAroundTheBoundary) {
  const Dataset data = interleaved(2, 400);
  const Stream stream = make_stream(data, {.spec = "seq:2,blur=0.5", .batch = 50});
  EXPECT_FALSE(stream.exposed);
  const std::vector<std::int64_t> ids = all_ids(stream);
  EXPECT_EQ(std::set<std::int64_t>(ids.begin(), ids.end()).size(), 800U);
  const auto strangers = [&](std::size_t begin, std::size_t end, std::int64_t home) {
    return std::count_if(ids.begin() + static_cast<std::ptrdiff_t>(begin),
                         ids.begin() + static_cast<std::ptrdiff_t>(end),
                         [&](std::int64_t id) { return id % 2 != home; });
  };
  EXPECT_EQ(strangers(0, 300, 0), 0);  // m = 400 * 0.5 / 2 = 100
  EXPECT_EQ(strangers(500, 800, 1), 0);
  EXPECT_EQ(strangers(300, 400, 0), strangers(400, 500, 1));  // they change places in pairs
  // 50 images at 0.5 .. 0.275: 19.4 expected, deviation 3.4; at 0.275 .. 0.05: 8.1, 2.5.
  EXPECT_NEAR(static_cast<double>(strangers(350, 400, 0)), 19.4, 4 * 3.4);
  EXPECT_NEAR(static_cast<double>(strangers(300, 350, 0)), 8.1, 4 * 2.5);
  EXPECT_GT(strangers(350, 400, 0), strangers(300, 350, 0));
  EXPECT_EQ(all_ids(make_stream(data, {.spec = "seq:2,blur=0,boundaries=hidden", .batch = 50})),
            all_ids(make_stream(data, {.spec = "seq:2", .batch = 50})));
}

// Hidden boundaries do not show in the sizes of batches; a batch counts to the task of its first image.
TEST(StreamKeys, HiddenBoundariesAreNotCutAt) {
  const Dataset data = interleaved(2, 10);
  const StreamOptions asked{.spec = "seq:2,boundaries=hidden", .batch = 8};
  const Stream hidden = make_stream(data, asked);
  EXPECT_THAT(batch_sizes(hidden), ElementsAre(8, 8, 4));
  EXPECT_EQ(hidden.batches[1].task, 0);
  EXPECT_EQ(hidden.batches[2].task, 1);
  EXPECT_EQ(all_ids(hidden), all_ids(make_stream(data, {.spec = "seq:2", .batch = 8})));
  EXPECT_NO_THROW(check_trainable(hidden, asked));
  const StreamOptions coarse{.spec = "seq:2,boundaries=hidden", .batch = 20};
  EXPECT_THAT([&] { check_trainable(make_stream(data, coarse), coarse); },
              ThrowsMessage<BadConfig>(HasSubstr("no batch begins in task 2, which has too few images")));
}

TEST(StreamKeys, DropLastLeavesWholeBatches) {
  const Stream stream =
      make_stream(interleaved(2, 11), {.spec = "seq:2,drop-last=on", .batch = 5, .epochs = 2});
  EXPECT_THAT(batch_sizes(stream), ElementsAre(5, 5, 5, 5, 5, 5, 5, 5));
  EXPECT_EQ(stream.motion.length, 40);
  const StreamOptions coarse{.spec = "seq:2,drop-last=on", .batch = 5};
  const Stream nothing = make_stream(interleaved(2, 3), coarse);
  EXPECT_TRUE(nothing.batches.empty());
  EXPECT_THAT(
      [&] { check_trainable(nothing, coarse); },
      ThrowsMessage<BadConfig>(HasSubstr("no batch begins in task 1: it has fewer images than a batch, "
                                         "and drop-last leaves such a batch out")));
}

TEST(StreamKeys, RunsAreFramesOfOneImageInARow) {
  const Dataset data = interleaved(2, 3);
  const Stream stream = make_stream(data, {.spec = "seq:2,runs=4,samples=2", .batch = 4});
  ASSERT_THAT(batch_sizes(stream), ElementsAre(4, 4, 4, 4));
  for (const StreamBatch& batch : stream.batches) {
    for (std::size_t frame = 0; frame < 4; ++frame) {
      EXPECT_EQ(batch.ids[frame], batch.ids[0] + 6 * static_cast<std::int64_t>(frame));
      EXPECT_EQ(image_of(batch.ids[frame], 6), batch.ids[0]);
    }
  }
  EXPECT_EQ(stream.motion.length, 16);
  EXPECT_NE(stream_digest(stream),
            stream_digest(make_stream(data, {.spec = "seq:2,runs=4,samples=2,zoom=2"})));
}

TEST(StreamKeys, SeedIsTheStreamsOwn) {
  const Dataset data = interleaved(4, 10);
  const auto ids = [&](const std::string& spec, std::uint64_t seed) {
    return all_ids(make_stream(data, {.spec = spec, .seed = seed}));
  };
  EXPECT_EQ(ids("seq:2,seed=5", 1), ids("seq:2,seed=5", 2));
  EXPECT_EQ(ids("seq:2,seed=5", 1), ids("seq:2", 5));
  EXPECT_NE(ids("seq:2", 1), ids("seq:2", 2));
}

// A narrow spread is nearly a sequence of classes, a wide one nearly iid; each image arrives once.
TEST(DriftStream, MovesFromClassToClass) {
  const Dataset data = interleaved(4, 100);
  const auto mean_class = [&](const std::vector<std::int64_t>& ids, std::size_t quarter) {
    double sum = 0.0;
    for (std::size_t i = 100 * quarter; i < 100 * (quarter + 1); ++i) sum += static_cast<double>(ids[i] % 4);
    return sum / 100.0;
  };
  const std::vector<std::int64_t> narrow = all_ids(make_stream(data, {.spec = "drift:4,spread=0.05"}));
  const std::vector<std::int64_t> middle = all_ids(make_stream(data, {.spec = "drift:2,spread=0.5"}));
  const std::vector<std::int64_t> wide = all_ids(make_stream(data, {.spec = "drift:2,spread=100"}));
  for (const auto& ids : {narrow, middle, wide})
    EXPECT_EQ(std::set<std::int64_t>(ids.begin(), ids.end()).size(), 400U);
  for (std::size_t quarter = 0; quarter < 4; ++quarter) {
    EXPECT_NEAR(mean_class(narrow, quarter), static_cast<double>(quarter), 0.1);
    EXPECT_NEAR(mean_class(wide, quarter), 1.5, 0.5);
    if (quarter > 0) {
      EXPECT_GT(mean_class(middle, quarter), mean_class(middle, quarter - 1));
    }
  }
  const Stream reversed = make_stream(data, {.spec = "drift:2,spread=0.05", .class_order = "3,2,1,0"});
  EXPECT_THAT(reversed.task_classes, ElementsAre(ElementsAre(3, 2), ElementsAre(1, 0)));
  EXPECT_NEAR(mean_class(all_ids(reversed), 0), 3.0, 0.1);
  EXPECT_EQ(all_ids(make_stream(data, {.spec = "drift:2,samples=30"})).size(), 60U);
}

}  // namespace
}  // namespace nagare::ssl
