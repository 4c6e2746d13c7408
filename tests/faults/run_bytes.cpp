#include "tests/faults/run_bytes.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string_view>

#include "tests/apps/nagare_process.h"

namespace nagare::faults {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kNotCompared[] = {
    "images_per_second", "memory_bytes", "peak_memory_bytes", "run", "seconds", "t",
    "training_seconds",  "wall"};

// In place: members of that name at any depth.
void drop_clocks(Json& value) {
  if (value.is_object()) {
    for (const std::string_view name : kNotCompared) value.erase(std::string(name));
  }
  if (!value.is_structured()) return;
  for (Json& inner : value) drop_clocks(inner);
}

std::string without_clocks(const std::string& text) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return "not JSON: " + text;
  drop_clocks(json);
  return json.dump();
}

std::string lines_without_clocks(const std::string& text) {
  std::string result;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) result += without_clocks(line) + "\n";
  return result;
}

}  // namespace

std::map<std::string, std::string> run_bytes(const std::filesystem::path& run) {
  std::map<std::string, std::string> bytes;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(run)) {
    const std::string name = entry.path().lexically_relative(run).string();
    if (!entry.is_regular_file() || name.starts_with("checkpoints/damaged-")) continue;
    const std::string content = test::read_all(entry.path());
    if (name.ends_with(".safetensors")) bytes[name] = content;
    if (name == "metrics.jsonl") bytes[name] = lines_without_clocks(content);
    if (name == "results.json") bytes[name] = without_clocks(content);
  }
  return bytes;
}

std::string difference(const std::map<std::string, std::string>& expected,
                       const std::map<std::string, std::string>& found) {
  for (const auto& [name, content] : expected) {
    const auto at = found.find(name);
    if (at == found.end()) return name + ": missing";
    if (at->second == content) continue;
    if (name.ends_with(".safetensors")) return name + ": other bytes";
    const auto [a, b] = std::ranges::mismatch(content, at->second);
    const auto from = static_cast<std::size_t>(std::max<std::ptrdiff_t>(0, a - content.begin() - 40));
    return name + ": \"..." + at->second.substr(from, 120) + "\" in place of \"..." +
           content.substr(from, 120) + "\"";
  }
  for (const auto& [name, content] : found) {
    if (!expected.contains(name)) return name + ": not in the run that met no fault";
  }
  return "";
}

}  // namespace nagare::faults
