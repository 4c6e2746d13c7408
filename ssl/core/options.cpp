#include "ssl/core/options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <stdexcept>

#include "engine/device/errors.h"
#include "engine/text/nearest.h"

namespace nagare::ssl {
namespace {

// The whole text as a number.
template <class T>
bool parse(const std::string& text, T& value) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc{} && stop == end;
}

template <class T>
std::string shortest(T value) {
  char buffer[32];
  const auto end = std::to_chars(std::begin(buffer), std::end(buffer), value).ptr;
  return {buffer, end};
}

std::string bounds(const OptionRange& range) {
  if (std::isinf(range.high)) return std::string("at least ") + shortest(range.low);
  return std::string("[") + shortest(range.low) + ", " + shortest(range.high) + "]";
}

}  // namespace

void OptionSet::add(OptionInfo info, Setter setter) {
  for (const OptionInfo& other : infos_) {
    if (other.name == info.name)
      throw std::invalid_argument("option set: two options named '" + info.name + "'");
  }
  infos_.push_back(std::move(info));
  setters_.push_back(std::move(setter));
}

void OptionSet::number(const std::string& name, float& field, OptionRange range, const std::string& summary) {
  add({name, shortest(field), bounds(range), summary}, [&field, range](const std::string& text) {
    double value = 0.0;
    if (!parse(text, value) || !(value >= range.low && value <= range.high)) return false;
    field = static_cast<float>(value);
    return std::isfinite(field);
  });
}

void OptionSet::integer(const std::string& name, std::int64_t& field, OptionRange range,
                        const std::string& summary) {
  add({name, shortest(field), bounds(range), summary}, [&field, range](const std::string& text) {
    std::int64_t value = 0;
    if (!parse(text, value)) return false;
    const auto real = static_cast<double>(value);
    if (!(real >= range.low && real <= range.high)) return false;
    field = value;
    return true;
  });
}

void OptionSet::flag(const std::string& name, bool& field, const std::string& summary) {
  add({name, field ? "on" : "off", "on, off", summary}, [&field](const std::string& text) {
    const bool yes = text == "on" || text == "true" || text == "1" || text == "yes";
    const bool no = text == "off" || text == "false" || text == "0" || text == "no";
    if (yes || no) field = yes;
    return yes || no;
  });
}

void OptionSet::choice(const std::string& name, std::string& field, const std::vector<std::string>& allowed,
                       const std::string& summary) {
  std::string names;
  for (const std::string& value : allowed) names += (names.empty() ? "" : ", ") + value;
  add({name, field, names, summary}, [&field, allowed](const std::string& text) {
    if (std::ranges::find(allowed, text) == allowed.end()) return false;
    field = text;
    return true;
  });
}

void OptionSet::assign(const std::string& owner, const OptionValues& values) const {
  for (const auto& [name, text] : values) {
    const auto at = std::ranges::find(infos_, name, &OptionInfo::name);
    if (at == infos_.end()) {
      std::vector<std::string> known;
      for (const OptionInfo& info : infos_) known.push_back(info.name);
      throw BadConfig(owner + ": " + unknown_name("option", name, known));
    }
    if (!setters_[static_cast<std::size_t>(at - infos_.begin())](text)) {
      throw BadConfig(owner + ": option " + name + " = '" + text + "', need " + at->allowed);
    }
  }
}

}  // namespace nagare::ssl
