#pragma once
// What the charts share: from values to places, grid and labels, legends, the box around a chart.
#include <optional>
#include <string>
#include <vector>

#include "apps/report/chart.h"

namespace nagare::apps {

struct FrameOptions {
  Range x;
  Range y;
  bool logarithmic = false;  // y
  double margin = 0.0;       // added to every side, as a share of the range
  double height = kChartHeight;
};

class Frame {
 public:
  explicit Frame(const FrameOptions& options);

  double x(double value) const;
  double y(double value) const;
  double width() const { return right_ - left_; }
  Range x_range() const { return options_.x; }
  bool logarithmic() const { return options_.logarithmic; }

  // Lines and labels of both axes.
  Html grid(const std::string& x_name, const std::string& y_name) const;
  // Those of y alone: x has categories.
  Html y_grid(const std::string& y_name) const;
  Html category(double x, const std::string& name) const;
  Html x_title(const std::string& name) const;
  // Only the border: coordinates that mean nothing by themselves.
  Html box(const std::string& x_name, const std::string& y_name) const;
  Html boundary(double x, const std::string& name) const;
  Html level(double y, const std::string& name) const;

 private:
  FrameOptions options_;
  double left_ = 52;
  double right_ = kChartWidth - 10;
  double top_ = 34;
  double bottom_;
};

enum class LegendKind { line, box, marker };
struct LegendEntry {
  std::string name;
  int style = 0;
  int dash = 0;
  std::string colour = {};
  LegendKind kind = LegendKind::line;
};

Html svg(const std::string& title, const Html& content, double height = kChartHeight);
// A text inside an SVG; anchor: start, middle, end.
Html label(double x, double y, std::string_view words, std::string_view anchor,
           std::string_view css_class = "");
// Title, chart, legend (none for a single entry), numbers.
Html figure_box(const std::string& title, const Html& chart, const std::vector<LegendEntry>& legend,
                const std::vector<std::vector<std::string>>& table);
// A shape around a point as path data; kinds repeat after four.
std::string marker(int kind, double x, double y);

}  // namespace nagare::apps
