#pragma once
// The evaluations of a run, in a form that a checkpoint holds: of the untrained network, after every ended task, and the
// last one; and the area under every readout's curve.
//
// tensor   f64 (T + 3, width()), NaN where there is nothing yet. Rows: untrained, after task 0 .. T - 1, last, areas.
//          A row is [update, per readout: accuracy, top-5, T accuracies, then the five measures]; the row of areas holds
//          integrals over the updates by the trapezoidal rule, from update 0 to the last evaluation
// errors   std::invalid_argument with the sizes when an evaluation or a tensor does not fit
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/tensor/tensor.h"
#include "ssl/eval/evaluation.h"
#include "ssl/eval/metrics.h"

namespace nagare::ssl {

class EvaluationTable {
 public:
  EvaluationTable(std::int64_t tasks, std::vector<std::string> readouts);
  // A table that a checkpoint held.
  EvaluationTable(std::vector<std::string> readouts, const Tensor& values);

  // ended_task: the task that has just ended, if any. Update 0 is the untrained network. Evaluations come in the order
  // of their updates; two of one update are the same network's.
  void record(std::int64_t update, std::optional<std::int64_t> ended_task, const Evaluation& evaluation);

  std::int64_t tasks() const { return tasks_; }
  const std::vector<std::string>& readouts() const { return readouts_; }
  bool has_untrained() const { return has_row(0); }
  // Was the network judged after this task?
  bool has_task(std::int64_t task) const { return has_row(task + 1); }
  // Of the last evaluation; -1 before the first.
  std::int64_t last_update() const;
  std::int64_t ended_tasks() const;
  // "" when tensor() can be such a table, whoever wrote into it.
  std::string problem() const;
  Evaluation untrained() const { return row(0); }
  Evaluation after_task(std::int64_t task) const { return row(task + 1); }
  Evaluation last() const { return row(tasks_ + 1); }

  // T x T of one readout; rows of tasks that have not ended are NaN.
  AccuracyMatrix matrix(std::size_t readout) const;
  // The accuracy over all queries after every task.
  std::vector<double> overall(std::size_t readout) const;
  // The mean height of the curve of that accuracy over the updates; NaN before a second evaluation.
  double area(std::size_t readout) const;

  // What list_state() lists; a handle.
  const Tensor& tensor() const { return values_; }

 private:
  std::int64_t width() const;
  double* data(std::int64_t row) const;
  bool has_row(std::int64_t row) const;
  Evaluation row(std::int64_t row) const;
  void write(std::int64_t row, std::int64_t update, const Evaluation& evaluation) const;

  std::int64_t tasks_;
  std::vector<std::string> readouts_;
  Tensor values_;
};

}  // namespace nagare::ssl
