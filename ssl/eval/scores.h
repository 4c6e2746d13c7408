#pragma once
// From the scores of every query's classes to accuracies.
//
// A query's class is that of the largest score, the lowest one of a tie; its five best are counted in the same order.
// errors  Diverged for a score that is NaN
#include <cstdint>
#include <vector>

#include "ssl/eval/evaluation.h"

namespace nagare::ssl {

// What tells tasks apart: their classes, and in a domain stream the source of each task.
struct Tasks {
  std::vector<std::vector<std::int64_t>> classes;
  std::vector<std::int64_t> domains = {};  // one per task, or none

  std::size_t size() const { return classes.size(); }
};

// For every task the numbers of its rows: those of its classes, and of its source where `domains` has one per row.
using TaskRows = std::vector<std::vector<std::int64_t>>;
TaskRows rows_of_tasks(const Tasks& tasks, const std::vector<std::int64_t>& labels,
                       const std::vector<std::int64_t>& domains);

struct Scores {
  std::int64_t classes = 0;
  std::vector<double> values;     // (Q, classes)
  double setting = kNotMeasured;  // ReadoutResult::setting
};

// Percent right of all queries, of those of each task, and among the five best.
ReadoutResult judge(const Scores& scores, const std::vector<std::int64_t>& labels, const TaskRows& tasks);

// The same when every query's task is given: only that task's classes are compared. A query counts once for every task
// that it is of; top5 is not measured.
ReadoutResult judge_within_tasks(const Scores& scores, const std::vector<std::int64_t>& labels,
                                 const std::vector<std::vector<std::int64_t>>& task_classes,
                                 const TaskRows& tasks);

}  // namespace nagare::ssl
