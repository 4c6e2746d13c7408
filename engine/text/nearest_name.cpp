#include "engine/text/nearest_name.h"

#include <algorithm>
#include <numeric>

namespace nagare {
namespace {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);  // distances of a[0, i) to every b[0, j)
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string nearest_name(std::string_view typed, const std::vector<std::string>& known) {
  std::string nearest;
  std::size_t best = static_cast<std::size_t>(-1);
  for (const std::string& name : known) {
    const std::size_t distance = edit_distance(typed, name);
    if (distance < best) {
      best = distance;
      nearest = name;
    }
  }
  return nearest;
}

std::string suggestion(std::string_view typed, const std::vector<std::string>& known) {
  if (known.empty()) return " (there are none)";
  std::string list;
  for (const std::string& name : known) list += (list.empty() ? "" : ", ") + name;
  return " (nearest: '" + nearest_name(typed, known) + "'; known: " + list + ")";
}

}  // namespace nagare
