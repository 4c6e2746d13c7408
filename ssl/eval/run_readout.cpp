#include "ssl/eval/run_readout.h"

#include <algorithm>
#include <cmath>

#include "engine/autograd/tape.h"
#include "engine/ops/shape_ops.h"
#include "ssl/eval/dense.h"
#include "ssl/eval/labelled_subset.h"

namespace nagare::ssl {
namespace {

struct LabelledRows {
  Tensor features;
  std::vector<std::int64_t> labels;
};

LabelledRows rows_of(const Tensor& features, const std::vector<std::int64_t>& labels,
                     const std::vector<std::int64_t>& ids) {
  const tape::NoGrad no_grad;
  LabelledRows rows;
  if (ids.empty()) return rows;
  rows.features = gather_rows(features, Tensor::from(ids, {static_cast<std::int64_t>(ids.size())}));
  for (const std::int64_t id : ids) rows.labels.push_back(labels[static_cast<std::size_t>(id)]);
  return rows;
}

std::vector<std::int64_t> ids_within(const std::vector<std::int64_t>& labels,
                                     const std::vector<std::int64_t>& classes) {
  std::vector<std::int64_t> ids;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (std::ranges::find(classes, labels[i]) != classes.end()) ids.push_back(static_cast<std::int64_t>(i));
  }
  return ids;
}

// (f - mean) / deviation of the bank's dimensions, the population's; a dimension that never varies keeps its 0.
void standardise(Tensor& bank, Tensor& queries) {
  vendor::DenseMatrix rows = dense("standardise", bank);
  const std::vector<double> means = column_means(rows);
  std::vector<double> deviations(means.size());
  subtract_row(rows, means);
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    for (std::int64_t c = 0; c < rows.columns; ++c)
      deviations[static_cast<std::size_t>(c)] += rows(r, c) * rows(r, c);
  }
  for (double& deviation : deviations) {
    deviation = std::sqrt(deviation / static_cast<double>(rows.rows));
    if (!(deviation > 0.0)) deviation = 1.0;
  }
  for (Tensor* features : {&bank, &queries}) {
    std::vector<float> values = features->to_vector<float>();
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::size_t c = i % means.size();
      values[i] = static_cast<float>((values[i] - means[c]) / deviations[c]);
    }
    *features = Tensor::from(values, features->shape());
  }
}

Scores knn_scores(const KnnProtocol& protocol, LabelledFeatures bank, Tensor queries,
                  const ReadoutSettings& settings) {
  if (protocol.standardise) standardise(bank.features, queries);
  std::int64_t k = protocol.neighbours > 0 ? protocol.neighbours : settings.neighbours;
  if (protocol.k_is_tasks) k = std::min(k, settings.tasks_seen);
  const KnnResult result =
      knn_classify(bank.features, bank.labels, queries,
                   {.neighbours = k,
                    .temperature = protocol.temperature > 0 ? protocol.temperature : settings.temperature,
                    .weighted = protocol.weighted,
                    .metric = protocol.metric,
                    .classes = bank.classes});
  return {.classes = bank.classes, .values = result.scores, .setting = static_cast<double>(k)};
}

// Every task's queries among every task's bank, one task after the other.
ReadoutResult knn_within_tasks(const KnnProtocol& protocol, const ReadoutData& data,
                               const ReadoutSettings& settings) {
  ReadoutResult result;
  double right = 0.0;
  double all = 0.0;
  for (const auto& classes : data.tasks) {
    LabelledRows bank = rows_of(data.bank.features, data.bank.labels, ids_within(data.bank.labels, classes));
    const LabelledRows queries =
        rows_of(data.queries, data.query_labels, ids_within(data.query_labels, classes));
    if (bank.labels.empty() || queries.labels.empty()) {
      result.tasks.push_back(kNotMeasured);
      continue;
    }
    const Scores scores = knn_scores(protocol, {bank.features, std::move(bank.labels), data.bank.classes},
                                     queries.features, settings);
    const ReadoutResult of_task = judge(scores, queries.labels, {classes});
    const auto count = static_cast<double>(queries.labels.size());
    result.tasks.push_back(of_task.accuracy);
    result.setting = scores.setting;
    right += of_task.accuracy * count;
    all += count;
  }
  if (all > 0) result.accuracy = right / all;
  return result;
}

// Classes become the number of their task; a class of several tasks has no answer.
std::vector<std::int64_t> task_labels(const std::vector<std::int64_t>& labels, const TaskClasses& tasks) {
  std::vector<std::int64_t> found;
  for (const std::int64_t label : labels) {
    const auto of_label = std::ranges::find_if(
        tasks, [&](const auto& classes) { return std::ranges::find(classes, label) != classes.end(); });
    found.push_back(of_label - tasks.begin());
  }
  return found;
}

bool disjoint(const TaskClasses& tasks) {
  std::vector<std::int64_t> all;
  for (const auto& classes : tasks) all.insert(all.end(), classes.begin(), classes.end());
  std::ranges::sort(all);
  return std::ranges::adjacent_find(all) == all.end();
}

ReadoutResult task_index(const KnnProtocol& protocol, const ReadoutData& data,
                         const ReadoutSettings& settings) {
  if (!disjoint(data.tasks)) return {.tasks = std::vector<double>(data.tasks.size(), kNotMeasured)};
  const auto tasks = static_cast<std::int64_t>(data.tasks.size());
  TaskClasses each;
  for (std::int64_t t = 0; t < tasks; ++t) each.push_back({t});
  const Scores scores =
      knn_scores(protocol, {data.bank.features, task_labels(data.bank.labels, data.tasks), tasks},
                 data.queries, settings);
  return judge(scores, task_labels(data.query_labels, data.tasks), each);
}

ReadoutResult run(const KnnProtocol& protocol, bool task_given, const ReadoutData& data,
                  const ReadoutSettings& settings) {
  if (protocol.predicts_task) return task_index(protocol, data, settings);
  if (task_given) return knn_within_tasks(protocol, data, settings);
  return judge(knn_scores(protocol, data.bank, data.queries, settings), data.query_labels, data.tasks);
}

std::int64_t labelled_of(const ReadoutRow& row) {
  const auto* knn = std::get_if<KnnProtocol>(&row.protocol);
  return knn != nullptr ? knn->labelled : 0;
}

}  // namespace

ReadoutResult run_readout(const Readout& readout, const ReadoutData& data, const ReadoutSettings& settings) {
  LabelledFeatures bank = data.bank;
  const auto choose = [&](const std::vector<std::int64_t>& ids) {
    LabelledRows rows = rows_of(bank.features, bank.labels, ids);
    bank.features = rows.features;
    bank.labels = std::move(rows.labels);
  };
  if (const std::int64_t count = labelled_of(*readout.row); count > 0)
    choose(labelled_count(bank.labels, bank.classes, count, settings.seed));
  if (readout.fraction < 1.0)
    choose(labelled_share(bank.labels, bank.classes, readout.fraction, settings.seed));
  const ReadoutData chosen{bank, data.queries, data.query_labels, data.tasks};
  ReadoutResult result =
      std::visit([&](const auto& protocol) { return run(protocol, readout.task_given, chosen, settings); },
                 readout.row->protocol);
  result.labelled = static_cast<std::int64_t>(bank.labels.size());
  return result;
}

}  // namespace nagare::ssl
