#include <gmock/gmock.h>

#include <algorithm>
#include <map>

#include "engine/device/errors.h"
#include "ssl/streams/stream.h"
#include "ssl/streams/table.h"

namespace nagare::ssl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

// `per_class` images of each class, classes interleaved.
Labels interleaved(std::int64_t classes, std::int64_t per_class) {
  Labels labels;
  for (std::int64_t i = 0; i < classes * per_class; ++i) labels.classes.push_back(i % classes);
  return labels;
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
  const Labels labels = interleaved(6, 7);
  const Stream stream = make_stream(
      labels, 6,
      {.spec = p.spec, .class_order = p.class_order, .batch = p.batch, .epochs = p.epochs, .seed = 3});
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
      EXPECT_THAT(classes, testing::Contains(labels.classes[static_cast<std::size_t>(id)]));
    }
    position += static_cast<std::int64_t>(batch.ids.size());
  }
  EXPECT_EQ(arrivals.size(), labels.classes.size());
  for (const auto& [id, times] : arrivals) EXPECT_EQ(times, p.epochs) << "image " << id;
}

INSTANTIATE_TEST_SUITE_P(All, StreamProperties,
                         testing::Values(Case{"seq:3", "natural", 4, 1}, Case{"seq:3", "seeded", 5, 3},
                                         Case{"seq:6", "5,4,3,2,1,0", 7, 2}, Case{"seq:1", "natural", 100, 1},
                                         Case{"iid", "natural", 4, 2}, Case{"iid", "seeded", 1, 1}));

TEST(Stream, TasksTakeTheClassesInTheAskedOrder) {
  const Labels labels = interleaved(4, 2);
  EXPECT_THAT(make_stream(labels, 4, {.spec = "seq:2"}).task_classes,
              ElementsAre(ElementsAre(0, 1), ElementsAre(2, 3)));
  EXPECT_THAT(make_stream(labels, 4, {.spec = "seq:2", .class_order = "3,0,2,1"}).task_classes,
              ElementsAre(ElementsAre(3, 0), ElementsAre(2, 1)));
}

TEST(Stream, OnlyTheLastBatchOfAPassIsSmaller) {
  const Stream stream = make_stream(interleaved(2, 10), 2, {.spec = "seq:2", .batch = 4, .epochs = 2});
  std::vector<std::size_t> sizes;
  for (const StreamBatch& batch : stream.batches) sizes.push_back(batch.ids.size());
  EXPECT_THAT(sizes, ElementsAre(4, 4, 2, 4, 4, 2, 4, 4, 2, 4, 4, 2));
}

TEST(Stream, TheLastBatchOfAPassHasTwoImages) {
  const Stream stream = make_stream(interleaved(1, 9), 1, {.spec = "iid", .batch = 4});
  std::vector<std::size_t> sizes;
  for (const StreamBatch& batch : stream.batches) sizes.push_back(batch.ids.size());
  EXPECT_THAT(sizes, ElementsAre(4, 3, 2));
}

TEST(Stream, IsShuffledByTheSeedAndTheEpochAlone) {
  const Labels labels = interleaved(4, 50);
  const StreamOptions options{.spec = "seq:2", .epochs = 2, .seed = 1};
  const Stream stream = make_stream(labels, 4, options);
  EXPECT_EQ(stream_digest(stream), stream_digest(make_stream(labels, 4, options)));
  StreamOptions other = options;
  other.seed = 2;
  EXPECT_NE(stream_digest(stream), stream_digest(make_stream(labels, 4, other)));
  EXPECT_NE(stream.batches[0].ids, stream.batches[1].ids);  // two epochs of one task
  EXPECT_FALSE(std::is_sorted(stream.batches[0].ids.begin(), stream.batches[0].ids.end()));
  StreamOptions longer = options;
  longer.epochs = 1;
  EXPECT_EQ(make_stream(labels, 4, longer).batches[0].ids, stream.batches[0].ids);
}

TEST(Stream, SeededClassOrderIsAPermutationThatTheSeedChooses) {
  const Labels labels = interleaved(10, 1);
  const auto classes = [&](std::uint64_t seed) {
    std::vector<std::int64_t> order;
    for (const auto& task :
         make_stream(labels, 10, {.spec = "seq:5", .class_order = "seeded", .seed = seed}).task_classes) {
      order.insert(order.end(), task.begin(), task.end());
    }
    return order;
  };
  EXPECT_NE(classes(1), classes(2));
  EXPECT_THAT(classes(1), testing::UnorderedElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
}

TEST(Stream, RefusesWhatItCannotDoByName) {
  const auto make = [](StreamOptions options) {
    return [options] { make_stream(interleaved(6, 2), 6, options); };
  };
  EXPECT_THAT(make({.spec = "sqe:3"}), ThrowsMessage<BadConfig>(HasSubstr("nearest is \"seq\"")));
  EXPECT_THAT(make({.spec = "seq:4"}),
              ThrowsMessage<BadConfig>(HasSubstr("6 classes cannot be cut into 4 equal tasks")));
  for (const char* spec : {"seq:0", "seq:-1"})
    EXPECT_THAT(make({.spec = spec}), ThrowsMessage<BadConfig>(HasSubstr("equal tasks")));
  for (const char* spec : {"seq", "seq:", "seq:two", "seq:3x"}) {
    EXPECT_THAT(make({.spec = spec}), ThrowsMessage<BadConfig>(HasSubstr("needs seq:T")));
  }
  EXPECT_THAT(make({.spec = "iid:2"}), ThrowsMessage<BadConfig>(HasSubstr("needs iid alone")));
  EXPECT_THAT(make({.spec = "seq:3", .class_order = "0,1,2,3,4"}),
              ThrowsMessage<BadConfig>(HasSubstr("5 classes are named")));
  EXPECT_THAT(make({.spec = "seq:3", .class_order = "0,1,2,3,4,4"}),
              ThrowsMessage<BadConfig>(HasSubstr("class 4 comes twice")));
  EXPECT_THAT(make({.spec = "seq:3", .class_order = "0,1,2,3,4,6"}),
              ThrowsMessage<BadConfig>(HasSubstr("no class 6")));
  EXPECT_THAT(make({.spec = "seq:3", .class_order = "random"}),
              ThrowsMessage<BadConfig>(HasSubstr("\"random\" is not a class")));
  EXPECT_THAT(make({.batch = 0}), ThrowsMessage<BadConfig>(HasSubstr("batch 0")));
  EXPECT_THAT(make({.epochs = 0}), ThrowsMessage<BadConfig>(HasSubstr("epochs 0")));
  EXPECT_THAT(
      [] {
        make_stream({{0, 0, 1, 1}}, 4, {.spec = "seq:2"});
      },
      ThrowsMessage<BadData>(HasSubstr("task 1 has no images")));
}

TEST(Stream, TextListsTotalsTasksAndBatches) {
  const Stream stream = make_stream({{0, 1, 0}}, 2, {.spec = "seq:2", .batch = 2});
  const std::string text = stream_to_text(stream, {"cat", "dog"});
  EXPECT_THAT(text, testing::StartsWith("2 tasks, 2 batches, 3 images, digest "));
  EXPECT_THAT(text, HasSubstr("task 0: 2 images in 1 batches; classes 0 (cat)\n"));
  EXPECT_THAT(text, HasSubstr("batch 1 task 1 position 2 ids 1\n"));
}

TEST(Stream, TableNamesWhatMakeStreamTakes) {
  for (const StreamKind& kind : stream_kinds()) {
    const std::string spec = kind.name == "seq" ? "seq:2" : kind.name;
    EXPECT_NO_THROW(make_stream(interleaved(2, 1), 2, {.spec = spec})) << kind.name;
  }
}

}  // namespace
}  // namespace nagare::ssl
