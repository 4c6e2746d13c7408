#pragma once
// Options that were given and that what was chosen beside them would not look at: each is refused where it was written, with
// what would. Given is what differs from its default: a resolved configuration names every option.
#include <string_view>

#include "apps/settings.h"

namespace nagare::apps {

// errors  BadConfig, also for an unknown schedule, optimiser or variant of LARS
void refuse_ignored_schedule(const Settings& settings);
void refuse_ignored_optimizer(const Settings& settings);
// errors  BadConfig, also for readouts and bags that there are not
void refuse_ignored_evaluation(const Settings& settings);

// Options whose origin begins with `from` ("preset ", the path of a file) and that nothing looks at are as by default again. A preset's
// are meant for its own schedule, optimiser and readouts; those of a run that goes on changed none of its bits.
// errors  BadConfig for names that no table knows
void forget_ignored(Settings& settings, std::string_view from);

}  // namespace nagare::apps
