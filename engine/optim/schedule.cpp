#include "engine/optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <stdexcept>

#include "engine/device/errors.h"
#include "engine/text/nearest.h"

namespace nagare::optim {
namespace {

// 1 at progress 0, 0 at progress 1.
double half_cosine(double progress) { return 0.5 * (1.0 + std::cos(std::numbers::pi * progress)); }

double ratio(std::int64_t part, std::int64_t whole) {
  return whole <= 0 ? 1.0 : std::min(1.0, static_cast<double>(part) / static_cast<double>(whole));
}

double constant(const ScheduleOptions& s, std::int64_t) { return s.base; }

double cosine(const ScheduleOptions& s, std::int64_t k) {
  return s.end + (s.base - s.end) * half_cosine(ratio(k, s.steps));
}

double step_wise(const ScheduleOptions& s, std::int64_t k) {
  const auto passed = std::ranges::count_if(s.milestones, [k](std::int64_t at) { return at <= k; });
  return s.base * std::pow(s.gamma, static_cast<double>(passed));
}

double warmup_cosine(const ScheduleOptions& s, std::int64_t k) {
  const std::int64_t w = s.warmup_steps;
  if (k < w) return w == 1 ? s.start : s.start + (s.base - s.start) * ratio(k, w - 1);
  return s.end + (s.base - s.end) * half_cosine(ratio(k - w, s.steps - w));
}

double warmup_cosine_lightly(const ScheduleOptions& s, std::int64_t k) {
  const std::int64_t w = s.warmup_steps;
  if (k < w) return s.start + (s.base - s.start) * ratio(k + 1, w);
  return s.end + (s.base - s.end) * half_cosine(ratio(k - w, s.steps - w - 1));
}

struct Row {
  ScheduleRow text;
  double (*value)(const ScheduleOptions&, std::int64_t);
};
// linspace is what warmup_cosine computes: a name under which people know it.
constexpr Row kRows[] = {
    {{"constant", "the same value at every step", 0}, &constant},
    {{"cosine_annealing", "half a cosine from base to end, no warm-up", kUsesEnd}, &cosine},
    {{"step", "base, times gamma at every milestone", kUsesMilestones}, &step_wise},
    {{"warmup_cosine", "linear from start to base, then half a cosine to end (solo-learn)",
      kUsesWarmup | kUsesEnd},
     &warmup_cosine},
    {{"warmup_cosine_lightly", "the same, reaching end exactly (lightly)", kUsesWarmup | kUsesEnd},
     &warmup_cosine_lightly},
    {{"warmup_cosine_linspace", "the same as warmup_cosine, as DINO and UCL write it",
      kUsesWarmup | kUsesEnd},
     &warmup_cosine},
};

const Row& find_row(const std::string& name) {
  const auto* row = std::ranges::find_if(kRows, [&](const Row& r) { return name == r.text.name; });
  if (row != std::end(kRows)) return *row;
  std::vector<std::string> known;
  for (const Row& r : kRows) known.emplace_back(r.text.name);
  throw BadConfig(unknown_name("schedule", name, known));
}

}  // namespace

std::span<const ScheduleRow> schedules() {
  static const std::vector<ScheduleRow> rows = [] {
    std::vector<ScheduleRow> list;
    for (const Row& row : kRows) list.push_back(row.text);
    return list;
  }();
  return rows;
}

void check(const ScheduleOptions& s) {
  find_row(s.name);
  if (!(std::isfinite(s.base) && std::isfinite(s.start) && std::isfinite(s.end) && std::isfinite(s.gamma))) {
    throw BadConfig("schedule " + s.name + ": base " + std::to_string(s.base) + ", start " +
                    std::to_string(s.start) + ", end " + std::to_string(s.end) + ", gamma " +
                    std::to_string(s.gamma) + ": need finite numbers");
  }
  if (s.steps < 1 || s.warmup_steps < 0 || s.warmup_steps > s.steps) {
    throw BadConfig("schedule " + s.name + ": " + std::to_string(s.steps) + " steps with " +
                    std::to_string(s.warmup_steps) +
                    " of warm-up: need steps >= 1 and 0 <= warm-up <= steps");
  }
  if (std::ranges::adjacent_find(s.milestones, std::greater_equal<>()) != s.milestones.end())
    throw BadConfig("schedule " + s.name + ": milestones must ascend");
}

double learning_rate(const ScheduleOptions& options, std::int64_t step) {
  if (step < 0) throw std::invalid_argument("learning_rate: step " + std::to_string(step) + ", need >= 0");
  check(options);
  return find_row(options.name).value(options, step);
}

double ema_decay(const EmaSchedule& s, std::int64_t step) {
  return learning_rate({.name = "cosine_annealing", .base = s.first, .end = s.last, .steps = s.steps}, step);
}

}  // namespace nagare::optim
