#include "engine/io/json_text.h"

#include <nlohmann/json.hpp>

#include "engine/device/errors.h"
#include "engine/text/printable.h"

namespace nagare::io {

using Json = nlohmann::ordered_json;

Json parse_object(std::string_view text, const std::string& place) {
  const auto damaged = [&place](const std::string& what) { return BadData(place + ": damaged: " + what); };
  const auto check_depth = [&](int depth, Json::parse_event_t, Json&) {
    if (depth > kDeepestJson) throw damaged("nested deeper than " + std::to_string(kDeepestJson));
    return true;
  };
  Json json;
  try {
    json = Json::parse(text, check_depth);
  } catch (const Json::exception& error) {
    throw damaged("not a JSON object (" + printable(error.what()) + ")");
  }
  if (!json.is_object()) throw damaged("not a JSON object");
  return json;
}

Json read_object(const Path& path, std::uint64_t max_bytes) {
  return io::exists(path) ? parse_object(read_text(path, max_bytes), printable(path.string())) : Json();
}

}  // namespace nagare::io
