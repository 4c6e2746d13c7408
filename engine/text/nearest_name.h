#pragma once
// "Did you mean ...?": the known name that a mistyped one most likely stands for.
//
// distance  Levenshtein: single-character insertions, deletions and replacements
// cost      |typed| * sum |known|, for error paths only
#include <string>
#include <string_view>
#include <vector>

namespace nagare {

// The nearest of `known`, the first one at equal distance; "" when `known` is empty.
std::string nearest_name(std::string_view typed, const std::vector<std::string>& known);

// " (nearest: 'simclr'; known: simclr, simsiam)", ready to be put behind an error text.
std::string suggestion(std::string_view typed, const std::vector<std::string>& known);

}  // namespace nagare
