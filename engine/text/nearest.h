#pragma once
// The known name that a mistyped word most likely meant, for error messages.
//
// distance  Damerau-Levenshtein in its restricted form (optimal string alignment): insertions, deletions,
//           substitutions and swaps of neighbours cost 1 each; bytes are compared, letters without regard to
//           case
// source    Damerau, CACM 1964; Levenshtein, 1966
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace nagare {

std::size_t edit_distance(std::string_view a, std::string_view b);

// The closest of `known`, the first of them on a tie; "" when there are none. Of a longer word the first 256 bytes
// count. Cost |word| * sum |known|.
std::string nearest(std::string_view word, std::span<const std::string> known);

// `unknown data source "cifar01": nearest is "cifar10"; known: cifar10, cifar100`. `what` names the kind.
std::string unknown_name(std::string_view what, std::string_view word, std::span<const std::string> known);

}  // namespace nagare
