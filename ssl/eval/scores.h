#pragma once
// From the scores of every query's classes to accuracies.
//
// A query's class is that of the largest score, the lowest one of a tie; its five best are counted in the same order.
// errors  Diverged for a score that is NaN
#include <cstdint>
#include <vector>

#include "ssl/eval/evaluation.h"

namespace nagare::ssl {

using TaskClasses = std::vector<std::vector<std::int64_t>>;

struct Scores {
  std::int64_t classes = 0;
  std::vector<double> values;     // (Q, classes)
  double setting = kNotMeasured;  // ReadoutResult::setting
};

// Percent right of all queries, of those with a class of each task, and among the five best.
ReadoutResult judge(const Scores& scores, const std::vector<std::int64_t>& labels, const TaskClasses& tasks);

// The same when every query's task is given: only that task's classes are compared. A query counts once for every task
// that has its class; top5 is not measured.
ReadoutResult judge_within_tasks(const Scores& scores, const std::vector<std::int64_t>& labels,
                                 const TaskClasses& tasks);

}  // namespace nagare::ssl
