#pragma once
// The subcommands: one row each in main.cpp, one file each beside it.
#include <string>
#include <string_view>

#include "apps/console.h"
#include "apps/exit_code.h"
#include "apps/options.h"
#include "apps/settings.h"

namespace nagare::apps {

struct Command {
  std::string_view name;
  unsigned options;           // CommandSets whose options it takes
  std::string_view summary;   // one line, for `nagare --help`
  std::string_view examples;  // below the options in `nagare NAME --help`
  ExitCode (*run)(const Settings& settings, Console& console);
};

ExitCode run_train(const Settings& settings, Console& console);
ExitCode run_eval(const Settings& settings, Console& console);
ExitCode run_embed(const Settings& settings, Console& console);
ExitCode run_list(const Settings& settings, Console& console);
ExitCode run_info(const Settings& settings, Console& console);
ExitCode run_report(const Settings& settings, Console& console);
ExitCode run_sweep(const Settings& settings, Console& console);
ExitCode run_doctor(const Settings& settings, Console& console);
ExitCode run_data(const Settings& settings, Console& console);
ExitCode run_checkpoint(const Settings& settings, Console& console);
ExitCode run_version(const Settings& settings, Console& console);

}  // namespace nagare::apps
