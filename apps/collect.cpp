#include "apps/collect.h"

#include "apps/ignored_options.h"
#include "apps/presets.h"
#include "apps/toml_file.h"
#include "engine/device/errors.h"
#include "engine/io/file.h"
#include "engine/text/nearest.h"

namespace nagare::apps {
namespace {

void assign_preset(Settings& settings, const std::string& name) {
  const Preset* preset = find_preset(name);
  if (preset == nullptr) {
    std::vector<std::string> names;
    for (const Preset& p : presets()) names.emplace_back(p.name);
    throw BadConfig("--preset: " + unknown_name("preset", name, names));
  }
  settings.assign_toml(std::string(preset->toml), "preset " + name);
}

void assign_config(Settings& settings, const std::string& path) {
  std::string text;
  try {
    text = io::read_text(path, kMaxTomlBytes);
  } catch (const BadData& error) {
    throw BadConfig(std::string("--config: ") + error.what());
  }
  settings.assign_toml(text, path);
}

}  // namespace

Settings collect(std::span<const FlagValue> given, std::vector<std::string>& warnings) {
  Settings flags;
  for (const FlagValue& flag : given) {
    flags.assign(flag.key, flag.text, "--" + std::string(short_form(flag.key)));
  }
  Settings over;  // what outweighs the preset
  if (flags.is_set("config")) assign_config(over, flags.options().config);
  warnings = over.assign_environment();
  over.assign_all(flags);

  Settings settings;
  if (flags.is_set("preset")) assign_preset(settings, flags.options().preset);
  // The preset's options are those of its own method and strategy: others do not have them, or mean something else.
  if (over.is_set("method.name") && over.options().method != settings.options().method)
    settings.forget_free_options("method");
  if (over.is_set("strategy.name") && over.options().strategy != settings.options().strategy)
    settings.forget_free_options("strategy");
  settings.assign_all(over);
  if (flags.is_set("preset")) forget_ignored(settings, "preset ");
  return settings;
}

}  // namespace nagare::apps
