#include "ssl/eval/run_readout.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "engine/autograd/tape.h"
#include "engine/ops/elementwise.h"
#include "ssl/eval/dense.h"
#include "ssl/eval/labelled_subset.h"

namespace nagare::ssl {
namespace {

TaskRows query_rows(const ReadoutData& data) {
  return rows_of_tasks(data.tasks, data.query_labels, data.query_domains);
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
  const TaskRows bank_of = rows_of_tasks(data.tasks, data.bank.labels, data.bank.domains);
  const TaskRows queries_of = query_rows(data);
  for (std::size_t t = 0; t < data.tasks.size(); ++t) {
    const std::vector<std::int64_t>& bank = bank_of[t];
    const std::vector<std::int64_t>& of_task = queries_of[t];
    if (bank.empty() || of_task.empty()) {
      result.tasks.push_back(kNotMeasured);
      continue;
    }
    const LabelledFeatures queries = take_rows(
        LabelledFeatures{.features = data.queries, .labels = data.query_labels, .classes = data.bank.classes},
        of_task);
    const Scores scores = knn_scores(protocol, take_rows(data.bank, bank), queries.features, settings);
    const double accuracy = judge(scores, queries.labels, {}).accuracy;
    const auto count = static_cast<double>(queries.labels.size());
    result.tasks.push_back(accuracy);
    result.setting = scores.setting;
    right += accuracy * count;
    all += count;
  }
  if (all > 0) result.accuracy = right / all;
  return result;
}

// The task of every row; none when a row is of several, or of no task.
std::vector<std::int64_t> task_labels(const TaskRows& rows_of, std::size_t rows) {
  std::vector<std::int64_t> found(rows, -1);
  std::size_t told = 0;
  for (std::size_t t = 0; t < rows_of.size(); ++t) {
    for (const std::int64_t row : rows_of[t]) {
      found[static_cast<std::size_t>(row)] = static_cast<std::int64_t>(t);
      ++told;
    }
  }
  if (told != rows || std::ranges::find(found, -1) != found.end()) found.clear();
  return found;
}

ReadoutResult task_index(const KnnProtocol& protocol, const ReadoutData& data,
                         const ReadoutSettings& settings) {
  const TaskRows queries_of = query_rows(data);
  const std::vector<std::int64_t> bank =
      task_labels(rows_of_tasks(data.tasks, data.bank.labels, data.bank.domains), data.bank.labels.size());
  const std::vector<std::int64_t> queries = task_labels(queries_of, data.query_labels.size());
  if (bank.empty() || queries.empty()) return {.tasks = std::vector<double>(data.tasks.size(), kNotMeasured)};
  const auto tasks = static_cast<std::int64_t>(data.tasks.size());
  const Scores scores = knn_scores(protocol, {data.bank.features, bank, tasks}, data.queries, settings);
  return judge(scores, queries, queries_of);
}

ReadoutResult judged(const Scores& scores, bool task_given, const ReadoutData& data) {
  return task_given ? judge_within_tasks(scores, data.query_labels, data.tasks.classes, query_rows(data))
                    : judge(scores, data.query_labels, query_rows(data));
}

struct Run {
  const Readout& readout;
  const ReadoutData& data;  // its bank: the labelled images alone
  const ReadoutSettings& settings;
  const std::vector<std::int64_t>& ids;  // their numbers in the network's bank

  ReadoutResult operator()(const KnnProtocol& protocol) const {
    if (protocol.predicts_task) return task_index(protocol, data, settings);
    if (readout.task_given) return knn_within_tasks(protocol, data, settings);
    return judged(knn_scores(protocol, data.bank, data.queries, settings), false, data);
  }

  ReadoutResult operator()(const NearestMeanProtocol&) const {
    return of_probe(nearest_mean(data.bank, data.queries), kNotMeasured);
  }

  ReadoutResult operator()(const RidgeProtocol&) const {
    const double lambda = choose_ridge_lambda(data.bank, settings.seed);
    return of_probe(apply(fit_ridge(data.bank, lambda), data.queries), lambda);
  }

  ReadoutResult operator()(LinearProtocol protocol) const {
    if (settings.epochs > 0) protocol.schedule.epochs = settings.epochs;
    const bool crops = settings.augment && !readout.bag && protocol.crop_scale_min > 0.0F;
    const Device device = data.network != nullptr ? data.network->input.device : Device::cpu;
    const Tensor features = data.bank.features.to(device);
    const auto cached = [&](const std::vector<std::int64_t>& rows, std::int64_t) {
      if (data.network != nullptr) data.network->input.go_on();
      return take_rows(features, rows);
    };
    const auto cropped = [&](const std::vector<std::int64_t>& rows, std::int64_t epoch) {
      return features_of_crops(rows, epoch, protocol.crop_scale_min);
    };
    return judged(linear_probe(protocol,
                               {.labels = data.bank.labels,
                                .classes = data.bank.classes,
                                .feature_dim = features.shape()[1],
                                .features = crops ? FeatureSource(cropped) : FeatureSource(cached),
                                .device = device,
                                .seed = settings.seed},
                               data.queries),
                  readout.task_given, data);
  }

  ReadoutResult operator()(const FineTuneProtocol& protocol) const {
    FineTuneRates rates = protocol.rates(readout.fraction);
    if (settings.epochs > 0) rates.epochs = settings.epochs;
    std::vector<std::int64_t> labels(static_cast<std::size_t>(network().bank_images.shape()[0]));
    for (std::size_t i = 0; i < ids.size(); ++i)
      labels[static_cast<std::size_t>(ids[i])] = data.bank.labels[i];
    const Scores scores = fine_tune(
        protocol,
        {.ids = ids, .labels = labels, .classes = data.bank.classes, .rates = rates, .seed = settings.seed},
        network());
    return judged(scores, readout.task_given, data);
  }

 private:
  ReadoutResult of_probe(ProbeResult result, double setting) const {
    return judged(
        {.classes = data.bank.classes, .values = std::move(result.scores.values), .setting = setting},
        readout.task_given, data);
  }

  const NetworkView& network() const {
    if (data.network == nullptr)
      throw std::invalid_argument("run_readout: " + readout.spec + " needs the network and its images");
    return *data.network;
  }

  Tensor features_of_crops(const std::vector<std::int64_t>& rows, std::int64_t epoch, float scale) const {
    const tape::NoGrad no_grad;
    network().input.go_on();
    std::vector<std::int64_t> images;
    for (const std::int64_t row : rows) images.push_back(ids[static_cast<std::size_t>(row)]);
    const Tensor crops =
        cropped_images(network().bank_images, images, network().input, scale, settings.seed, epoch);
    return cast(network().backbone.forward(crops, /*training=*/false), DType::f32);
  }
};

std::vector<std::int64_t> labelled_ids(const Readout& readout, const LabelledFeatures& bank,
                                       std::uint64_t seed) {
  std::vector<std::int64_t> ids(bank.labels.size());
  std::iota(ids.begin(), ids.end(), 0);
  const auto* knn = std::get_if<KnnProtocol>(&readout.row->protocol);
  if (knn != nullptr && knn->labelled > 0)
    ids = labelled_count(bank.labels, bank.classes, knn->labelled, seed);
  if (readout.fraction == 1.0) return ids;
  std::vector<std::int64_t> labels;
  for (const std::int64_t id : ids) labels.push_back(bank.labels[static_cast<std::size_t>(id)]);
  std::vector<std::int64_t> share;
  for (const std::int64_t place : labelled_share(labels, bank.classes, readout.fraction, seed))
    share.push_back(ids[static_cast<std::size_t>(place)]);
  return share;
}

}  // namespace

ReadoutResult run_readout(const Readout& readout, const ReadoutData& data, const ReadoutSettings& settings) {
  const std::vector<std::int64_t> ids = labelled_ids(readout, data.bank, settings.seed);
  const bool all = ids.size() == data.bank.labels.size();
  const LabelledFeatures bank = all ? data.bank : take_rows(data.bank, ids);
  const ReadoutData chosen{bank,       data.queries, data.query_labels,
                           data.tasks, data.network, data.query_domains};
  ReadoutResult result = std::visit(Run{readout, chosen, settings, ids}, readout.row->protocol);
  result.labelled = static_cast<std::int64_t>(ids.size());
  return result;
}

}  // namespace nagare::ssl
