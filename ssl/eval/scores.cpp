#include "ssl/eval/scores.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/device/errors.h"

namespace nagare::ssl {
namespace {

constexpr std::int64_t kBest = 5;

struct Count {
  std::int64_t right = 0;
  std::int64_t all = 0;

  void add(bool is_right) {
    ++all;
    right += is_right ? 1 : 0;
  }
  double percent() const {
    return all == 0 ? kNotMeasured : 100.0 * static_cast<double>(right) / static_cast<double>(all);
  }
};

// How many of `candidates` come before class `label`.
std::int64_t rank(const double* scores, std::int64_t label, const std::vector<std::int64_t>& candidates) {
  const double own = scores[label];
  return std::ranges::count_if(
      candidates, [&](std::int64_t c) { return scores[c] > own || (scores[c] == own && c < label); });
}

// A NaN compares with nothing, and would be the best of its row.
void refuse_nan(const Scores& scores) {
  if (std::ranges::none_of(scores.values, [](double s) { return std::isnan(s); })) return;
  throw Diverged(
      "a readout's scores are NaN: the features are not finite; train with a lower learning rate "
      "(--optim.lr)");
}

bool contains(const std::vector<std::int64_t>& classes, std::int64_t c) {
  return std::ranges::find(classes, c) != classes.end();
}

}  // namespace

TaskRows rows_of_tasks(const Tasks& tasks, const std::vector<std::int64_t>& labels,
                       const std::vector<std::int64_t>& domains) {
  TaskRows rows(tasks.size());
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const bool of_domain = tasks.domains.empty() || domains.at(i) == tasks.domains[t];
      if (of_domain && contains(tasks.classes[t], labels[i])) rows[t].push_back(static_cast<std::int64_t>(i));
    }
  }
  return rows;
}

ReadoutResult judge(const Scores& scores, const std::vector<std::int64_t>& labels, const TaskRows& tasks) {
  refuse_nan(scores);
  std::vector<std::int64_t> all(static_cast<std::size_t>(scores.classes));
  std::iota(all.begin(), all.end(), 0);
  Count overall;
  Count best;
  std::vector<bool> right(labels.size());
  for (std::size_t q = 0; q < labels.size(); ++q) {
    const std::int64_t place =
        rank(scores.values.data() + static_cast<std::int64_t>(q) * scores.classes, labels[q], all);
    right[q] = place == 0;
    overall.add(right[q]);
    best.add(place < kBest);
  }
  ReadoutResult result{.accuracy = overall.percent(), .top5 = best.percent(), .setting = scores.setting};
  for (const auto& rows : tasks) {
    Count count;
    for (const std::int64_t q : rows) count.add(right[static_cast<std::size_t>(q)]);
    result.tasks.push_back(count.percent());
  }
  return result;
}

ReadoutResult judge_within_tasks(const Scores& scores, const std::vector<std::int64_t>& labels,
                                 const std::vector<std::vector<std::int64_t>>& task_classes,
                                 const TaskRows& tasks) {
  refuse_nan(scores);
  Count overall;
  ReadoutResult result{.setting = scores.setting};
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    Count count;
    for (const std::int64_t q : tasks[t]) {
      const bool right = rank(scores.values.data() + q * scores.classes, labels[static_cast<std::size_t>(q)],
                              task_classes[t]) == 0;
      count.add(right);
      overall.add(right);
    }
    result.tasks.push_back(count.percent());
  }
  result.accuracy = overall.percent();
  return result;
}

}  // namespace nagare::ssl
