#include "apps/settings.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <type_traits>

#include "apps/toml_file.h"
#include "engine/device/errors.h"
#include "engine/text/nearest.h"
#include "engine/text/printable.h"

extern char** environ;

namespace nagare::apps {
namespace {

constexpr std::string_view kNameSuffix = ".name";
constexpr std::string_view kPrefix = "NAGARE_";
// Variables of other programs of the project, and the one of apps/library_search.h.
constexpr std::string_view kOtherVariables[] = {"NAGARE_REFERENCE_DIR", "NAGARE_DATA_DIR",
                                                "NAGARE_PYTHON_SITE"};

std::string variable_name(std::string_view key) {
  std::string name(kPrefix);
  for (const char c : key) {
    if (c == '.') {
      name += "__";
    } else {
      name += c == '-' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    }
  }
  return name;
}

template <class Number>
std::string to_text(Number number) {
  char text[40];
  const auto [end, error] = std::to_chars(text, text + sizeof text, number);
  return {text, end};
}

std::string field_text(const Field& field) {
  return std::visit(
      [](auto* value) -> std::string {
        using T = std::remove_pointer_t<decltype(value)>;
        if constexpr (std::is_same_v<T, std::string>) {
          return *value;
        } else if constexpr (std::is_same_v<T, bool>) {
          return *value ? "true" : "false";
        } else if constexpr (std::is_same_v<T, FreeOptions>) {
          return {};
        } else if constexpr (std::is_same_v<T, WholeNumbers>) {
          std::string list;
          for (const std::int64_t number : *value) list += (list.empty() ? "" : ",") + to_text(number);
          return list;
        } else if constexpr (std::is_same_v<T, Texts>) {
          std::string list;
          for (const std::string& text : *value) list += (list.empty() ? "" : " ") + text;
          return list;
        } else {
          return to_text(*value);
        }
      },
      field);
}

// `who` is "ORIGIN: KEY" and begins every complaint.
template <class Number>
Number parse_number(std::string_view text, const OptionRow& row, const std::string& who) {
  Number number{};
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  const std::string got = who + " is \"" + printable(text) + "\"";
  if (error == std::errc::result_out_of_range) throw BadConfig(got + ": the number is too large");
  if (error != std::errc{} || stopped != end || text.empty()) {
    throw BadConfig(got + (std::is_integral_v<Number> ? ": need a whole number" : ": need a number"));
  }
  const auto value = static_cast<double>(number);
  if (!(std::isfinite(value) && value >= row.minimum && value <= row.maximum)) {
    const std::string low = std::isfinite(row.minimum) ? " from " + to_text(row.minimum) : "";
    const std::string high = std::isfinite(row.maximum) ? " up to " + to_text(row.maximum) : "";
    throw BadConfig(got + ": need a finite number" + low + high);
  }
  return number;
}

WholeNumbers parse_numbers(std::string_view text, const OptionRow& row, const std::string& who) {
  WholeNumbers numbers;
  if (text.empty()) return numbers;
  for (std::size_t comma = 0; comma != std::string_view::npos;) {
    comma = text.find(',');
    numbers.push_back(parse_number<std::int64_t>(text.substr(0, comma), row, who));
    if (comma != std::string_view::npos) text.remove_prefix(comma + 1);
  }
  return numbers;
}

bool parse_switch(std::string_view text, const std::string& who) {
  if (text == "true" || text == "1") return true;
  if (text == "false" || text == "0") return false;
  throw BadConfig(who + " is \"" + printable(text) + "\": need true or false");
}

// The run's TOML and JSON files, which repeat the options, can hold nothing else.
void check_text(std::string_view text, const std::string& who) {
  if (!is_utf8(text)) throw BadConfig(who + " is \"" + printable(text) + "\": need valid UTF-8");
}

// Resolved configurations write it without quotes.
void check_free_name(std::string_view name, std::string_view key, const std::string& origin) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
  if (!name.empty() && name.find_first_not_of(kLetters) == std::string_view::npos) return;
  throw BadConfig(origin + ": \"" + printable(key) +
                  "\" is no name of an option: need letters, digits, - and _");
}

std::vector<std::string> known_keys() {
  std::vector<std::string> keys;
  for (const OptionRow& row : option_table()) {
    if (!row.only_flag && !row.positional) keys.emplace_back(row.key);
  }
  return keys;
}

// Reading "8" for a text or 0.5 for a whole number would hide a slip: the type in the file must be the option's.
void check_kind(const TomlEntry& entry, const OptionRow& row, const std::string& origin) {
  Options options;
  const Field field = row.field(options);
  const bool fits = std::visit(
      [&](auto* value) {
        using T = std::remove_pointer_t<decltype(value)>;
        if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, WholeNumbers> ||
                      std::is_same_v<T, Texts>) {
          return entry.kind == TomlKind::text;
        } else if constexpr (std::is_same_v<T, bool>) {
          return entry.kind == TomlKind::boolean;
        } else if constexpr (std::is_same_v<T, std::int64_t>) {
          return entry.kind == TomlKind::integer;
        } else if constexpr (std::is_same_v<T, FreeOptions>) {
          return true;
        } else {
          return entry.kind == TomlKind::real || entry.kind == TomlKind::integer;
        }
      },
      field);
  if (fits) return;
  const char* need = std::holds_alternative<std::string*>(field)    ? "a string in quotes"
                     : std::holds_alternative<bool*>(field)         ? "true or false"
                     : std::holds_alternative<std::int64_t*>(field) ? "a whole number"
                                                                    : "a number";
  throw BadConfig(origin + ": " + entry.key + " is " + printable(entry.value) + ": need " + need);
}

}  // namespace

std::string_view short_form(std::string_view key) {
  return key.ends_with(kNameSuffix) ? key.substr(0, key.size() - kNameSuffix.size()) : key;
}

std::string default_text(const OptionRow& row) {
  Options options;
  return field_text(row.field(options));
}

std::string Settings::value(const OptionRow& row) const {
  Options copy = options_;
  return field_text(row.field(copy));
}

void Settings::assign(std::string_view key, std::string_view text, const std::string& origin) {
  const OptionRow* row = find_option(key);
  if (row == nullptr) {
    throw BadConfig(origin + ": unknown key \"" + printable(key) + "\"; nearest is \"" +
                    nearest(key, known_keys()) + "\"");
  }
  const std::string who = origin == "--" + std::string(key) ? origin : origin + ": " + std::string(key);
  std::string long_key(row->key);
  std::visit(
      [&](auto* value) {
        using T = std::remove_pointer_t<decltype(value)>;
        if constexpr (std::is_same_v<T, std::string>) {
          check_text(text, who);
          *value = text;
        } else if constexpr (std::is_same_v<T, bool>) {
          *value = parse_switch(text, who);
        } else if constexpr (std::is_same_v<T, FreeOptions>) {
          check_text(text, who);
          const std::string_view name = key.substr(row->key.size() + 1);
          check_free_name(name, key, origin);
          (*value)[std::string(name)] = text;
          long_key = key;
        } else if constexpr (std::is_same_v<T, WholeNumbers>) {
          *value = parse_numbers(text, *row, who);
        } else if constexpr (std::is_same_v<T, Texts>) {
          check_text(text, who);
          value->emplace_back(text);
        } else {
          *value = parse_number<T>(text, *row, who);
        }
      },
      row->field(options_));
  origins_[long_key] = origin;
}

void Settings::assign_toml(const std::string& toml, const std::string& name) {
  for (const TomlEntry& entry : parse_toml(toml, name)) {
    const std::string origin = name + ":" + std::to_string(entry.line);
    const OptionRow* row = find_option(entry.key);
    if (row != nullptr && (row->only_flag || row->positional)) {
      throw BadConfig(origin + ": " + entry.key + " can only be given on the command line");
    }
    if (row != nullptr) check_kind(entry, *row, origin);
    assign(entry.key, entry.value, origin);
  }
}

std::vector<std::string> Settings::assign_environment() {
  std::vector<std::string> warnings;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::string_view name = text.substr(0, text.find('='));
    if (!name.starts_with(kPrefix) || std::ranges::find(kOtherVariables, name) != std::end(kOtherVariables))
      continue;
    const std::string value(text.substr(name.size() + 1));
    bool found = false;
    std::vector<std::string> names;
    for (const OptionRow& row : option_table()) {
      if (row.only_flag || row.positional) continue;
      Options unused;
      const std::string variable = variable_name(row.key);
      names.push_back(variable);
      if (std::holds_alternative<FreeOptions*>(row.field(unused))) {
        if (!name.starts_with(variable + "__")) continue;
        std::string free_key(name.substr(variable.size() + 2));
        std::ranges::transform(free_key, free_key.begin(), [](char c) {
          return c == '_' ? '-' : c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        });
        assign(std::string(row.key) + "." + free_key, value, std::string(name));
      } else if (name == variable || name == variable_name(short_form(row.key))) {
        assign(row.key, value, std::string(name));
      } else {
        continue;
      }
      found = true;
      break;
    }
    if (!found) {
      warnings.push_back("the environment variable " + printable(name) + " names no option; nearest is " +
                         nearest(name, names));
    }
  }
  return warnings;
}

void Settings::forget_free_options(const std::string& kind) {
  FreeOptions& options = *std::get<FreeOptions*>(find_option(kind + ".any")->field(options_));
  for (const auto& [key, text] : options) origins_.erase(kind + "." + key);
  options.clear();
}

void Settings::forget(std::string_view key) {
  const OptionRow& row = *find_option(key);
  Options defaults;
  std::visit([&](auto* value) { *value = *std::get<decltype(value)>(row.field(defaults)); },
             row.field(options_));
  origins_.erase(std::string(key));
}

void Settings::assign_all(const Settings& other) {
  for (const auto& [key, origin] : other.origins_) {
    const OptionRow* row = find_option(key);
    Options copy = other.options_;
    const Field field = row->field(copy);
    if (const auto* texts = std::get_if<Texts*>(&field)) {
      for (const std::string& text : **texts) assign(key, text, origin);
      continue;
    }
    const auto* free = std::get_if<FreeOptions*>(&field);
    assign(key, free != nullptr ? (*free)->at(key.substr(row->key.size() + 1)) : field_text(field), origin);
  }
}

std::string Settings::origin(std::string_view key) const {
  const OptionRow* row = find_option(key);
  const auto found = origins_.find(row != nullptr && origins_.contains(row->key) ? row->key : key);
  return found == origins_.end() ? "default" : found->second;
}

std::vector<std::pair<std::string, std::string>> Settings::training_flags() const {
  constexpr std::string_view kOfOneCommand[] = {"out", "resume", "profile", "json", "quiet", "dry-run"};
  std::vector<std::pair<std::string, std::string>> flags;
  for (const auto& [key, origin] : origins_) {
    const OptionRow* row = find_option(key);
    if (!origin.starts_with("--") || (row->commands & kTrain) == 0) continue;
    if (std::ranges::find(kOfOneCommand, key) != std::end(kOfOneCommand)) continue;
    Options copy = options_;
    const Field field = row->field(copy);
    const auto* free = std::get_if<FreeOptions*>(&field);
    flags.emplace_back(key,
                       free != nullptr ? (*free)->at(key.substr(row->key.size() + 1)) : field_text(field));
  }
  return flags;
}

std::string Settings::resolved_toml() const {
  std::string toml =
      "# Every option of this run and where its value came from. nagare train --config reads this file.\n";
  for (const OptionRow& row : option_table()) {
    if ((row.commands & kTrain) == 0 || row.only_flag) continue;
    Options copy = options_;
    const Field field = row.field(copy);
    const std::string key(row.key);
    if (const auto* free = std::get_if<FreeOptions*>(&field)) {
      for (const auto& [name, text] : **free) {
        toml +=
            key + "." + name + " = " + toml_quote(text) + "  # " + printable(origin(key + "." + name)) + "\n";
      }
      continue;
    }
    const std::string text =
        std::holds_alternative<std::string*>(field) || std::holds_alternative<WholeNumbers*>(field)
            ? toml_quote(field_text(field))
            : field_text(field);
    toml += key + " = " + text + "  # " + printable(origin(row.key)) + "\n";
  }
  return toml;
}

std::vector<std::string> Settings::differences(const Settings& other) const {
  std::vector<std::string> found;
  for (const OptionRow& row : option_table()) {
    if ((row.commands & kTrain) == 0 || row.runtime || row.only_flag) continue;
    Options mine = options_;
    Options theirs = other.options_;
    const Field a = row.field(mine);
    const Field b = row.field(theirs);
    if (const auto* free = std::get_if<FreeOptions*>(&a)) {
      if (**free != **std::get_if<FreeOptions*>(&b)) found.push_back(std::string(row.key) + ".*");
    } else if (field_text(a) != field_text(b)) {
      found.push_back(std::string(row.key) + ": " + printable(field_text(a)) + " here, " +
                      printable(field_text(b)) + " there");
    }
  }
  return found;
}

}  // namespace nagare::apps
