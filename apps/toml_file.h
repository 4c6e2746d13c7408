#pragma once
// A configuration in TOML as a flat list: tables become dotted keys.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace nagare::apps {

enum class TomlKind : std::uint8_t { text, integer, real, boolean };

struct TomlEntry {
  std::string key;    // "optim.lr"
  std::string value;  // as text: what would stand behind the flag
  TomlKind kind = TomlKind::text;
  std::int64_t line = 0;
  std::vector<std::string> items = {};  // of an array; `value` has them joined by commas
  bool is_array = false;
};

inline constexpr std::size_t kMaxTomlBytes = std::size_t{1} << 20;

// In the order of the keys' names.
// errors  BadConfig "NAME:LINE: ..." for what is not TOML, for values that no option takes (dates, tables in arrays), and
//         for more than a person writes: above kMaxTomlBytes, keys of more than 16 parts, values nested deeper than 16
std::vector<TomlEntry> parse_toml(std::string_view toml, const std::string& name);

// A string as TOML writes it, quotes included.
std::string toml_quote(std::string_view text);

}  // namespace nagare::apps
