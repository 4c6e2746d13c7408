#pragma once
// The table of a sweep, as papers lay it out: a row per configuration, per data set and stream a group of columns, each
// number the mean and standard deviation over the seeds. The best mean of a column is bold.
#include <string>
#include <vector>

#include "apps/report/seeds.h"
#include "apps/sweep/grid.h"

namespace nagare::apps {

// What a finished cell came to; NaN where there is no number.
struct CellResult {
  std::vector<std::string> values;  // of the axes
  double final_accuracy;            // percent of all queries
  double average_accuracy;          // percent, mean over tasks
  double forgetting;                // points
};

struct ResultTable {
  struct Row {
    std::vector<std::string> labels;
    std::vector<MeanAndDeviation> cells;
  };
  std::vector<std::string> axes;     // heading of the labels
  std::vector<std::string> columns;  // "final %", with the group before it where there are several
  std::vector<bool> lower_is_better;
  std::vector<Row> rows;  // in the order of the grid
};

// Axes: data and stream make groups of columns, seed is averaged over, all others make rows.
ResultTable make_table(const std::vector<Axis>& axes, const std::vector<CellResult>& results);

// "markdown", "csv" (mean, deviation and count as columns of their own), "latex" (booktabs). BadConfig for another name.
std::string format_table(const ResultTable& table, const std::string& format);

}  // namespace nagare::apps
