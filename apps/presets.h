#pragma once
// The configurations in apps/presets/, embedded by the build.
#include <span>
#include <string_view>

namespace nagare::apps {

struct Preset {
  std::string_view name;     // the file's stem
  std::string_view summary;  // its first line, a comment
  std::string_view toml;
};

// Sorted by name.
std::span<const Preset> presets();
// nullptr when there is none of that name.
const Preset* find_preset(std::string_view name);

}  // namespace nagare::apps
