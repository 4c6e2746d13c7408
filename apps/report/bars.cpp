// Bars and cells of chart.h.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "apps/report/frame.h"

namespace nagare::apps {
namespace {

// Where the labels of many categories would overlap, only every n-th is written.
constexpr std::size_t kLabels = 12;

struct Box {
  double x;
  double y;
  double width;
  double height;
};

Html rectangle(const Box& box, const std::string& css_class, const std::string& style,
               const std::string& said) {
  Attributes attributes = {{"x", number(box.x, 1)},
                           {"y", number(box.y, 1)},
                           {"width", number(box.width, 1)},
                           {"height", number(box.height, 1)},
                           {"class", css_class}};
  if (!style.empty()) attributes.emplace_back("style", style);
  return element("rect", attributes, element("title", {}, text(said)));
}

Range height_range(const BarChart& chart) {
  std::vector<double> tops = {0.0};
  for (std::size_t c = 0; c < chart.categories.size(); ++c) {
    double sum = 0.0;
    for (const Bars& set : chart.sets) {
      const double height = set.heights.at(c);
      if (!std::isfinite(height)) continue;
      sum += height;
      if (!chart.stacked) tops.push_back(height);
    }
    if (chart.stacked) tops.push_back(sum);
  }
  return range_of(tops);
}

std::vector<std::vector<std::string>> table_of(const BarChart& chart) {
  std::vector<std::vector<std::string>> rows = {{chart.x_name}};
  for (const Bars& set : chart.sets) rows[0].push_back(set.name);
  for (std::size_t c = 0; c < chart.categories.size(); ++c) {
    rows.push_back({chart.categories[c]});
    for (const Bars& set : chart.sets) rows.back().push_back(number(set.heights[c]));
  }
  return rows;
}

// The bars of one set.
Html draw_set(const BarChart& chart, std::size_t index, const Frame& frame, std::vector<double>& floors) {
  const Bars& set = chart.sets[index];
  const double slot = frame.width() / static_cast<double>(chart.categories.size());
  const double group =
      std::min(slot * 0.8, 44.0 * static_cast<double>(chart.stacked ? 1 : chart.sets.size()));
  const double width = chart.stacked ? group : group / static_cast<double>(chart.sets.size());
  Html bars;
  for (std::size_t c = 0; c < chart.categories.size(); ++c) {
    const double height = set.heights[c];
    if (!std::isfinite(height)) continue;
    const double begin = chart.stacked ? floors[c] : 0.0;
    const double x = frame.x(static_cast<double>(c) + 0.5) - group / 2 +
                     (chart.stacked ? 0.0 : width * static_cast<double>(index));
    const double top = frame.y(std::max(begin, begin + height));
    const double bottom = frame.y(std::min(begin, begin + height));
    const Box box{.x = x, .y = top, .width = std::max(1.0, width - 1), .height = bottom - top};
    bars += rectangle(
        box, fmt::format("bar s{} d{}", set.style, set.dash), set.colour.empty() ? "" : "fill:" + set.colour,
        fmt::format("{}, {} {}: {}", set.name, chart.x_name, chart.categories[c], number(height)));
    if (chart.stacked && box.height >= 13 && box.width >= 16) {
      bars += label(x + width / 2, (top + bottom) / 2 + 4, number(height), "middle", "inside");
    }
    floors[c] += height;
  }
  return element("g", {{"data-series", set.name}}, bars);
}

}  // namespace

Html draw(const BarChart& chart) {
  const auto count = static_cast<double>(chart.categories.size());
  const Frame frame({.x = {0, std::max(1.0, count)}, .y = height_range(chart)});
  Html content = frame.y_grid(chart.y_name) + frame.x_title(chart.x_name) + frame.level(0, "");
  const std::size_t every = (chart.categories.size() + kLabels - 1) / kLabels;
  for (std::size_t c = 0; c < chart.categories.size(); ++c) {
    if (c % every == 0) content += frame.category(frame.x(static_cast<double>(c) + 0.5), chart.categories[c]);
  }
  std::vector<double> floors(chart.categories.size());
  std::vector<LegendEntry> legend;
  for (std::size_t s = 0; s < chart.sets.size(); ++s) {
    content += draw_set(chart, s, frame, floors);
    legend.push_back({.name = chart.sets[s].name,
                      .style = chart.sets[s].style,
                      .dash = chart.sets[s].dash,
                      .colour = chart.sets[s].colour,
                      .kind = LegendKind::box});
  }
  return figure_box(chart.title, svg(chart.title, content), legend, table_of(chart));
}

Html draw(const HeatMap& map) {
  const std::size_t rows = map.values.size();
  const std::size_t columns = rows == 0 ? 0 : map.values.front().size();
  if (rows == 0 || columns == 0) return missing("No task has ended yet.");
  constexpr double kLeft = 34;
  constexpr double kTop = 34;
  const double width = std::min(64.0, (kChartWidth - kLeft - 4) / static_cast<double>(columns));
  const double height = std::min(34.0, std::max(16.0, width * 0.7));
  Html cells = label(0, 10, map.row_name + " (rows), " + map.column_name + " (columns)", "start", "axis");
  std::vector<std::vector<std::string>> table = {{map.row_name}};
  for (std::size_t i = 0; i < columns; ++i) {
    cells += label(kLeft + width * (static_cast<double>(i) + 0.5), kTop - 6, std::to_string(i + 1), "middle");
    table[0].push_back(std::to_string(i + 1));
  }
  for (std::size_t t = 0; t < rows; ++t) {
    const double y = kTop + height * static_cast<double>(t);
    cells += label(kLeft - 6, y + height / 2 + 4, std::to_string(t + 1), "end");
    table.push_back({std::to_string(t + 1)});
    for (std::size_t i = 0; i < columns; ++i) {
      const double value = map.values[t].at(i);
      table.back().push_back(number(value));
      if (!std::isfinite(value)) continue;
      const double share = std::clamp(value / map.most, 0.0, 1.0);
      const Box box{
          .x = kLeft + width * static_cast<double>(i), .y = y, .width = width - 1, .height = height - 1};
      cells += rectangle(
          box, t == i ? "cell diagonal" : "cell", "fill-opacity:" + number(share, 3),
          fmt::format("{} {}, {} {}: {}", map.row_name, t + 1, map.column_name, i + 1, number(value)));
      cells += label(box.x + width / 2, y + height / 2 + 4, fmt::format("{:.{}f}", value, width < 30 ? 0 : 1),
                     "middle", share > 0.55 ? "cell-high" : "cell-low");
    }
  }
  return figure_box(map.title, svg(map.title, cells, kTop + height * static_cast<double>(rows) + 6), {},
                    table);
}

}  // namespace nagare::apps
