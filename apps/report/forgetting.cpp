#include <algorithm>
#include <cmath>

#include "apps/report/figures.h"

namespace nagare::apps {

Html forgetting_bars(const Comparison& comparison) {
  BarChart chart{.title = "Forgetting of every task",
                 .x_name = "task",
                 .y_name = "points of accuracy lost",
                 .categories = {},
                 .sets = {}};
  std::size_t tasks = 0;
  for (std::size_t r = 0; r < comparison.runs.size(); ++r) {
    chart.sets.push_back({.name = comparison.runs[r].name,
                          .heights = forgetting_per_task(comparison.runs[r].accuracy_matrix()),
                          .style = comparison.style(r),
                          .dash = comparison.dash(r)});
    tasks = std::max(tasks, chart.sets.back().heights.size());
  }
  if (tasks == 0) return missing("Forgetting needs two tasks, and all of them ended.");
  for (std::size_t i = 0; i < tasks; ++i) chart.categories.push_back(std::to_string(i + 1));
  for (Bars& set : chart.sets) set.heights.resize(tasks, NAN);
  return grid({draw(chart)});
}

}  // namespace nagare::apps
