#include "apps/sweep/earlier.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/device/errors.h"
#include "engine/io/json_text.h"
#include "engine/text/printable.h"

namespace nagare::apps {
namespace {

using Json = nlohmann::ordered_json;

struct EarlierCell {
  std::string name;
  std::vector<std::string> axes;
  std::vector<std::string> values;
};

// Those of the earlier sweep's table.
std::vector<EarlierCell> read_earlier(const io::Path& file) {
  const Json sweep = io::read_object(file);
  std::vector<EarlierCell> cells;
  if (sweep.is_null()) return cells;
  try {
    for (const Json& cell : sweep.at("cells")) {
      if (cell.at("state") == "skipped") continue;
      EarlierCell earlier{.name = cell.at("name"), .axes = {}, .values = {}};
      for (const auto& [axis, value] : cell.at("values").items()) {
        earlier.axes.push_back(axis);
        earlier.values.push_back(value);
      }
      cells.push_back(std::move(earlier));
    }
  } catch (const Json::exception& error) {
    throw BadData(printable(file.string()) + ": damaged: " + printable(error.what()));
  }
  return cells;
}

std::string difference(const EarlierCell& cell, const Grid& grid) {
  std::vector<std::string> axes;
  for (const Axis& axis : grid.axes) axes.push_back(axis.key);
  if (cell.axes != axes) {
    return fmt::format("the axes are {} there, {} here",
                       printable(fmt::format("{}", fmt::join(cell.axes, ", "))), fmt::join(axes, ", "));
  }
  for (std::size_t a = 0; a < axes.size(); ++a) {
    if (std::ranges::find(grid.axes[a].values, cell.values[a]) != grid.axes[a].values.end()) continue;
    return fmt::format("{} has {} there, and only {} here", axes[a], printable(cell.values[a]),
                       printable(fmt::format("{}", fmt::join(grid.axes[a].values, ", "))));
  }
  return "the run directory " + printable(cell.name) + " is of other values here";
}

}  // namespace

void check_keeps_earlier(const Grid& grid, const std::vector<Cell>& cells, const io::Path& out) {
  for (const EarlierCell& earlier : read_earlier(out / "sweep.json")) {
    const auto here = std::ranges::find(cells, earlier.name, &Cell::name);
    if (here != cells.end() && here->values == earlier.values) continue;
    throw BadConfig(
        printable(out.string()) + " holds the sweep of another grid: " + difference(earlier, grid) +
        "\nchoose another --out, or give all of the earlier axes and values: a sweep may grow, and "
        "drops no run from its table");
  }
}

}  // namespace nagare::apps
