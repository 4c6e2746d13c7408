#include <fmt/format.h>

#include "apps/report/figures.h"

namespace nagare::apps {
namespace {

Html composition(const RunRecord& run) {
  BarChart chart{.title = run.name,
                 .x_name = "update",
                 .y_name = "images held, by the task they came with",
                 .categories = {},
                 .sets = {},
                 .stacked = true};
  for (const EvaluationRecord& evaluation : run.evaluations) {
    const std::vector<double>& counts = evaluation.stored_by_task;
    if (counts.empty()) continue;
    chart.categories.push_back(number(evaluation.step));
    if (chart.sets.size() < counts.size()) chart.sets.resize(counts.size());
    for (std::size_t task = 0; task < chart.sets.size(); ++task) {
      chart.sets[task].heights.push_back(task < counts.size() ? counts[task] : 0.0);
    }
  }
  if (chart.sets.empty()) return {};
  for (std::size_t task = 0; task < chart.sets.size(); ++task) {
    Bars& set = chart.sets[task];
    set.name = fmt::format("task {}", task + 1);
    set.colour = ramp(task, chart.sets.size());
    set.heights.insert(set.heights.begin(), chart.categories.size() - set.heights.size(), 0.0);
  }
  return draw(chart);
}

}  // namespace

Html buffer_composition(const Comparison& comparison) {
  std::vector<Html> charts;
  std::string without;
  for (const RunRecord& run : comparison.runs) {
    Html chart = composition(run);
    if (chart.empty()) {
      without += (without.empty() ? "" : ", ") + run.name;
    } else {
      charts.push_back(std::move(chart));
    }
  }
  Html figure = charts.empty() ? Html() : grid(charts);
  if (!without.empty()) figure += missing(without + ": no stored images were recorded.");
  return figure;
}

}  // namespace nagare::apps
