#pragma once
// Options that were given and that what was chosen beside them would not look at: each is refused where it was written, with
// what would. Given is what differs from its default: a resolved configuration names every option.
#include "apps/settings.h"

namespace nagare::apps {

// errors  BadConfig, also for an unknown schedule, optimiser or variant of LARS
void refuse_ignored_schedule(const Settings& settings);
void refuse_ignored_optimizer(const Settings& settings);
// errors  BadConfig, also for readouts and bags that there are not
void refuse_ignored_evaluation(const Settings& settings);

// A preset's options are meant for its own schedule, optimiser and readouts: those that others, asked for beside it, would not look at
// are as by default.
// errors  BadConfig for names that no table knows
void forget_ignored_of_preset(Settings& settings);

}  // namespace nagare::apps
