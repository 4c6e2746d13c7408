#pragma once
// The options of one command line with everything below it: preset, file, environment, flags.
#include <span>
#include <string>
#include <vector>

#include "apps/cli.h"
#include "apps/settings.h"

namespace nagare::apps {

// Weakest source first; a preset's --method.KEY and --strategy.KEY count for its own method and strategy alone; the flags also say which preset and file there are. A warning per variable of the environment
// that looks like an option and is none.
// errors  BadConfig naming the place of a mistake
Settings collect(std::span<const FlagValue> flags, std::vector<std::string>& warnings);

}  // namespace nagare::apps
