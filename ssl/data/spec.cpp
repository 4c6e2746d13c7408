#include "ssl/data/spec.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <vector>

#include "engine/device/errors.h"
#include "engine/text/nearest.h"
#include "engine/text/printable.h"
#include "ssl/data/table.h"

namespace nagare::ssl {
namespace {

[[noreturn]] void refuse_spec(const std::string& text, const std::string& reason) {
  throw BadConfig("data \"" + printable(text) + "\": " + reason);
}

// The length of a leading "key=", without the '='; 0 when there is none.
std::size_t key_length(std::string_view part) {
  std::size_t n = 0;
  while (n < part.size() && ((part[n] >= 'a' && part[n] <= 'z') || part[n] == '-')) ++n;
  return n < part.size() && part[n] == '=' ? n : 0;
}

std::vector<std::string_view> split_at_commas(std::string_view text) {
  std::vector<std::string_view> parts;
  for (std::size_t comma = 0; comma != std::string_view::npos;) {
    comma = text.find(',');
    parts.push_back(text.substr(0, comma));
    if (comma != std::string_view::npos) text.remove_prefix(comma + 1);
  }
  return parts;
}

const DataSource& find_source(const std::string& text, std::string_view name) {
  std::vector<std::string> known;
  for (const DataSource& source : data_sources()) {
    if (source.name == name) return source;
    known.push_back(source.name);
  }
  refuse_spec(text, unknown_name("source", name, known));
}

void add_option(const std::string& text, const DataSource& source, std::string_view part,
                std::map<std::string, std::string>& values) {
  const std::size_t equals = part.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    refuse_spec(text, "\"" + printable(part) + "\" is not key=value");
  }
  const std::string key(part.substr(0, equals));
  std::vector<std::string> known;
  for (const DataOption& option : source.options) known.push_back(option.key);
  if (std::find(known.begin(), known.end(), key) == known.end()) {
    refuse_spec(text, unknown_name("option of " + source.name, key, known));
  }
  if (!values.emplace(key, part.substr(equals + 1)).second)
    refuse_spec(text, "\"" + key + "\" is given twice");
}

}  // namespace

DataSpec parse_spec(const std::string& text) {
  const std::size_t colon = text.find(':');
  const std::string_view all = text;
  const DataSource& source = find_source(text, all.substr(0, colon));
  const std::string_view rest = colon == std::string::npos ? "" : all.substr(colon + 1);
  const std::vector<std::string_view> parts = split_at_commas(rest);

  std::size_t next = 0;
  std::string directory;
  if (source.takes_directory) {
    directory = parts[next++];
    while (next < parts.size() && key_length(parts[next]) == 0) directory += "," + std::string(parts[next++]);
    if (directory.empty()) refuse_spec(text, "needs a directory or file: " + source.syntax);
  }
  std::map<std::string, std::string> values;
  const bool nothing = !source.takes_directory && rest.empty();
  for (; next < parts.size() && !nothing; ++next) add_option(text, source, parts[next], values);
  return {text, source.name, std::move(directory), std::move(values)};
}

void DataSpec::refuse(const std::string& reason) const { refuse_spec(text_, reason); }

std::string DataSpec::word(const std::string& key, std::string_view otherwise) const {
  const auto found = values_.find(key);
  return found == values_.end() ? std::string(otherwise) : found->second;
}

std::int64_t DataSpec::integer(const std::string& key, std::int64_t otherwise, IntegerRange range) const {
  const auto found = values_.find(key);
  if (found == values_.end()) return otherwise;
  const std::string& value = found->second;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size() || number < range.min ||
      number > range.max) {
    refuse(key + "=" + printable(value) + ": needs a whole number from " + std::to_string(range.min) +
           " to " + std::to_string(range.max));
  }
  return number;
}

double DataSpec::real(const std::string& key, double otherwise, RealRange range) const {
  const auto found = values_.find(key);
  if (found == values_.end()) return otherwise;
  const std::string& value = found->second;
  double number = NAN;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size() ||
      !(number >= range.min && number <= range.max)) {
    char text[64];
    std::snprintf(text, sizeof text, "%g to %g", range.min, range.max);
    refuse(key + "=" + printable(value) + ": needs a number from " + text);
  }
  return number;
}

}  // namespace nagare::ssl
