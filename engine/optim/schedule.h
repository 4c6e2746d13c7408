#pragma once
// Schedules: a number for every step, as pure functions of the step. Nothing to save, nothing to advance.
//
//   k = step, n = steps, w = warmup_steps
//   constant                base
//   cosine_annealing        end + (base - end) / 2 (1 + cos(pi k / n))                    (EMP-SSL, SimSiam, MoCo)
//   step                    base * gamma^(number of milestones <= k)
//   warmup_cosine           k < w: start + k (base - start) / (w - 1)                     (solo-learn)
//                           else:  end + (base - end) / 2 (1 + cos(pi (k - w) / (n - w)))
//   warmup_cosine_lightly   k < w: start + (base - start) (k + 1) / w;  last value exactly end (lightly)
//                           else:  end + (base - end) / 2 (1 + cos(pi (k - w) / (n - w - 1)))
//   warmup_cosine_linspace  as warmup_cosine, the warm-up inclusive of both ends          (DINO, UCL)
//
// and of an EMA's decay, which grows from first to last (BYOL, under the name ema_tau):
//   ema_decay               last - (last - first) (cos(pi k / n) + 1) / 2
//
// Steps at or beyond n give the value of step n. A warm-up of one step is `start`.
// errors  BadConfig for an unknown name, with the nearest, or a value out of range; std::invalid_argument for a negative step
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace nagare::optim {

struct ScheduleOptions {
  std::string name = "constant";
  double base = 0.1;                          // the value after warm-up
  double start = 0.0;                         // the value at step 0 of a warm-up
  double end = 0.0;                           // the value that a cosine falls to
  std::int64_t steps = 1;                     // n >= 1
  std::int64_t warmup_steps = 0;              // w, 0 <= w <= n
  std::vector<std::int64_t> milestones = {};  // for `step`, ascending
  double gamma = 0.1;                         // factor at each milestone
};

// What a schedule looks at beside base and steps; a sum of these in its row.
enum ScheduleUse : unsigned {
  kUsesWarmup = 1,      // start and warmup_steps
  kUsesEnd = 2,         // end
  kUsesMilestones = 4,  // milestones and gamma
};

struct ScheduleRow {
  const char* name;
  const char* summary;
  unsigned uses;
};
std::span<const ScheduleRow> schedules();

// Refuses options that learning_rate() would refuse, before training starts.
void check(const ScheduleOptions& options);
double learning_rate(const ScheduleOptions& options, std::int64_t step);

struct EmaSchedule {
  double first = 0.99;
  double last = 1.0;
  std::int64_t steps = 1;  // n >= 1
};
double ema_decay(const EmaSchedule& schedule, std::int64_t step);

}  // namespace nagare::optim
