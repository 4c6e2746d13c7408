#include "apps/report/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "apps/report/frame.h"

namespace nagare::apps {
namespace {

constexpr std::size_t kTableRows = 24;

std::vector<std::vector<std::string>> table_of(const LineChart& chart) {
  std::vector<std::vector<std::string>> rows = {{chart.x_name}};
  std::vector<double> xs;
  for (const Line& line : chart.lines) {
    rows[0].push_back(line.name);
    for (const Sample& sample : line.samples) xs.push_back(sample.x);
  }
  std::ranges::sort(xs);
  xs.erase(std::unique(xs.begin(), xs.end()), xs.end());
  const std::size_t taken = std::min(xs.size(), kTableRows);
  for (std::size_t k = 0; k < taken; ++k) {
    const double x = xs[taken == 1 ? 0 : k * (xs.size() - 1) / (taken - 1)];
    rows.push_back({number(x)});
    for (const Line& line : chart.lines) {
      const auto at = std::ranges::find(line.samples, x, &Sample::x);
      rows.back().push_back(at == line.samples.end() ? "" : number(at->y, 4));
    }
  }
  return rows;
}

Attributes with_colour(Attributes attributes, const std::string& css_class, const std::string& property,
                       const std::string& colour) {
  attributes.emplace_back("class", css_class);
  if (!colour.empty()) attributes.emplace_back("style", property + ":" + colour);
  return attributes;
}

// The line, broken at gaps, and its points.
Html draw_line(const Line& line, const Frame& frame) {
  std::vector<Sample> samples = line.samples;
  std::erase_if(samples, [&](const Sample& s) { return frame.logarithmic() && s.y <= 0; });
  samples = thinned(samples, frame.x_range(), static_cast<int>(frame.width()));
  const std::string css_class = fmt::format("s{} d{}", line.style, line.dash);
  Html drawn;
  std::string path;
  bool pen_down = false;
  for (const Sample& sample : samples) {
    if (!std::isfinite(sample.y)) {
      pen_down = false;
      continue;
    }
    path += fmt::format("{}{} {}", pen_down ? "L" : "M", number(frame.x(sample.x), 1),
                        number(frame.y(sample.y), 1));
    pen_down = true;
  }
  if (!path.empty()) {
    drawn += element("path", with_colour({{"d", path}}, "line " + css_class, "stroke", line.colour));
  }
  if (line.points && samples.size() <= 60) {
    for (const Sample& sample : samples) {
      if (!std::isfinite(sample.y)) continue;
      drawn += element("circle", with_colour({{"cx", number(frame.x(sample.x), 1)},
                                              {"cy", number(frame.y(sample.y), 1)},
                                              {"r", "3"}},
                                             fmt::format("dot s{}", line.style), "fill", line.colour));
    }
  }
  return element("g", {{"data-series", line.name}}, drawn);
}

nlohmann::ordered_json data_of(const LineChart& chart, const Frame& frame) {
  nlohmann::ordered_json lines = nlohmann::ordered_json::array();
  for (const Line& line : chart.lines) {
    nlohmann::ordered_json x = nlohmann::ordered_json::array();
    nlohmann::ordered_json y = nlohmann::ordered_json::array();
    for (const Sample& sample : thinned(line.samples, frame.x_range(), static_cast<int>(frame.width()))) {
      x.push_back(sample.x);
      y.push_back(std::isfinite(sample.y) ? nlohmann::ordered_json(sample.y)
                                          : nlohmann::ordered_json(nullptr));
    }
    lines.push_back({{"name", line.name}, {"x", std::move(x)}, {"y", std::move(y)}});
  }
  return {{"title", chart.title},
          {"x", chart.x_name},
          {"from", {frame.x_range().low, frame.x(frame.x_range().low)}},
          {"to", {frame.x_range().high, frame.x(frame.x_range().high)}},
          {"series", std::move(lines)}};
}

Range y_range(const LineChart& chart) {
  std::vector<double> values;
  for (const Line& line : chart.lines) {
    for (const Sample& sample : line.samples) {
      if (!chart.logarithmic || sample.y > 0) values.push_back(sample.y);
    }
  }
  for (const Level& level : chart.levels) values.push_back(level.y);
  Range range = range_of(values);
  if (chart.from_zero) range = united(range, {0, range.high});
  return range;
}

std::vector<LegendEntry> legend_of(const LineChart& chart) {
  std::vector<LegendEntry> entries;
  for (const Line& line : chart.lines) {
    entries.push_back({.name = line.name, .style = line.style, .dash = line.dash, .colour = line.colour});
  }
  return entries;
}

}  // namespace

std::vector<Sample> thinned(const std::vector<Sample>& samples, Range x, int columns) {
  if (samples.size() <= 2 * static_cast<std::size_t>(columns)) return samples;
  std::vector<Sample> kept;
  const double width = (x.high - x.low) / columns;
  for (std::size_t begin = 0; begin < samples.size();) {
    const double column = std::floor((samples[begin].x - x.low) / width);
    std::size_t low = begin;
    std::size_t high = begin;
    std::size_t end = begin;
    for (; end < samples.size() && std::floor((samples[end].x - x.low) / width) == column; ++end) {
      if (!(samples[end].y >= samples[low].y)) low = end;  // a gap counts as lowest: it stays one
      if (samples[end].y > samples[high].y) high = end;
    }
    kept.push_back(samples[std::min(low, high)]);
    if (low != high) kept.push_back(samples[std::max(low, high)]);
    begin = end;
  }
  return kept;
}

Html draw(const LineChart& chart) {
  std::vector<double> xs;
  for (const Line& line : chart.lines) {
    for (const Sample& sample : line.samples) xs.push_back(sample.x);
  }
  const Frame frame({.x = range_of(xs), .y = y_range(chart), .logarithmic = chart.logarithmic});
  Html content = frame.grid(chart.x_name, chart.y_name);
  for (const Boundary& boundary : chart.boundaries) content += frame.boundary(boundary.x, boundary.name);
  for (const Level& level : chart.levels) content += frame.level(level.y, level.name);
  for (const Line& line : chart.lines) content += draw_line(line, frame);
  return figure_box(chart.title, svg(chart.title, content) + script(data_of(chart, frame)), legend_of(chart),
                    table_of(chart));
}

Html draw(const ScatterChart& chart) {
  std::vector<double> xs;
  std::vector<double> ys;
  for (const Dot& dot : chart.dots) {
    xs.push_back(dot.x);
    ys.push_back(dot.y);
  }
  const Frame frame({.x = range_of(xs), .y = range_of(ys), .margin = 0.04});
  Html content = frame.box(chart.x_name, chart.y_name);
  std::vector<LegendEntry> entries;
  for (std::size_t set = 0; set < chart.sets.size(); ++set) {
    const std::string colour = ramp(set, chart.sets.size());
    Html shapes;
    for (const Dot& dot : chart.dots) {
      if (dot.set != set) continue;
      shapes += element("path", {{"d", marker(static_cast<int>(set), frame.x(dot.x), frame.y(dot.y))}},
                        element("title", {}, text(dot.name)));
    }
    content += element("g", {{"data-series", chart.sets[set]}, {"style", "fill:" + colour}}, shapes);
    entries.push_back({.name = chart.sets[set],
                       .style = static_cast<int>(set),
                       .colour = colour,
                       .kind = LegendKind::marker});
  }
  return figure_box(chart.title, svg(chart.title, content), entries, {});
}

}  // namespace nagare::apps
