#include <cmath>

#include "apps/report/figures.h"

namespace nagare::apps {
namespace {

constexpr double kMebibyte = 1024.0 * 1024.0;

Html curve(const Comparison& comparison, const LineChart& empty,
           double (*value)(const RunRecord&, std::size_t)) {
  LineChart chart = empty;
  bool any = false;
  for (std::size_t r = 0; r < comparison.runs.size(); ++r) {
    const RunRecord& run = comparison.runs[r];
    Line line{.name = run.name,
              .samples = {},
              .style = comparison.style(r),
              .dash = comparison.dash(r),
              .points = false};
    for (std::size_t i = 0; i < run.steps.step.size(); ++i) {
      line.samples.push_back({.x = run.steps.step[i], .y = value(run, i)});
      any = any || std::isfinite(line.samples.back().y);
    }
    chart.lines.push_back(std::move(line));
  }
  return any ? draw(chart) : missing(chart.title + ": not recorded.");
}

// NaN for a name that the run has not recorded.
double at(const RunRecord& run, const char* name, std::size_t i) {
  const auto found = run.steps.values.find(name);
  return found == run.steps.values.end() ? NAN : found->second[i];
}

}  // namespace

Html throughput(const Comparison& comparison) {
  const LineChart rate{.title = "Images per second",
                       .x_name = "update",
                       .y_name = "images in an update / its seconds",
                       .lines = {},
                       .from_zero = true};
  const LineChart memory{.title = "Memory of tensors",
                         .x_name = "update",
                         .y_name = "MiB in use after the update",
                         .lines = {},
                         .from_zero = true};
  return grid({curve(comparison, rate,
                     [](const RunRecord& run, std::size_t i) {
                       return at(run, "images", i) / at(run, "seconds", i);
                     }),
               curve(comparison, memory, [](const RunRecord& run, std::size_t i) {
                 return at(run, "memory_bytes", i) / kMebibyte;
               })});
}

}  // namespace nagare::apps
