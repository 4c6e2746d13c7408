#include "ssl/eval/evaluator.h"

#include <algorithm>
#include <cstring>

#include "engine/device/errors.h"
#include "engine/io/clock.h"
#include "engine/profile/profile.h"
#include "ssl/data/subset.h"
#include "ssl/eval/measures.h"
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
    if (!split.labels.domains.empty())
      chosen.labels.domains.push_back(split.labels.domains[static_cast<std::size_t>(from)]);
  }
  return chosen;
}

// The images that are of some task.
Split of_tasks(const Split& split, const Tasks& tasks) {
  std::vector<std::int64_t> ids;
  for (const auto& rows : rows_of_tasks(tasks, split.labels.classes, split.labels.domains))
    ids.insert(ids.end(), rows.begin(), rows.end());
  std::ranges::sort(ids);
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return static_cast<std::int64_t>(ids.size()) == split.size() ? split : take(split, ids);
}

// Of every image the first task that it belongs to.
std::vector<std::int64_t> first_tasks(const Split& split, const Tasks& tasks) {
  std::vector<std::int64_t> first(static_cast<std::size_t>(split.size()));
  const TaskRows rows = rows_of_tasks(tasks, split.labels.classes, split.labels.domains);
  for (std::size_t t = rows.size(); t-- > 0;) {
    for (const std::int64_t row : rows[t])
      first[static_cast<std::size_t>(row)] = static_cast<std::int64_t>(t);
  }
  return first;
}

}  // namespace

Evaluator::Evaluator(const Dataset& dataset, Tasks tasks, const EvaluationOptions& options)
    : tasks_(std::move(tasks)), classes_(dataset.classes()), options_(options) {
  if (options.neighbours < 1 || !(options.temperature > 0.0F) || options.batch < 1) {
    throw BadConfig(
        "evaluation: need at least 1 neighbour, a positive temperature and a batch of at least 1");
  }
  options.bag.check();
  readouts_ = parse_readouts(options.readouts);
  bank_ = evenly_spaced(of_tasks(dataset.train, tasks_), options.bank_images);
  queries_ = evenly_spaced(of_tasks(dataset.test, tasks_), options.test_images);
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

bool Evaluator::needs_hidden_layer() const {
  return options_.bag.feature == "hidden" && std::ranges::any_of(readouts_, &Readout::bag);
}

Evaluation Evaluator::evaluate(models::Backbone& backbone, const FeatureInput& input, std::int64_t tasks_seen,
                               const HiddenLayer* hidden) const {
  if (needs_hidden_layer() && hidden == nullptr) throw no_hidden_layer();
  const profile::Range range("evaluation");
  const std::int64_t start = io::monotonic_nanoseconds();
  LabelledFeatures bank{.features = extract_features(backbone, bank_.images, input, options_.batch),
                        .labels = bank_.labels.classes,
                        .classes = classes_,
                        .domains = bank_.labels.domains};
  const Tensor queries = extract_features(backbone, queries_.images, input, options_.batch);
  refuse_not_finite(bank.features);
  refuse_not_finite(queries);
  const NetworkView network{.backbone = backbone,
                            .input = input,
                            .bank_images = bank_.images,
                            .query_images = queries_.images,
                            .batch = options_.batch};
  const ReadoutSettings settings{.neighbours = options_.neighbours,
                                 .temperature = options_.temperature,
                                 .tasks_seen = tasks_seen,
                                 .augment = options_.augment,
                                 .epochs = options_.epochs,
                                 .seed = options_.seed};
  Evaluation evaluation;
  evaluation.measures = measure(network, queries, options_.measure_images, options_.seed);
  LabelledFeatures bag_bank;  // taken when first asked for
  Tensor bag_queries;
  LabelledFeatures task_bank;  // likewise: of a network that knows tasks
  Tensor task_queries;
  for (const Readout& readout : readouts_) {
    if (readout.bag && !bag_queries.defined()) {
      const auto bags = [&](const Tensor& images, std::int64_t draw) {
        const BagDraw how{.seed = options_.seed, .draw = draw, .batch = options_.batch};
        return bag_features(backbone, images, input, options_.bag, how,
                            needs_hidden_layer() ? hidden : nullptr);
      };
      bag_bank = bank;
      bag_bank.features = bags(bank_.images, 0);
      bag_queries = bags(queries_.images, 1);
    }
    const bool by_task = readout.task_given && !readout.bag && backbone.knows_tasks();
    if (by_task && !task_queries.defined()) {
      const auto of = [&](const Split& split) {
        return extract_task_features(backbone, split.images, first_tasks(split, tasks_), input,
                                     options_.batch);
      };
      task_bank = bank;
      task_bank.features = of(bank_);
      task_queries = of(queries_);
      refuse_not_finite(task_bank.features);
      refuse_not_finite(task_queries);
    }
    const ReadoutData data{.bank = readout.bag ? bag_bank : (by_task ? task_bank : bank),
                           .queries = readout.bag ? bag_queries : (by_task ? task_queries : queries),
                           .query_labels = queries_.labels.classes,
                           .tasks = tasks_,
                           .network = &network,
                           .query_domains = queries_.labels.domains};
    evaluation.readouts.push_back(run_readout(readout, data, settings));
  }
  evaluation.seconds = io::seconds_since(start);
  return evaluation;
}

}  // namespace nagare::ssl
