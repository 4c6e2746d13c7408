#pragma once
// JSON that comes from outside: one object, of bounded depth, so that nothing that walks it can run out of stack.
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "engine/io/file.h"

namespace nagare::io {

inline constexpr int kDeepestJson = 64;

// errors  BadData beginning with `place`: not JSON, not an object, deeper than kDeepestJson
nlohmann::ordered_json parse_object(std::string_view text, const std::string& place);
// Of a file of at most max_bytes; null when there is none.
nlohmann::ordered_json read_object(const Path& path, std::uint64_t max_bytes = std::uint64_t{1} << 30);

}  // namespace nagare::io
