#include "ssl/eval/evaluation_table.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <stdexcept>

namespace nagare::ssl {
namespace {

constexpr std::int64_t kMeasures = 5;
constexpr std::int64_t kOtherRows = 3;  // untrained, last, areas

}  // namespace

EvaluationTable::EvaluationTable(std::int64_t tasks, std::vector<std::string> readouts)
    : tasks_(tasks), readouts_(std::move(readouts)) {
  if (tasks_ < 1 || readouts_.empty()) {
    throw std::invalid_argument("EvaluationTable: " + std::to_string(tasks_) + " tasks, " +
                                std::to_string(readouts_.size()) + " readouts: need at least 1 of each");
  }
  values_ = Tensor::empty({tasks_ + kOtherRows, width()}, {.dtype = DType::f64});
  std::fill_n(values_.data<double>(), values_.numel(), kNotMeasured);
}

EvaluationTable::EvaluationTable(std::vector<std::string> readouts, const Tensor& values)
    : EvaluationTable(values.shape().rank() == 2 ? values.shape()[0] - kOtherRows : 0, std::move(readouts)) {
  if (values.shape() != values_.shape() || values.dtype() != DType::f64) {
    throw std::invalid_argument("EvaluationTable: evaluations " + to_string(values.shape()) + " of " +
                                std::to_string(readouts_.size()) + " readouts, need f64 " +
                                to_string(values_.shape()));
  }
  values_.copy_from(values);
  const std::string wrong = problem();
  if (!wrong.empty()) throw std::invalid_argument(wrong);
}

std::string EvaluationTable::problem() const {
  constexpr double kMostUpdates = 281474976710656.0;  // 2^48
  for (std::int64_t row = 0; row < tasks_ + 2; ++row) {
    const double update = data(row)[0];
    if (std::isnan(update) || (update >= 0.0 && update <= kMostUpdates && update == std::floor(update)))
      continue;
    return "EvaluationTable: an evaluation at update " + std::to_string(update);
  }
  return "";
}

std::int64_t EvaluationTable::width() const {
  return 1 + static_cast<std::int64_t>(readouts_.size()) * (2 + tasks_) + kMeasures;
}

double* EvaluationTable::data(std::int64_t row) const { return values_.data<double>() + row * width(); }

bool EvaluationTable::has_row(std::int64_t row) const { return !std::isnan(data(row)[0]); }

void EvaluationTable::write(std::int64_t row, std::int64_t update, const Evaluation& evaluation) const {
  double* to = data(row);
  *to++ = static_cast<double>(update);
  for (const ReadoutResult& readout : evaluation.readouts) {
    *to++ = readout.accuracy;
    *to++ = readout.top5;
    to = std::ranges::copy(readout.tasks, to).out;
  }
  const Measures& m = evaluation.measures;
  for (const double value : {m.rank, m.alignment, m.uniformity, m.spread, m.mean_norm}) *to++ = value;
}

Evaluation EvaluationTable::row(std::int64_t row) const {
  const double* from = data(row) + 1;
  Evaluation evaluation;
  for (std::size_t i = 0; i < readouts_.size(); ++i) {
    ReadoutResult readout{.accuracy = from[0], .top5 = from[1]};
    readout.tasks.assign(from + 2, from + 2 + tasks_);
    evaluation.readouts.push_back(std::move(readout));
    from += 2 + tasks_;
  }
  evaluation.measures = {
      .rank = from[0], .alignment = from[1], .uniformity = from[2], .spread = from[3], .mean_norm = from[4]};
  return evaluation;
}

void EvaluationTable::record(std::int64_t update, std::optional<std::int64_t> ended_task,
                             const Evaluation& evaluation) {
  bool fits = evaluation.readouts.size() == readouts_.size() && update >= 0 && ended_task.value_or(0) >= 0 &&
              ended_task.value_or(0) < tasks_;
  for (const ReadoutResult& readout : evaluation.readouts)
    fits = fits && static_cast<std::int64_t>(readout.tasks.size()) == tasks_;
  if (!fits) {
    throw std::invalid_argument(
        "EvaluationTable: " + std::to_string(evaluation.readouts.size()) + " readouts at update " +
        std::to_string(update) + " after task " + std::to_string(ended_task.value_or(-1)) + ", need " +
        std::to_string(readouts_.size()) + " with " + std::to_string(tasks_) + " tasks each");
  }
  const std::int64_t last = tasks_ + 1;
  double* areas = data(tasks_ + 2);
  if (!has_row(last)) {
    std::fill_n(areas, width(), 0.0);
    write(last, update, evaluation);
  } else {
    const std::vector<double> before(data(last), data(last) + width());
    write(last, update, evaluation);
    const double updates = data(last)[0] - before[0];
    for (std::int64_t i = 0; updates > 0 && i < width(); ++i)
      areas[i] += 0.5 * updates * (before[static_cast<std::size_t>(i)] + data(last)[i]);
  }
  if (update == 0) write(0, update, evaluation);
  if (ended_task) write(*ended_task + 1, update, evaluation);
}

std::int64_t EvaluationTable::ended_tasks() const {
  std::int64_t ended = 0;
  for (std::int64_t task = 0; task < tasks_; ++task) ended += has_row(task + 1) ? 1 : 0;
  return ended;
}

std::int64_t EvaluationTable::last_update() const {
  const std::int64_t last = tasks_ + 1;
  return has_row(last) ? static_cast<std::int64_t>(data(last)[0]) : -1;
}

AccuracyMatrix EvaluationTable::matrix(std::size_t readout) const {
  AccuracyMatrix matrix;
  for (std::int64_t task = 0; task < tasks_; ++task)
    matrix.push_back(after_task(task).readouts.at(readout).tasks);
  return matrix;
}

std::vector<double> EvaluationTable::overall(std::size_t readout) const {
  std::vector<double> overall;
  for (std::int64_t task = 0; task < tasks_; ++task)
    overall.push_back(after_task(task).readouts.at(readout).accuracy);
  return overall;
}

double EvaluationTable::area(std::size_t readout) const {
  const double updates = data(tasks_ + 1)[0] - (has_untrained() ? data(0)[0] : 0.0);
  const std::int64_t column = 1 + static_cast<std::int64_t>(readout) * (2 + tasks_);
  return updates > 0 ? data(tasks_ + 2)[column] / updates : kNotMeasured;
}

}  // namespace nagare::ssl
