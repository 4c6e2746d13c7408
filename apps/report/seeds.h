#pragma once
// Runs that differ in their seed alone, and what their numbers come to.
#include <cstddef>
#include <string>
#include <vector>

#include "apps/report/run_record.h"

namespace nagare::apps {

struct RunGroup {
  std::string name;               // of its first run; of several, what their names have in common
  std::vector<std::size_t> runs;  // places in the list
};

// In the order of the first run of each. Options that do not change what is learned do not count.
std::vector<RunGroup> group_by_seed(const std::vector<RunRecord>& runs);

// Of the finite values: their mean and their standard deviation as of a sample (n - 1); NaN for none, and the deviation
// for fewer than two.
struct MeanAndDeviation {
  double mean;
  double deviation;
  std::size_t count;
};
MeanAndDeviation summarize_values(const std::vector<double>& values);
// "57.64 ± 0.31", "57.64" for a single value, "-" for none.
std::string mean_text(const MeanAndDeviation& summary, int decimals = 2);

}  // namespace nagare::apps
