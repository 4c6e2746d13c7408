#pragma once
// The command line, built from the table of commands and the table of options.
#include <span>
#include <string>
#include <vector>

#include "apps/command.h"

namespace nagare::apps {

struct FlagValue {
  std::string key;   // of the option, as in a configuration file
  std::string text;  // as typed
};

struct Invocation {
  const Command* command = nullptr;  // nullptr: print `help` and end
  std::vector<FlagValue> flags;  // in the order of the table, then --method.KEY and --strategy.KEY as typed
  std::string help;
};

// errors  UsageError naming the nearest command or flag
Invocation parse_command_line(std::span<char* const> arguments, std::span<const Command> commands);

}  // namespace nagare::apps
