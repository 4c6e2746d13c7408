#include "apps/cli.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <utility>

#include "build_config.h"
#include "engine/text/nearest.h"
#include "engine/text/printable.h"

namespace nagare::apps {
namespace {

constexpr int kHelpColumn = 34;

constexpr char kAbout[] =
    "nagare: continual self-supervised learning from image streams.\n\n"
    "A network looks at unlabelled images that arrive once, task after task, and learns what makes them\n"
    "alike; nagare shows how good its features are and what they forgot.";

constexpr char kFirstSteps[] =
    "First steps:\n"
    "  nagare train --preset demo            learn from fractals drawn by the program, about 2 minutes\n"
    "  nagare train --data cifar10:DIR --method emp-ssl --strategy minred --out runs/first\n"
    "  nagare train --resume --out runs/first\n"
    "  nagare eval runs/first                judge the newest checkpoint of a run\n"
    "  nagare list methods                   what there is to choose from\n"
    "  nagare train --help                   every option of a command\n\n"
    "An option's value comes from, strongest first: the flag (--optim.lr 0.1), the environment\n"
    "(NAGARE_OPTIM__LR=0.1), --config FILE.toml (optim.lr = 0.1), --preset NAME, its default.\n"
    "Results go to stdout, all else to stderr. Exit codes: 0 done, 2 usage, 3 configuration, 4 data,\n"
    "5 checkpoint, 6 cannot write, 7 device, 8 memory, 9 diverged, 10 run directory in use,\n"
    "75 stopped by a signal and saved (run again with --resume), 130 stopped at once, 1 internal fault.";

// The help text with the default behind it.
std::string help_text(const OptionRow& row) {
  const std::string value = default_text(row);
  return std::string(row.help) + (value.empty() || row.positional ? "" : " [" + value + "]");
}

std::string flag_names(const OptionRow& row) {
  const std::string key(row.key);
  if (row.positional) return key;
  const std::string_view short_key = short_form(row.key);
  return short_key == row.key ? "--" + key : "--" + std::string(short_key) + ",--" + key;
}

bool is_switch(const OptionRow& row) {
  Options options;
  return std::holds_alternative<bool*>(row.field(options));
}

bool is_list(const OptionRow& row) {
  Options options;
  return std::holds_alternative<Texts*>(row.field(options));
}

bool is_free(const OptionRow& row) {
  Options options;
  return std::holds_alternative<FreeOptions*>(row.field(options));
}

struct AddedOption {
  const OptionRow* row;
  CLI::Option* option;
};

std::vector<AddedOption> add_options(CLI::App& app, unsigned command) {
  std::vector<AddedOption> added;
  for (const OptionRow& row : option_table()) {
    if ((row.commands & command) == 0 || is_free(row)) continue;
    const std::string names = flag_names(row);
    const std::string help = help_text(row);
    CLI::Option* option = nullptr;
    if (is_switch(row)) {
      option = app.add_flag(names, help);
    } else {
      option = app.add_option(
          names, [](const CLI::results_t&) { return true; }, help);
      option->type_name(std::string(row.value));
      // Counted by parse_command_line(), which says it in plain words.
      option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
      if (is_list(row) && row.positional) option->expected(-1);
    }
    option->group(std::string(row.group));
    added.push_back({.row = &row, .option = option});
  }
  return added;
}

std::vector<std::string> flags_of(unsigned command) {
  std::vector<std::string> flags = {"--help"};
  for (const OptionRow& row : option_table()) {
    if ((row.commands & command) == 0 || row.positional) continue;
    flags.push_back("--" + std::string(short_form(row.key)));
  }
  return flags;
}

// --method.KEY VALUE and --strategy.KEY=VALUE, which only the method and the strategy know.
std::vector<FlagValue> free_flags(const std::vector<std::string>& rest, const Command& command) {
  std::vector<FlagValue> found;
  for (std::size_t i = 0; i < rest.size(); ++i) {
    const std::size_t equals = rest[i].find('=');
    const std::string flag = rest[i].substr(0, equals);
    const OptionRow* row = flag.starts_with("--") ? find_option(flag.substr(2)) : nullptr;
    if (row == nullptr || !is_free(*row) || (row->commands & command.options) == 0) {
      const std::string kind = flag.starts_with("-") ? "unknown flag " : "unexpected argument ";
      throw UsageError("nagare " + std::string(command.name) + ": " + kind + printable(rest[i]) +
                       "; nearest is " + nearest(flag, flags_of(command.options)) + "\nsee nagare " +
                       std::string(command.name) + " --help");
    }
    if (equals == std::string::npos && i + 1 == rest.size())
      throw UsageError(flag + ": its value is missing");
    const std::string value = equals == std::string::npos ? rest[++i] : rest[i].substr(equals + 1);
    found.push_back({.key = flag.substr(2), .text = value});
  }
  return found;
}

void check_command_name(std::span<char* const> arguments, std::span<const Command> commands) {
  if (arguments.size() < 2) throw UsageError("a command is missing\nsee nagare --help");
  const std::string_view first = arguments[1];
  if (first.starts_with("-")) return;
  std::vector<std::string> names;
  for (const Command& command : commands) names.emplace_back(command.name);
  if (std::ranges::find(names, first) != names.end()) return;
  throw UsageError("unknown command " + printable(first) + "; nearest is " + nearest(first, names) +
                   "\nsee nagare --help");
}

}  // namespace

Invocation parse_command_line(std::span<char* const> arguments, std::span<const Command> commands) {
  check_command_name(arguments, commands);
  CLI::App app(kAbout, "nagare");
  app.footer(kFirstSteps);
  app.get_formatter()->column_width(kHelpColumn);
  app.set_version_flag("--version", std::string("nagare ") + kVersion);
  app.require_subcommand(1);

  const std::string_view wanted = arguments[1];
  CLI::App* chosen_app = nullptr;
  const Command* chosen = nullptr;
  std::vector<AddedOption> added;
  for (const Command& command : commands) {
    CLI::App* sub = app.add_subcommand(std::string(command.name), std::string(command.summary));
    if (command.name != wanted) continue;  // its options are not needed: starting up stays quick
    chosen = &command;
    chosen_app = sub;
    sub->footer(std::string(command.examples));
    sub->allow_extras();
    added = add_options(*sub, command.options);
  }

  try {
    app.parse(static_cast<int>(arguments.size()), arguments.data());
  } catch (const CLI::CallForHelp&) {
    return {.command = nullptr,
            .flags = {},
            .help = chosen_app != nullptr ? chosen_app->help("nagare") : app.help()};
  } catch (const CLI::CallForVersion& version) {
    return {.command = nullptr, .flags = {}, .help = std::string(version.what()) + "\n"};
  } catch (const CLI::ParseError& error) {
    const std::string who = chosen != nullptr ? "nagare " + std::string(chosen->name) : "nagare";
    throw UsageError(who + ": " + error.what() + "\nsee " + who + " --help");
  }

  Invocation invocation{.command = chosen, .flags = {}, .help = {}};
  for (const auto& [row, option] : added) {
    if (is_list(*row)) {
      for (const std::string& text : option->results()) {
        invocation.flags.push_back({.key = std::string(row->key), .text = text});
      }
      continue;
    }
    if (row->joined && option->count() > 0) {
      std::string joined;
      for (const std::string& value : option->results()) joined += (joined.empty() ? "" : ";") + value;
      invocation.flags.push_back({.key = std::string(row->key), .text = joined});
      continue;
    }
    if (!is_switch(*row) && option->count() > 1) {
      throw UsageError("nagare " + std::string(chosen->name) + ": " + option->get_name() + " is given " +
                       std::to_string(option->count()) + " times");
    }
    if (option->count() > 0) {
      invocation.flags.push_back({.key = std::string(row->key), .text = option->results().back()});
    }
  }
  std::ranges::move(free_flags(chosen_app->remaining(), *chosen), std::back_inserter(invocation.flags));
  return invocation;
}

}  // namespace nagare::apps
