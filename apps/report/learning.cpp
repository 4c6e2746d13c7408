#include <fmt/format.h>

#include <cmath>
#include <set>

#include "apps/report/chart.h"
#include "apps/report/figures.h"

namespace nagare::apps {
namespace {

// Drawn elsewhere, or no quantity.
const std::set<std::string> kOther = {"step",   "task",    "t",    "wall", "position",
                                      "images", "seconds", "loss", "lr",   "memory_bytes"};

Html curve(const Comparison& comparison, const std::string& name, const std::string& title) {
  LineChart chart{.title = title,
                  .x_name = "update",
                  .y_name = name,
                  .lines = {},
                  .boundaries = task_boundaries(comparison),
                  .levels = {},
                  .from_zero = name == "lr"};
  for (std::size_t r = 0; r < comparison.runs.size(); ++r) {
    const StepRecord& steps = comparison.runs[r].steps;
    Line line{.name = comparison.runs[r].name,
              .samples = {},
              .style = comparison.style(r),
              .dash = comparison.dash(r),
              .points = false};
    const std::vector<double> values = steps.of(name);
    for (std::size_t i = 0; i < values.size(); ++i)
      line.samples.push_back({.x = steps.step[i], .y = values[i]});
    chart.lines.push_back(std::move(line));
  }
  return draw(chart);
}

}  // namespace

Html learning_curves(const Comparison& comparison) {
  std::set<std::string> parts;
  bool any = false;
  for (const RunRecord& run : comparison.runs) {
    any = any || !run.steps.step.empty();
    for (const auto& [name, values] : run.steps.values) {
      if (!kOther.contains(name)) parts.insert(name);
    }
  }
  if (!any) return missing("No update has been made yet.");
  std::vector<Html> charts = {curve(comparison, "loss", "Loss"), curve(comparison, "lr", "Learning rate")};
  for (const std::string& name : parts) charts.push_back(curve(comparison, name, name));
  return grid(charts);
}

}  // namespace nagare::apps
