#include "apps/report/figures.h"

namespace nagare::apps {

Html accuracy_matrices(const Comparison& comparison) {
  std::vector<Html> maps;
  for (const RunRecord& run : comparison.runs) {
    maps.push_back(
        draw(HeatMap{.title = comparison.runs.size() == 1 ? run.primary + " accuracy, %" : run.name,
                     .row_name = "after task",
                     .column_name = "accuracy on task",
                     .values = run.accuracy_matrix()}));
  }
  return grid(maps);
}

}  // namespace nagare::apps
