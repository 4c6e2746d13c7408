# cmake -DOUTPUT=presets.cpp -DDIRECTORY=apps/presets -P EmbedPresets.cmake: the presets as one C++ source.
file(GLOB files ${DIRECTORY}/*.toml)
list(SORT files)
set(rows "")
foreach(file IN LISTS files)
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} text)
  string(REGEX MATCH "^# ([^\n]*)" line "${text}")
  if(NOT line)
    message(FATAL_ERROR "${file}: its first line must be a comment that says what it is for")
  endif()
  string(APPEND rows "    {\"${name}\", R\"toml(${CMAKE_MATCH_1})toml\", R\"toml(${text})toml\"},\n")
endforeach()
file(WRITE ${OUTPUT} "// Made from apps/presets/ by cmake/EmbedPresets.cmake.
#include \"apps/presets.h\"

#include <algorithm>

namespace nagare::apps {
namespace {

constexpr Preset kPresets[] = {
${rows}};

}  // namespace

std::span<const Preset> presets() { return kPresets; }

const Preset* find_preset(std::string_view name) {
  const auto* at = std::ranges::find(kPresets, name, &Preset::name);
  return at == std::end(kPresets) ? nullptr : at;
}

}  // namespace nagare::apps
")
