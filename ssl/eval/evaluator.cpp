#include "ssl/eval/evaluator.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "engine/autograd/tape.h"
#include "engine/device/errors.h"
#include "engine/io/clock.h"
#include "engine/ops/elementwise.h"
#include "engine/profile/profile.h"
#include "ssl/augment/augmenter.h"
#include "ssl/eval/knn.h"

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

double percent(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? std::numeric_limits<double>::quiet_NaN()
                    : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

// Percent right among the queries whose label is one of `classes`.
double accuracy_within(const std::vector<std::int64_t>& predictions, const std::vector<std::int64_t>& labels,
                       const std::vector<std::int64_t>& classes) {
  std::int64_t right = 0;
  std::int64_t count = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (std::ranges::find(classes, labels[i]) == classes.end()) continue;
    ++count;
    right += predictions[i] == labels[i] ? 1 : 0;
  }
  return percent(right, count);
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

Evaluator::Evaluator(const Dataset& dataset, std::vector<std::vector<std::int64_t>> task_classes,
                     const EvaluationOptions& options)
    : bank_(evenly_spaced(dataset.train, options.bank_images)),
      queries_(evenly_spaced(dataset.test, options.test_images)),
      task_classes_(std::move(task_classes)),
      classes_(dataset.classes()),
      options_(options) {
  if (options.neighbours < 1 || !(options.temperature > 0.0F) || options.batch < 1) {
    throw BadConfig(
        "evaluation: need at least 1 neighbour, a positive temperature and a batch of at least 1");
  }
  if (bank_.size() == 0 || queries_.size() == 0) {
    throw BadData(dataset.spec + ": evaluation needs training and test images, there are " +
                  std::to_string(bank_.size()) + " and " + std::to_string(queries_.size()));
  }
}

Evaluation Evaluator::evaluate(models::Backbone& backbone, const FeatureInput& input) const {
  const profile::Range range("evaluation");
  const std::int64_t start = io::monotonic_nanoseconds();
  const Tensor bank = extract_features(backbone, bank_.images, input, options_.batch);
  const Tensor queries = extract_features(backbone, queries_.images, input, options_.batch);
  const KnnResult result = knn_classify(
      bank, bank_.labels.classes, queries,
      {.neighbours = options_.neighbours, .temperature = options_.temperature, .classes = classes_});
  Evaluation evaluation{.knn = knn_accuracy(result, queries_.labels.classes),
                        .knn_top5 = knn_accuracy(result, queries_.labels.classes, 5),
                        .task_knn = {},
                        .seconds = 0.0};
  for (const auto& classes : task_classes_) {
    evaluation.task_knn.push_back(accuracy_within(result.predictions, queries_.labels.classes, classes));
  }
  evaluation.seconds = io::seconds_since(start);
  return evaluation;
}

}  // namespace nagare::ssl
