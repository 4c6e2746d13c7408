#include <fmt/format.h>

#include <algorithm>

#include "apps/report/figures.h"
#include "ssl/eval/projection.h"

namespace nagare::apps {
namespace {

constexpr double kPerplexity = 30.0;
constexpr std::int64_t kFewest = 8;  // points, for t-SNE's smallest perplexity

// By task; by class where one task has all.
ScatterChart scatter(const ssl::Gallery& gallery, const std::vector<ssl::Point>& points) {
  ScatterChart chart;
  const auto classes = gallery.feature_classes.to_vector<std::int64_t>();
  const auto tasks = gallery.feature_tasks.to_vector<std::int64_t>();
  const std::int64_t last_task = std::ranges::max(tasks);
  const bool by_class = last_task < 1;
  if (by_class) {
    chart.sets = gallery.class_names;
  } else {
    for (std::int64_t t = 0; t <= last_task; ++t) chart.sets.push_back(fmt::format("task {}", t + 1));
  }
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (!by_class && tasks[i] < 0) continue;
    chart.dots.push_back({.x = points[i][0],
                          .y = points[i][1],
                          .set = static_cast<std::size_t>(by_class ? classes[i] : tasks[i]),
                          .name = gallery.class_names[static_cast<std::size_t>(classes[i])]});
  }
  return chart;
}

std::vector<Html> projections(const RunRecord& run, const std::string& suffix) {
  const ssl::Gallery& gallery = *run.gallery;
  const std::int64_t points = gallery.features.shape()[0];
  if (points < kFewest) return {missing("Too few test images were kept for a projection.")};
  const ssl::Pca pca = ssl::pca_2d(gallery.features);
  ScatterChart linear = scatter(gallery, pca.points);
  linear.title = "PCA" + suffix;
  linear.x_name = fmt::format("first axis, {} % of the variance", number(100 * pca.explained[0], 1));
  linear.y_name = fmt::format("second axis, {} %", number(100 * pca.explained[1], 1));
  const double perplexity = std::min(kPerplexity, static_cast<double>(points - 1) / 3.0);
  ScatterChart curved = scatter(gallery, ssl::tsne_2d(gallery.features, {.perplexity = perplexity}).points);
  curved.title = "t-SNE" + suffix;
  curved.x_name =
      fmt::format("perplexity {}: neighbours mean something, distances do not", number(perplexity, 1));
  return {draw(linear), draw(curved)};
}

}  // namespace

Html embedding(const Comparison& comparison) {
  std::vector<Html> charts;
  for (const RunRecord& run : comparison.runs) {
    const std::string suffix = comparison.runs.size() == 1 ? "" : ": " + run.name;
    if (!run.gallery) {
      charts.push_back(missing(run.name + ": the run has kept no gallery."));
      continue;
    }
    for (Html& chart : projections(run, suffix)) charts.push_back(std::move(chart));
  }
  return grid(charts);
}

}  // namespace nagare::apps
