#pragma once
// Charts as inline SVG: axes, ticks, marks and legends are written here once, for every figure.
//
// A chart is 480 units wide whatever the screen: it is scaled as a whole, so that its text stays readable on a phone.
// Colours are classes of the style sheet (s0, s1, ...: safe for colour-blind eyes, another set in the dark); lines differ
// in dashes and points in shape as well. Under every chart: its data for the script, and its numbers as a table.
#include <string>
#include <vector>

#include "apps/report/html.h"

namespace nagare::apps {

inline constexpr double kChartWidth = 480;
inline constexpr double kChartHeight = 270;

struct Range {
  double low = 0.0;
  double high = 1.0;
};

// Of the finite values; {0, 1} when there are none; a tenth of the value to either side where all are equal.
Range range_of(const std::vector<double>& values);
Range united(Range a, Range b);
// Multiples of 1, 2 or 5 times a power of ten inside the range: about `wanted` of them.
std::vector<double> ticks(Range range, int wanted);
// As many digits as tell neighbouring ticks apart; powers of ten beyond 5 digits.
std::string tick_label(double value, double step);

struct Sample {
  double x;
  double y;  // not finite: a gap
};

// At most two samples per column of the chart, the lowest and the highest: no spike is lost.
std::vector<Sample> thinned(const std::vector<Sample>& samples, Range x, int columns);

struct Line {
  std::string name;
  std::vector<Sample> samples;
  int style = 0;            // its colour, from the style sheet
  int dash = 0;             // 0 to 3
  bool points = true;       // a mark at every sample
  std::string colour = {};  // instead of the style's: for ordered sets
};

// A vertical line: the end of a task.
struct Boundary {
  double x;
  std::string name;
};

// A horizontal line: chance level.
struct Level {
  double y;
  std::string name;
};

struct LineChart {
  std::string title;
  std::string x_name;
  std::string y_name;
  std::vector<Line> lines;
  std::vector<Boundary> boundaries = {};
  std::vector<Level> levels = {};
  bool from_zero = false;    // the y axis begins at 0
  bool logarithmic = false;  // of y; for positive values
};
Html draw(const LineChart& chart);

struct Bars {
  std::string name;
  std::vector<double> heights;  // one per category; not finite: no bar
  int style = 0;
  int dash = 0;  // 0 to 3: paler, for another seed
  std::string colour = {};
};

struct BarChart {
  std::string title;
  std::string x_name;
  std::string y_name;
  std::vector<std::string> categories;
  std::vector<Bars> sets;
  bool stacked = false;
};
Html draw(const BarChart& chart);

struct Dot {
  double x;
  double y;
  std::size_t set;   // index into ScatterChart::sets
  std::string name;  // shown when pointed at
};

struct ScatterChart {
  std::string title;
  std::string x_name;
  std::string y_name;
  std::vector<std::string> sets = {};
  std::vector<Dot> dots = {};
};
Html draw(const ScatterChart& chart);

// Row t, column i: a number from 0 to `most`, written into its cell. Not finite: an empty cell.
struct HeatMap {
  std::string title;
  std::string row_name;  // "after task"
  std::string column_name;
  std::vector<std::vector<double>> values;
  double most = 100.0;
};
Html draw(const HeatMap& map);

// Colour k of an ordered set of n: from blue over green to red, readable on light and on dark.
std::string ramp(std::size_t k, std::size_t n);

}  // namespace nagare::apps
