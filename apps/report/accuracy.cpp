#include <fmt/format.h>

#include <cmath>
#include <set>

#include "apps/report/chart.h"
#include "apps/report/figures.h"

namespace nagare::apps {
namespace {

// 100 / classes, when all runs tell apart as many classes by the same readout and none is told the task.
std::vector<Level> chance(const Comparison& comparison) {
  std::set<std::size_t> counts;
  for (const RunRecord& run : comparison.runs) {
    if (run.primary.find("task") != std::string::npos) return {};
    std::size_t classes = 0;
    if (run.results.is_object() && run.results.contains("task_classes")) {
      std::set<std::int64_t> different;
      for (const auto& task : run.results["task_classes"]) {
        for (const auto& c : task) {
          if (c.is_number_integer()) different.insert(c.get<std::int64_t>());
        }
      }
      classes = different.size();
    } else if (run.gallery) {
      classes = run.gallery->class_names.size();
    }
    counts.insert(classes);
  }
  if (counts.size() != 1 || *counts.begin() == 0) return {};
  return {{.y = 100.0 / static_cast<double>(*counts.begin()), .name = "chance"}};
}

Html overall(const Comparison& comparison) {
  LineChart chart{.title = "Accuracy on all classes",
                  .x_name = "update",
                  .y_name = comparison.runs.front().primary + " accuracy, %",
                  .lines = {},
                  .boundaries = task_boundaries(comparison),
                  .levels = chance(comparison),
                  .from_zero = true};
  for (std::size_t r = 0; r < comparison.runs.size(); ++r) {
    const RunRecord& run = comparison.runs[r];
    Line line{.name = run.name, .samples = {}, .style = comparison.style(r), .dash = comparison.dash(r)};
    for (const EvaluationRecord& evaluation : run.evaluations) {
      const auto readout = evaluation.readouts.find(run.primary);
      if (readout == evaluation.readouts.end()) continue;
      line.samples.push_back({.x = evaluation.step, .y = readout->second.accuracy});
    }
    chart.lines.push_back(std::move(line));
  }
  return draw(chart);
}

Html by_task(const Comparison& comparison, std::size_t r) {
  const RunRecord& run = comparison.runs[r];
  LineChart chart{.title = comparison.runs.size() == 1 ? "Task by task" : "Task by task: " + run.name,
                  .x_name = "update",
                  .y_name = run.primary + " accuracy on the classes of a task, %",
                  .lines = {},
                  .boundaries = task_boundaries(comparison),
                  .levels = {},
                  .from_zero = true};
  for (const EvaluationRecord& evaluation : run.evaluations) {
    const auto readout = evaluation.readouts.find(run.primary);
    if (readout == evaluation.readouts.end()) continue;
    const std::vector<double>& tasks = readout->second.tasks;
    for (std::size_t i = 0; i < tasks.size(); ++i) {
      if (chart.lines.size() <= i) {
        chart.lines.push_back({.name = fmt::format("task {}", i + 1),
                               .samples = {},
                               .style = 0,
                               .dash = static_cast<int>(i % 4),
                               .points = true,
                               .colour = ramp(i, tasks.size())});
      }
      chart.lines[i].samples.push_back({.x = evaluation.step, .y = tasks[i]});
    }
  }
  return chart.lines.size() < 2 ? Html() : draw(chart);
}

struct Measure {
  const char* name;
  const char* title;
};
constexpr Measure kMeasures[] = {{"rank", "Effective rank (RankMe)"},
                                 {"spread", "Spread: deviation of a dimension"},
                                 {"mean_norm", "Length of the mean feature (collapsed at 1)"},
                                 {"alignment", "Alignment (lower is better)"},
                                 {"uniformity", "Uniformity (lower is better)"}};

Html measure(const Comparison& comparison, const Measure& which) {
  LineChart chart{.title = which.title,
                  .x_name = "update",
                  .y_name = which.name,
                  .lines = {},
                  .boundaries = task_boundaries(comparison)};
  bool any = false;
  for (std::size_t r = 0; r < comparison.runs.size(); ++r) {
    Line line{.name = comparison.runs[r].name,
              .samples = {},
              .style = comparison.style(r),
              .dash = comparison.dash(r)};
    for (const EvaluationRecord& evaluation : comparison.runs[r].evaluations) {
      const auto found = evaluation.measures.find(which.name);
      if (found != evaluation.measures.end())
        line.samples.push_back({.x = evaluation.step, .y = found->second});
    }
    any = any || !line.samples.empty();
    chart.lines.push_back(std::move(line));
  }
  return any ? draw(chart) : Html();
}

}  // namespace

Html accuracy_over_stream(const Comparison& comparison) {
  if (comparison.runs.front().primary.empty()) return missing("Nothing has been evaluated yet.");
  std::vector<Html> charts = {overall(comparison)};
  for (std::size_t r = 0; r < comparison.runs.size(); ++r) charts.push_back(by_task(comparison, r));
  return grid(charts);
}

Html measures_over_stream(const Comparison& comparison) {
  std::vector<Html> charts;
  for (const Measure& which : kMeasures) {
    Html chart = measure(comparison, which);
    if (!chart.empty()) charts.push_back(std::move(chart));
  }
  return charts.empty() ? missing("No measures were recorded.") : grid(charts);
}

}  // namespace nagare::apps
