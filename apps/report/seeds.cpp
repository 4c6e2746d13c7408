#include "apps/report/seeds.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "apps/options.h"

namespace nagare::apps {
namespace {

std::string without_seed(const RunRecord& run) {
  std::string key;
  for (const ConfigEntry& entry : run.config) {
    const OptionRow* row = find_option(entry.key);
    if (entry.key == "seed" || (row != nullptr && row->runtime)) continue;
    key += entry.key + "\n" + entry.value + "\n";
  }
  return key;
}

// The common beginning, without what announces a number: "emp-" of emp-1 and emp-2.
std::string common_name(const std::string& a, const std::string& b) {
  const auto end = std::ranges::mismatch(a, b).in1;
  std::string name(a.begin(), end);
  while (!name.empty() && std::string_view(" -_.,=/").find(name.back()) != std::string_view::npos)
    name.pop_back();
  if (name.ends_with("seed")) return common_name(name.substr(0, name.size() - 4), name);
  return name.empty() ? a : name;
}

}  // namespace

std::vector<RunGroup> group_by_seed(const std::vector<RunRecord>& runs) {
  std::vector<RunGroup> groups;
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const std::string key = without_seed(runs[i]);
    const auto found = std::ranges::find(keys, key);
    const auto place = static_cast<std::size_t>(found - keys.begin());
    if (found == keys.end()) {
      keys.push_back(key);
      groups.push_back({.name = runs[i].name, .runs = {i}});
    } else {
      groups[place].name = common_name(groups[place].name, runs[i].name);
      groups[place].runs.push_back(i);
    }
  }
  return groups;
}

MeanAndDeviation summarize_values(const std::vector<double>& values) {
  double sum = 0.0;
  std::size_t count = 0;
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    sum += value;
    ++count;
  }
  MeanAndDeviation summary{.mean = NAN, .deviation = NAN, .count = count};
  if (count == 0) return summary;
  summary.mean = sum / static_cast<double>(count);
  if (count == 1) return summary;
  double squares = 0.0;
  for (const double value : values) {
    if (std::isfinite(value)) squares += (value - summary.mean) * (value - summary.mean);
  }
  summary.deviation = std::sqrt(squares / static_cast<double>(count - 1));
  return summary;
}

std::string mean_text(const MeanAndDeviation& summary, int decimals) {
  if (summary.count == 0) return "-";
  std::string text = fmt::format("{:.{}f}", summary.mean, decimals);
  if (summary.count > 1) text += fmt::format(" ± {:.{}f}", summary.deviation, decimals);
  return text;
}

}  // namespace nagare::apps
