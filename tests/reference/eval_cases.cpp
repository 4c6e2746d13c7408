// Cases of the eval/ group.
#include "ssl/eval/knn.h"
#include "ssl/eval/metrics.h"
#include "ssl/eval/probe.h"
#include "ssl/eval/representation.h"
#include "tests/reference/registry.h"

namespace nagare::reference {
namespace {

Tensor scalar(double value) { return Tensor::from(std::vector<double>{value}, {}); }

template <class T>
Tensor vector_of(const std::vector<T>& values) {
  return Tensor::from(values, {static_cast<std::int64_t>(values.size())});
}

void knn_case(Case& c) {
  const ssl::KnnOptions options{
      .neighbours = c.integer("k"),
      .temperature = static_cast<float>(c.number("T")),
      .weighted = c.flag("weighted"),
      .metric = c.text("metric") == "cosine" ? ssl::KnnMetric::cosine : ssl::KnnMetric::euclidean,
      .classes = c.integer("classes")};
  const auto result = ssl::knn_classify(c.input("train"), c.input("train_labels").to_vector<std::int64_t>(),
                                        c.input("test"), options);
  const auto labels = c.input("test_labels").to_vector<std::int64_t>();
  c.check("out.sim", vector_of(result.similarities));
  c.check("out.idx", vector_of(result.indices));
  c.check("out.scores", vector_of(result.scores));
  c.check("out.pred", vector_of(result.predictions));
  c.check("out.top1", scalar(ssl::knn_accuracy(result, labels)));
  if (c.has_result("out.top5")) c.check("out.top5", scalar(ssl::knn_accuracy(result, labels, 5)));
}

void continual_metrics_case(Case& c) {
  const std::vector<float> values = c.input("acc").to_vector<float>();
  const auto tasks = static_cast<std::size_t>(c.input("acc").shape()[0]);
  ssl::AccuracyMatrix accuracy;
  for (std::size_t t = 0; t < tasks; ++t) {
    accuracy.emplace_back(values.begin() + static_cast<std::ptrdiff_t>(t * tasks),
                          values.begin() + static_cast<std::ptrdiff_t>((t + 1) * tasks));
  }
  const ssl::ContinualSummary summary = ssl::summarize(accuracy);
  const std::vector<float> untrained = c.input("rand").to_vector<float>();
  c.check("out.average", scalar(summary.average));
  c.check("out.average_incremental", scalar(summary.average_incremental));
  c.check("out.forgetting", scalar(summary.forgetting));
  c.check("out.forgetting_ucl", scalar(summary.forgetting_all_rows));
  c.check("out.forgetting_diag", scalar(summary.forgetting_diagonal));
  c.check("out.bwt", scalar(summary.bwt));
  c.check("out.fwt", scalar(ssl::forward_transfer(accuracy, {untrained.begin(), untrained.end()})));
  c.check("out.forgetting_per_task", vector_of(summary.forgetting_per_task));
}

void align_uniform_metric_case(Case& c) {
  c.check("out.align", scalar(ssl::alignment(c.input("x"), c.input("y"), c.number("alpha"))));
  c.check("out.uniform", scalar(ssl::uniformity(c.input("x"), c.number("t"))));
}

void cka_linear_case(Case& c) { c.check("out.cka", scalar(ssl::linear_cka(c.input("x"), c.input("y")))); }

void collapse_stats_case(Case& c) {
  const ssl::Collapse stats = ssl::collapse(c.input("z"));
  c.check("out.std", scalar(stats.std));
  c.check("out.mean_norm", scalar(stats.mean_norm));
}

void rankme_case(Case& c) {
  const ssl::EffectiveRank result = ssl::effective_rank(c.input("z"));
  c.check("out.sigma", vector_of(result.singular_values));
  c.check("out.rankme", scalar(result.rank));
}

ssl::LabelledFeatures train_split(const Case& c) {
  return {.features = c.input("train"),
          .labels = c.input("train_labels").to_vector<std::int64_t>(),
          .classes = c.integer("classes")};
}

void ncm_case(Case& c) {
  const ssl::ProbeResult result = ssl::nearest_mean(train_split(c), c.input("test"));
  c.check("out.sim", vector_of(result.scores.values));
  c.check("out.pred", vector_of(result.predictions));
  c.check("out.acc",
          scalar(ssl::accuracy(result.predictions, c.input("test_labels").to_vector<std::int64_t>())));
}

void ridge_probe_case(Case& c) {
  const ssl::RidgeProbe probe = ssl::fit_ridge(train_split(c), c.number("lambda"));
  const ssl::ProbeResult result = ssl::apply(probe, c.input("test"));
  c.check("out.W", vector_of(probe.weight.values));
  c.check("out.b", vector_of(probe.bias));
  c.check("out.logits", vector_of(result.scores.values));
  c.check("out.pred", vector_of(result.predictions));
  c.check("out.acc",
          scalar(ssl::accuracy(result.predictions, c.input("test_labels").to_vector<std::int64_t>())));
}

constexpr Handler kHandlers[] = {
    {"align_uniform_metric", align_uniform_metric_case},
    {"cka_linear", cka_linear_case},
    {"collapse_stats", collapse_stats_case},
    {"continual_metrics", continual_metrics_case},
    {"knn", knn_case},
    {"ncm", ncm_case},
    {"rankme", rankme_case},
    {"ridge_probe", ridge_probe_case},
};

}  // namespace

std::span<const Handler> eval_cases() { return kHandlers; }

}  // namespace nagare::reference
