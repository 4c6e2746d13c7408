#include "apps/toml_file.h"

#include <stdexcept>

namespace nagare::apps {
namespace {

struct BrokenParser : std::logic_error {
  using std::logic_error::logic_error;
};
[[noreturn]] void broken_parser() { throw BrokenParser("toml++"); }

}  // namespace
}  // namespace nagare::apps

// In release builds toml++ takes its own assertions for granted, and text can make them false (3.3: "[@"): they are
// checked, always. So can it reach places that are marked unreachable: letters beyond ASCII outside strings do in the
// tables of characters, where the answer is no.
#undef NDEBUG
#define TOML_ASSERT(condition) (static_cast<bool>(condition) ? void() : ::nagare::apps::broken_parser())
#define TOML_MAX_NESTED_VALUES 16
#include <toml++/impl/preprocessor.h>
#undef TOML_UNREACHABLE
#define TOML_UNREACHABLE \
  return {}
#include <toml++/impl/forward_declarations.h>
#include <toml++/impl/unicode.h>
#undef TOML_UNREACHABLE
#define TOML_UNREACHABLE ::nagare::apps::broken_parser()
#include <toml++/toml.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "engine/device/errors.h"
#include "engine/text/printable.h"

namespace nagare::apps {
namespace {

constexpr int kMostDots = 15;

std::string place(const std::string& name, const toml::source_region& region) {
  return name + ":" + std::to_string(region.begin.line);
}

// Where the string that begins at `at` ends.
std::size_t end_of_string(std::string_view toml, std::size_t at) {
  const char quote = toml[at];
  const std::string_view three = toml.substr(at, 3);
  const bool is_long = three == "\"\"\"" || three == "'''";
  const std::string_view closing = is_long ? three : toml.substr(at, 1);
  for (at += closing.size(); at < toml.size(); ++at) {
    if (toml[at] == '\\' && quote == '"') {
      ++at;
    } else if (toml.substr(at).starts_with(closing)) {
      at += closing.size();
      // One or two quotes may stand before the closing three.
      for (int more = 0; is_long && more < 2 && at < toml.size() && toml[at] == quote; ++more) ++at;
      return at;
    } else if (toml[at] == '\n' && !is_long) {
      return at;
    }
  }
  return toml.size();
}

// The line of a key of more parts than kMostDots + 1. toml++ counts nested values, but makes a table in a table of every
// part of a key, and takes them apart again by recursion.
std::optional<std::ptrdiff_t> line_of_overlong_key(std::string_view toml) {
  int dots = 0;
  for (std::size_t at = 0; at < toml.size(); ++at) {
    if (toml[at] == '"' || toml[at] == '\'') {
      at = end_of_string(toml, at) - 1;
    } else if (toml[at] == '#') {
      at = std::min(toml.find('\n', at), toml.size()) - 1;
    } else if (std::string_view("=,[]{}\n").find(toml[at]) != std::string_view::npos) {
      dots = 0;
    } else if (toml[at] == '.' && ++dots > kMostDots) {
      return 1 + std::count(toml.begin(), toml.begin() + static_cast<std::ptrdiff_t>(at), '\n');
    }
  }
  return std::nullopt;
}

// The shortest text that reads back as the same number.
std::string number_text(double value) {
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof text, value);
  return {text, end};
}

TomlEntry scalar(const toml::node& node, const std::string& where) {
  if (const auto* text = node.as_string()) return {.key = {}, .value = text->get(), .kind = TomlKind::text};
  if (const auto* flag = node.as_boolean()) {
    return {.key = {}, .value = flag->get() ? "true" : "false", .kind = TomlKind::boolean};
  }
  if (const auto* whole = node.as_integer()) {
    return {.key = {}, .value = std::to_string(whole->get()), .kind = TomlKind::integer};
  }
  if (const auto* real = node.as_floating_point()) {
    return {.key = {}, .value = number_text(real->get()), .kind = TomlKind::real};
  }
  throw BadConfig(where + ": need a string, a number, true or false, or an array of them");
}

// [1, 2, 3] -> "1,2,3": what a list looks like behind a flag.
TomlEntry joined(const toml::array& array, const std::string& where) {
  TomlEntry entry;
  entry.is_array = true;
  for (const toml::node& item : array) {
    entry.items.push_back(scalar(item, where).value);
    entry.value += (entry.value.empty() ? "" : ",") + entry.items.back();
  }
  return entry;
}

void flatten(const toml::table& table, const std::string& prefix, const std::string& name,
             std::vector<TomlEntry>& entries) {
  for (const auto& [key, node] : table) {
    const std::string full = prefix + std::string(key.str());
    if (const toml::table* inner = node.as_table()) {
      flatten(*inner, full + ".", name, entries);
      continue;
    }
    const std::string where = place(name, node.source()) + ": " + printable(full);
    TomlEntry entry = node.is_array() ? joined(*node.as_array(), where) : scalar(node, where);
    entry.key = full;
    entry.line = node.source().begin.line;
    entries.push_back(std::move(entry));
  }
}

}  // namespace

std::vector<TomlEntry> parse_toml(std::string_view toml, const std::string& name) {
  if (toml.size() > kMaxTomlBytes) {
    throw BadConfig(name + ": " + std::to_string(toml.size()) + " bytes, a configuration has at most " +
                    std::to_string(kMaxTomlBytes));
  }
  if (const auto line = line_of_overlong_key(toml)) {
    throw BadConfig(name + ":" + std::to_string(*line) + ": a key of more than " +
                    std::to_string(kMostDots + 1) + " parts");
  }
  std::vector<TomlEntry> entries;
  try {
    flatten(toml::parse(toml, name), "", name, entries);
  } catch (const BrokenParser&) {
    throw BadConfig(name + ": not TOML");
  } catch (const toml::parse_error& error) {
    throw BadConfig(place(name, error.source()) + ": " + printable(error.description()));
  }
  return entries;
}

std::string toml_quote(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted += {'\\', c};
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04X", static_cast<unsigned>(static_cast<unsigned char>(c)));
      quoted += escape;
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

}  // namespace nagare::apps
