#include "engine/text/nearest.h"

#include <algorithm>
#include <vector>

#include "engine/text/printable.h"

namespace nagare {
namespace {

// No name is nearly as long, and the table of a text of megabytes would take minutes.
constexpr std::size_t kCompared = 256;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  // Three rows of the table: two before, one before, current; a swap looks two rows back.
  std::vector<std::size_t> older(b.size() + 1);
  std::vector<std::size_t> old(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::swap(older, old);
    std::swap(old, row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool same = lower(a[i - 1]) == lower(b[j - 1]);
      row[j] = std::min({old[j] + 1, row[j - 1] + 1, old[j - 1] + (same ? 0 : 1)});
      const bool swapped =
          i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]);
      if (swapped) row[j] = std::min(row[j], older[j - 2] + 1);
    }
  }
  return row[b.size()];
}

std::string nearest(std::string_view word, std::span<const std::string> known) {
  word = word.substr(0, kCompared);
  const auto closer = [&](const std::string& x, const std::string& y) {
    return edit_distance(word, x) < edit_distance(word, y);
  };
  const auto best = std::min_element(known.begin(), known.end(), closer);
  return best == known.end() ? "" : *best;
}

std::string unknown_name(std::string_view what, std::string_view word, std::span<const std::string> known) {
  std::string text = "unknown " + std::string(what) + " \"" + printable(word) + "\"";
  if (known.empty()) return text;
  text += ": nearest is \"" + nearest(word, known) + "\"; known: ";
  for (std::size_t i = 0; i < known.size(); ++i) text += (i == 0 ? "" : ", ") + known[i];
  return text;
}

}  // namespace nagare
