#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/command.h"
#include "apps/presets.h"
#include "engine/device/errors.h"
#include "engine/optim/optimizer.h"
#include "engine/optim/schedule.h"
#include "engine/text/nearest.h"
#include "kernel_names.h"
#include "models/table.h"
#include "ssl/data/table.h"
#include "ssl/eval/readout.h"
#include "ssl/methods/table.h"
#include "ssl/strategies/table.h"
#include "ssl/streams/class_order.h"
#include "ssl/streams/table.h"

namespace nagare::apps {
namespace {

using Json = nlohmann::ordered_json;

// One line of a list: name, what it is, where it comes from, and its own options if it has any.
struct Entry {
  std::string name;
  std::string summary;
  std::string source;
  std::vector<ssl::OptionInfo> options;
};

// The rows of a table that has name, summary and reference, and options().
template <class Rows>
std::vector<Entry> with_options(const Rows& rows) {
  std::vector<Entry> entries;
  for (const auto& row : rows) entries.push_back({row.name, row.summary, row.reference, row.options()});
  return entries;
}

std::vector<Entry> data_entries() {
  std::vector<Entry> entries;
  for (const ssl::DataSource& row : ssl::data_sources()) {
    std::vector<ssl::OptionInfo> options;
    for (const ssl::DataOption& option : row.options) {
      options.push_back({.name = option.key, .default_value = "", .allowed = "", .summary = option.summary});
    }
    entries.push_back({row.name, row.summary + " (" + row.syntax + ")", row.reference, std::move(options)});
  }
  return entries;
}

std::vector<Entry> stream_entries() {
  std::vector<Entry> entries;
  for (const ssl::StreamKind& row : ssl::stream_kinds()) {
    entries.push_back({row.name, row.summary + " (" + row.syntax + ")", row.reference, {}});
  }
  std::vector<ssl::OptionInfo> keys;
  for (const ssl::StreamKey& row : ssl::stream_keys()) {
    keys.push_back({.name = row.key, .default_value = "", .allowed = "", .summary = row.summary});
  }
  entries.push_back(
      {"KIND,key=value", "what may be said of any of them", "docs/streams.md", std::move(keys)});
  std::vector<ssl::OptionInfo> orders;
  for (const ssl::NamedClassOrder& row : ssl::named_class_orders()) {
    orders.push_back({.name = row.name, .default_value = "", .allowed = "", .summary = row.summary});
  }
  entries.push_back({"--class-order", "which classes come first", "docs/streams.md", std::move(orders)});
  return entries;
}

std::vector<Entry> readout_entries() {
  std::vector<Entry> entries;
  for (const ssl::ReadoutRow& row : ssl::readout_table())
    entries.push_back({row.name, row.summary, row.reference, {}});
  return entries;
}

std::vector<Entry> model_entries() {
  std::vector<Entry> entries;
  for (const models::BackboneRow& row : models::backbone_rows())
    entries.push_back({row.name, std::string(row.summary) + " (" + row.options + ")", row.reference, {}});
  return entries;
}

std::vector<Entry> optimizer_entries() {
  std::vector<Entry> entries;
  for (const optim::OptimizerRow& row : optim::optimizers())
    entries.push_back({row.name, row.summary, row.source, {}});
  for (const optim::OptimizerRow& row : optim::lars_variants()) {
    entries.push_back({std::string("lars, ") + row.name, row.summary, row.source, {}});
  }
  return entries;
}

std::vector<Entry> schedule_entries() {
  std::vector<Entry> entries;
  for (const optim::ScheduleRow& row : optim::schedules()) entries.push_back({row.name, row.summary, "", {}});
  return entries;
}

std::vector<Entry> kernel_entries() {
  std::vector<Entry> entries;
  for (const char* name : kKernelNames) {
    entries.push_back(
        {name, "kernels/" + std::string(name) + ".h", kBuiltWithCuda ? "cpu, cuda" : "cpu", {}});
  }
  return entries;
}

std::vector<Entry> preset_entries() {
  std::vector<Entry> entries;
  for (const Preset& preset : presets())
    entries.push_back({std::string(preset.name), std::string(preset.summary), "", {}});
  return entries;
}

std::vector<Entry> option_entries() {
  std::vector<Entry> entries;
  for (const OptionRow& row : option_table()) {
    if (row.positional) continue;
    const std::string value = default_text(row);
    entries.push_back(
        {std::string(row.key), std::string(row.help), value.empty() ? "" : "default " + value, {}});
  }
  return entries;
}

struct Topic {
  std::string name;
  std::vector<Entry> (*entries)();
};

const std::vector<Topic>& topics() {
  static const std::vector<Topic> all = {
      {"methods", [] { return with_options(ssl::method_table()); }},
      {"strategies", [] { return with_options(ssl::strategy_table()); }},
      {"data", &data_entries},
      {"streams", &stream_entries},
      {"readouts", &readout_entries},
      {"models", &model_entries},
      {"optimizers", &optimizer_entries},
      {"schedules", &schedule_entries},
      {"kernels", &kernel_entries},
      {"presets", &preset_entries},
      {"options", &option_entries},
  };
  return all;
}

Json to_json(const std::vector<Entry>& entries) {
  Json list = Json::array();
  for (const Entry& entry : entries) {
    Json options = Json::array();
    for (const ssl::OptionInfo& info : entry.options) {
      options.push_back({{"name", info.name},
                         {"default", info.default_value},
                         {"allowed", info.allowed},
                         {"summary", info.summary}});
    }
    list.push_back({{"name", entry.name}, {"summary", entry.summary}, {"source", entry.source}});
    if (!entry.options.empty()) list.back()["options"] = std::move(options);
  }
  return list;
}

std::string to_text(const std::string& heading, const std::vector<Entry>& entries, bool with_details) {
  std::string text = heading + "\n";
  std::vector<std::vector<std::string>> rows;
  for (const Entry& entry : entries) {
    rows.push_back({"  " + entry.name, entry.summary, entry.source});
    if (!with_details) continue;
    for (const ssl::OptionInfo& info : entry.options) {
      const std::string value = info.default_value.empty() ? "" : " = " + info.default_value;
      rows.push_back({"      " + info.name + value, info.summary, info.allowed});
    }
  }
  return text + table(rows);
}

}  // namespace

ExitCode run_list(const Settings& settings, Console& console) {
  const Options& options = settings.options();
  std::vector<std::string> names;
  for (const Topic& topic : topics()) names.push_back(topic.name);
  const bool all = options.topic.empty();
  if (!all && std::ranges::find(names, options.topic) == names.end()) {
    throw UsageError("list: " + unknown_name("topic", options.topic, names));
  }
  Json json = Json::object();
  std::string text;
  for (const Topic& topic : topics()) {
    if (all ? topic.name == "options" : topic.name != options.topic) continue;  // --help has the options
    const std::vector<Entry> entries = topic.entries();
    json[topic.name] = to_json(entries);
    text += (text.empty() ? "" : "\n") + to_text(topic.name, entries, !all);
  }
  if (all) text += "\nnagare list TOPIC names each one's own options.\n";
  console.result(options.json ? json.dump(2) + "\n" : text);
  return ExitCode::done;
}

}  // namespace nagare::apps
