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
  throw Diverged("a readout's scores are NaN: the features are not finite; train with a lower learning rate");
}

bool contains(const std::vector<std::int64_t>& classes, std::int64_t c) {
  return std::ranges::find(classes, c) != classes.end();
}

}  // namespace

ReadoutResult judge(const Scores& scores, const std::vector<std::int64_t>& labels, const TaskClasses& tasks) {
  refuse_nan(scores);
  std::vector<std::int64_t> all(static_cast<std::size_t>(scores.classes));
  std::iota(all.begin(), all.end(), 0);
  Count overall;
  Count best;
  std::vector<Count> of_task(tasks.size());
  for (std::size_t q = 0; q < labels.size(); ++q) {
    const std::int64_t place =
        rank(scores.values.data() + static_cast<std::int64_t>(q) * scores.classes, labels[q], all);
    overall.add(place == 0);
    best.add(place < kBest);
    for (std::size_t t = 0; t < tasks.size(); ++t) {
      if (contains(tasks[t], labels[q])) of_task[t].add(place == 0);
    }
  }
  ReadoutResult result{.accuracy = overall.percent(), .top5 = best.percent(), .setting = scores.setting};
  for (const Count& count : of_task) result.tasks.push_back(count.percent());
  return result;
}

ReadoutResult judge_within_tasks(const Scores& scores, const std::vector<std::int64_t>& labels,
                                 const TaskClasses& tasks) {
  refuse_nan(scores);
  Count overall;
  ReadoutResult result{.setting = scores.setting};
  for (const auto& classes : tasks) {
    Count count;
    for (std::size_t q = 0; q < labels.size(); ++q) {
      if (!contains(classes, labels[q])) continue;
      const double* row = scores.values.data() + static_cast<std::int64_t>(q) * scores.classes;
      const bool right = rank(row, labels[q], classes) == 0;
      count.add(right);
      overall.add(right);
    }
    result.tasks.push_back(count.percent());
  }
  result.accuracy = overall.percent();
  return result;
}

}  // namespace nagare::ssl
