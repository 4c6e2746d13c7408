#pragma once
// Any bytes as one line of valid UTF-8: what file names and other outside text go through before they are shown.
#include <string>
#include <string_view>

namespace nagare {

// Control characters and bytes that are not well-formed UTF-8 become \xNN; everything else stays.
std::string printable(std::string_view bytes);

// Well-formed UTF-8, control characters included.
bool is_utf8(std::string_view bytes);

}  // namespace nagare
