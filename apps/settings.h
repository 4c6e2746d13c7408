#pragma once
// The options of one invocation and where each of them came from.
//
// Sources are assigned weakest first: defaults (the Options struct), preset, configuration file, environment, flags.
// Every one is strict: an unknown key, a value of the wrong type or out of range is BadConfig, naming the place
// (file:line, variable, flag) and, for a key, the nearest one there is.
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "apps/options.h"

namespace nagare::apps {

// "method.name" -> "method": the form that flags prefer. Other keys stay.
std::string_view short_form(std::string_view key);
// A row's default as text; "" for an empty string.
std::string default_text(const OptionRow& row);

class Settings {
 public:
  const Options& options() const { return options_; }

  // key is in its short or long form; `origin` is quoted in errors and in the resolved configuration.
  void assign(std::string_view key, std::string_view text, const std::string& origin);
  // A configuration in TOML. `name` stands before the line number in origins and errors: a file name.
  void assign_toml(const std::string& toml, const std::string& name);
  // Variables NAGARE_*. Returns one warning per variable that begins so but names no option.
  std::vector<std::string> assign_environment();

  // Forgets the options of the method, or of the strategy ("method", "strategy"): all KIND.KEY.
  void forget_free_options(const std::string& kind);

  // The option with this long key is as by default.
  void forget(std::string_view key);

  // Every assigned value of `other`, over those here.
  void assign_all(const Settings& other);

  // "default", "preset demo", "my.toml:3", "NAGARE_SEED", "--seed".
  std::string origin(std::string_view key) const;
  bool is_set(std::string_view key) const { return origins_.contains(std::string(key)); }
  // Options of training that a flag gave, as flags: key and text. Not --out and what else is of one command line alone.
  std::vector<std::pair<std::string, std::string>> training_flags() const;
  // The value as text, for messages and comparison.
  std::string value(const OptionRow& row) const;

  // Every option of training, one per line with its origin as a comment: a file that --config reads back.
  std::string resolved_toml() const;
  // Keys whose values differ and change what is learned: "optim.lr: 0.1 here, 0.03 there".
  std::vector<std::string> differences(const Settings& other) const;

 private:
  Options options_;
  std::map<std::string, std::string, std::less<>>
      origins_;  // long form of the key -> origin, of assigned keys
};

}  // namespace nagare::apps
