#include "apps/toml_file.h"

#include <toml++/toml.h>

#include <charconv>

#include "engine/device/errors.h"
#include "engine/text/printable.h"

namespace nagare::apps {
namespace {

std::string place(const std::string& name, const toml::source_region& region) {
  return name + ":" + std::to_string(region.begin.line);
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
  std::vector<TomlEntry> entries;
  try {
    flatten(toml::parse(toml, name), "", name, entries);
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
