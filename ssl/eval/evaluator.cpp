#include "ssl/eval/evaluator.h"

#include <algorithm>
#include <cstring>

#include "engine/autograd/tape.h"
#include "engine/device/errors.h"
#include "engine/io/clock.h"
#include "engine/ops/elementwise.h"
#include "engine/profile/profile.h"
#include "ssl/augment/augmenter.h"
#include "ssl/data/subset.h"
#include "ssl/eval/run_readout.h"

namespace nagare::ssl {
namespace {

// `count` images at even distances (all of them for count = 0): class-balanced where a split is sorted by class.
Split evenly_spaced(const Split& split, std::int64_t count) {
  if (count <= 0 || count >= split.size()) return split;
  const Shape& shape = split.images.shape();
  Split chosen{.images = Tensor::empty({count, shape[1], shape[2], shape[3]}, {.dtype = DType::u8}),
               .labels = {}};
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t from = i * split.size() / count;
    const Tensor image = split.images.rows(from, 1);
    std::memcpy(chosen.images.rows(i, 1).raw(), image.raw(), image.bytes());
    chosen.labels.classes.push_back(split.labels.classes[static_cast<std::size_t>(from)]);
  }
  return chosen;
}

// The images of classes that some task has.
Split of_tasks(const Split& split, const TaskClasses& tasks) {
  std::vector<std::int64_t> ids;
  for (std::int64_t id = 0; id < split.size(); ++id) {
    const std::int64_t label = split.labels.classes[static_cast<std::size_t>(id)];
    const bool in_a_task = std::ranges::any_of(
        tasks, [&](const auto& classes) { return std::ranges::find(classes, label) != classes.end(); });
    if (in_a_task) ids.push_back(id);
  }
  return static_cast<std::int64_t>(ids.size()) == split.size() ? split : take(split, ids);
}

}  // namespace

Tensor extract_features(models::Backbone& backbone, const Tensor& images, const FeatureInput& input,
                        std::int64_t batch) {
  const tape::NoGrad guard;
  const std::int64_t count = images.shape()[0];
  const Tensor features = Tensor::empty({count, backbone.feature_dim()});
  for (std::int64_t begin = 0; begin < count; begin += batch) {
    const std::int64_t size = std::min(batch, count - begin);
    const Tensor pixels = evaluation_images(images.rows(begin, size).to(input.device), input.mean, input.std,
                                            input.size, input.dtype);
    features.rows(begin, size).copy_from(cast(backbone.forward(pixels, /*training=*/false), DType::f32));
  }
  return features;
}

Evaluator::Evaluator(const Dataset& dataset, TaskClasses task_classes, const EvaluationOptions& options)
    : task_classes_(std::move(task_classes)), classes_(dataset.classes()), options_(options) {
  if (options.neighbours < 1 || !(options.temperature > 0.0F) || options.batch < 1) {
    throw BadConfig(
        "evaluation: need at least 1 neighbour, a positive temperature and a batch of at least 1");
  }
  readouts_ = parse_readouts(options.readouts);
  bank_ = evenly_spaced(of_tasks(dataset.train, task_classes_), options.bank_images);
  queries_ = evenly_spaced(of_tasks(dataset.test, task_classes_), options.test_images);
  if (bank_.size() == 0 || queries_.size() == 0) {
    throw BadData(dataset.spec + ": evaluation needs training and test images, there are " +
                  std::to_string(bank_.size()) + " and " + std::to_string(queries_.size()));
  }
}

std::vector<std::string> Evaluator::readout_names() const {
  std::vector<std::string> names;
  for (const Readout& readout : readouts_) names.push_back(readout.spec);
  return names;
}

Evaluation Evaluator::evaluate(models::Backbone& backbone, const FeatureInput& input,
                               std::int64_t tasks_seen) const {
  const profile::Range range("evaluation");
  const std::int64_t start = io::monotonic_nanoseconds();
  const LabelledFeatures bank{.features = extract_features(backbone, bank_.images, input, options_.batch),
                              .labels = bank_.labels.classes,
                              .classes = classes_};
  const Tensor queries = extract_features(backbone, queries_.images, input, options_.batch);
  const ReadoutData data{
      .bank = bank, .queries = queries, .query_labels = queries_.labels.classes, .tasks = task_classes_};
  const ReadoutSettings settings{.neighbours = options_.neighbours,
                                 .temperature = options_.temperature,
                                 .tasks_seen = tasks_seen,
                                 .seed = options_.seed};
  Evaluation evaluation;
  for (const Readout& readout : readouts_)
    evaluation.readouts.push_back(run_readout(readout, data, settings));
  evaluation.seconds = io::seconds_since(start);
  return evaluation;
}

}  // namespace nagare::ssl
