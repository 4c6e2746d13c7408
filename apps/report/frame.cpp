#include "apps/report/frame.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace nagare::apps {
namespace {

Range widened(Range range, double share) {
  const double more = (range.high - range.low) * share;
  return {range.low - more, range.high + more};
}

// To the ticks around it.
Range rounded(Range range, int wanted) {
  const std::vector<double> inside = ticks(range, wanted);
  if (inside.size() < 2) return range;
  const double step = inside[1] - inside[0];
  return {std::floor(range.low / step + 1e-9) * step, std::ceil(range.high / step - 1e-9) * step};
}

Range decades(Range range) {
  const double low = std::floor(std::log10(range.low));
  return {low, std::max(low + 1, std::ceil(std::log10(range.high)))};
}

Html line_between(double x1, double y1, double x2, double y2, const std::string& css_class) {
  return element("line", {{"x1", number(x1, 1)},
                          {"y1", number(y1, 1)},
                          {"x2", number(x2, 1)},
                          {"y2", number(y2, 1)},
                          {"class", css_class}});
}

Html swatch(const LegendEntry& entry) {
  const std::string css_class = fmt::format("s{} d{}", entry.style, entry.dash);
  const std::string colour = entry.colour;
  Html shape;
  if (entry.kind == LegendKind::line) {
    Attributes attributes = {{"d", "M0 6L26 6"}, {"class", "line " + css_class}};
    if (!colour.empty()) attributes.emplace_back("style", "stroke:" + colour);
    shape = element("path", attributes);
  } else {
    Attributes attributes = {
        {"d", entry.kind == LegendKind::box ? "M7 0H19V12H7Z" : marker(entry.style, 13, 6)},
        {"class", entry.kind == LegendKind::box ? "bar " + css_class : css_class}};
    if (!colour.empty()) attributes.emplace_back("style", "fill:" + colour);
    shape = element("path", attributes);
  }
  return element("svg", {{"viewBox", "0 0 26 12"}, {"class", "swatch"}, {"aria-hidden", "true"}}, shape);
}

}  // namespace

Range range_of(const std::vector<double>& values) {
  Range range{INFINITY, -INFINITY};
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    range = {std::min(range.low, value), std::max(range.high, value)};
  }
  if (!(range.low <= range.high)) return {};
  if (range.low == range.high) {
    const double share = range.low == 0 ? 1.0 : std::fabs(range.low) / 10;
    return {range.low - share, range.high + share};
  }
  return range;
}

Range united(Range a, Range b) { return {std::min(a.low, b.low), std::max(a.high, b.high)}; }

std::vector<double> ticks(Range range, int wanted) {
  const double rough = (range.high - range.low) / std::max(1, wanted);
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  const double share = rough / power;
  const double step = power * (share < 1.5 ? 1 : share < 3.5 ? 2 : share < 7.5 ? 5 : 10);
  std::vector<double> values;
  const double first = std::ceil(range.low / step - 1e-9);
  // Counted: a range so narrow beside its numbers that k + 1 = k has no end of its own.
  for (int i = 0; i <= 10 * std::max(1, wanted); ++i) {
    const double value = (first + i) * step;
    if (!(value <= range.high + step * 1e-9)) break;
    values.push_back(value);
  }
  return values;
}

std::string tick_label(double value, double step) {
  const double largest = std::max(std::fabs(value), step);
  if (largest >= 1e6 || step < 1e-4) return fmt::format("{:.1e}", value);
  if (largest >= 1e4 && std::fmod(std::fabs(value), 1000.0) < 1e-6) return number(value / 1000) + "k";
  return number(value, std::clamp(static_cast<int>(std::ceil(-std::log10(step) - 1e-9)), 0, 6));
}

Frame::Frame(const FrameOptions& options) : options_(options), bottom_(options.height - 40) {
  options_.x = widened(options.x, options.margin);
  options_.y = options.logarithmic  ? decades(options.y)
               : options.margin > 0 ? widened(options.y, options.margin)
                                    : rounded(options.y, 5);
}

double Frame::x(double value) const {
  return left_ + (right_ - left_) * (value - options_.x.low) / (options_.x.high - options_.x.low);
}

double Frame::y(double value) const {
  const double place = options_.logarithmic ? std::log10(value) : value;
  return bottom_ - (bottom_ - top_) * (place - options_.y.low) / (options_.y.high - options_.y.low);
}

Html Frame::y_grid(const std::string& y_name) const {
  Html grid = label(left_ - 46, 11, y_name, "start", "axis");
  const std::vector<double> values = ticks(options_.y, 5);
  const double step = values.size() > 1 ? values[1] - values[0] : 1.0;
  for (const double value : values) {
    if (options_.logarithmic && value != std::floor(value)) continue;
    const double at = options_.logarithmic ? std::pow(10.0, value) : value;
    grid += line_between(left_, y(at), right_, y(at), "grid");
    grid += label(left_ - 6, y(at) + 4,
                  options_.logarithmic ? fmt::format("{:g}", at) : tick_label(value, step), "end");
  }
  return grid;
}

Html Frame::x_title(const std::string& name) const {
  return label(right_, bottom_ + 34, name, "end", "axis");
}

Html Frame::category(double x, const std::string& name) const {
  return label(x, bottom_ + 16, name, "middle");
}

Html Frame::grid(const std::string& x_name, const std::string& y_name) const {
  Html grid = y_grid(y_name) + x_title(x_name);
  const std::vector<double> values = ticks(options_.x, 6);
  const double step = values.size() > 1 ? values[1] - values[0] : 1.0;
  for (const double value : values) {
    grid += line_between(x(value), bottom_, x(value), bottom_ + 4, "tick");
    grid += label(x(value), bottom_ + 16, tick_label(value, step), "middle");
  }
  return grid + line_between(left_, bottom_, right_, bottom_, "tick");
}

Html Frame::box(const std::string& x_name, const std::string& y_name) const {
  return element("rect", {{"x", number(left_ - 44)},
                          {"y", number(top_ - 4)},
                          {"width", number(right_ - left_ + 44)},
                          {"height", number(bottom_ - top_ + 12)},
                          {"class", "border"}}) +
         label(left_ - 44, 11, y_name, "start", "axis") + label(right_, bottom_ + 26, x_name, "end", "axis");
}

Html Frame::boundary(double at, const std::string& name) const {
  return line_between(x(at), top_, x(at), bottom_, "boundary") +
         label(x(at) - 3, top_ - 4, name, "end", "mark");
}

Html Frame::level(double at, const std::string& name) const {
  return line_between(left_, y(at), right_, y(at), "level") +
         label(right_ - 2, y(at) - 4, name, "end", "mark");
}

Html label(double x, double y, std::string_view words, std::string_view anchor, std::string_view css_class) {
  Attributes attributes = {{"x", number(x, 1)}, {"y", number(y, 1)}, {"text-anchor", std::string(anchor)}};
  if (!css_class.empty()) attributes.emplace_back("class", std::string(css_class));
  return element("text", attributes, text(words));
}

Html svg(const std::string& title, const Html& content, double height) {
  return element("svg",
                 {{"viewBox", fmt::format("0 0 {} {}", number(kChartWidth), number(height))},
                  {"role", "img"},
                  {"tabindex", "0"},
                  {"aria-label", title}},
                 content);
}

Html figure_box(const std::string& title, const Html& chart, const std::vector<LegendEntry>& legend,
                const std::vector<std::vector<std::string>>& table) {
  Html body = element("h3", {}, text(title)) + chart;
  if (legend.size() > 1) {
    Html entries;
    for (const LegendEntry& entry : legend) {
      entries +=
          element("button", {{"type", "button"}, {"aria-pressed", "true"}, {"data-toggle", entry.name}},
                  swatch(entry) + text(entry.name));
    }
    body += element("div", {{"class", "legend"}}, entries);
  }
  if (table.size() > 1) body += numbers(table);
  return element("div", {{"class", "chart"}}, body);
}

std::string marker(int kind, double x, double y) {
  switch (kind % 4) {
    case 0:
      return fmt::format("M{} {}a3 3 0 1 0 6 0a3 3 0 1 0 -6 0z", number(x - 3, 1), number(y, 1));
    case 1:
      return fmt::format("M{} {}h5v5h-5z", number(x - 2.5, 1), number(y - 2.5, 1));
    case 2:
      return fmt::format("M{} {}l3.5 6h-7z", number(x, 1), number(y - 3.5, 1));
    default:
      return fmt::format("M{} {}l3.5 3.5l-3.5 3.5l-3.5 -3.5z", number(x, 1), number(y - 3.5, 1));
  }
}

std::string ramp(std::size_t k, std::size_t n) {
  using Colour = std::array<double, 3>;
  constexpr std::array<Colour, 6> kStops = {
      {{59, 111, 182}, {38, 157, 165}, {92, 168, 82}, {205, 160, 44}, {214, 96, 60}, {166, 76, 146}}};
  const double place =
      n > 1 ? static_cast<double>(k) / static_cast<double>(n - 1) * (kStops.size() - 1) : 0.0;
  const auto below = std::min(static_cast<std::size_t>(place), kStops.size() - 2);
  const double share = place - static_cast<double>(below);
  std::string hex = "#";
  for (std::size_t c = 0; c < 3; ++c) {
    const double value = kStops[below][c] * (1 - share) + kStops[below + 1][c] * share;
    hex += fmt::format("{:02x}", static_cast<int>(std::lround(value)));
  }
  return hex;
}

}  // namespace nagare::apps
