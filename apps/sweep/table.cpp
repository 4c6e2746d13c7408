#include "apps/sweep/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/device/errors.h"

namespace nagare::apps {
namespace {

using Texts = std::vector<std::string>;

struct Metric {
  const char* name;
  double CellResult::*value;
  bool lower_is_better;
};
constexpr Metric kMetrics[] = {{"final %", &CellResult::final_accuracy, false},
                               {"average %", &CellResult::average_accuracy, false},
                               {"forgetting", &CellResult::forgetting, true}};

enum class Use { row, group, averaged };

Use use_of(const Axis& axis) {
  if (axis.key == "seed") return Use::averaged;
  return axis.key == "data" || axis.key == "stream" ? Use::group : Use::row;
}

Texts values_of(const std::vector<Axis>& axes, const CellResult& result, Use use) {
  Texts values;
  for (std::size_t a = 0; a < axes.size(); ++a) {
    if (use_of(axes[a]) == use) values.push_back(result.values.at(a));
  }
  return values;
}

std::size_t place_in(std::vector<Texts>& list, const Texts& wanted) {
  const auto found = std::ranges::find(list, wanted);
  if (found != list.end()) return static_cast<std::size_t>(found - list.begin());
  list.push_back(wanted);
  return list.size() - 1;
}

std::string joined(const Texts& words, const std::string& between) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : between) + word;
  return text;
}

// The best mean of every column; NaN for an empty one.
std::vector<double> best_of(const ResultTable& table) {
  std::vector<double> best(table.columns.size(), NAN);
  for (const ResultTable::Row& row : table.rows) {
    for (std::size_t c = 0; c < best.size(); ++c) {
      const double mean = row.cells[c].mean;
      const bool better = table.lower_is_better[c] ? mean < best[c] : mean > best[c];
      if (std::isnan(best[c]) || better) best[c] = std::isnan(mean) ? best[c] : mean;
    }
  }
  return best;
}

std::string replaced(std::string text, const std::vector<std::pair<char, std::string>>& replacements) {
  std::string result;
  for (const char c : text) {
    const auto found = std::ranges::find(replacements, c, &std::pair<char, std::string>::first);
    if (found == replacements.end()) {
      result += c;
    } else {
      result += found->second;
    }
  }
  return result;
}

std::string in_markdown(const std::string& text) { return replaced(text, {{'|', "\\|"}, {'\n', " "}}); }

std::string in_csv(const std::string& text) { return "\"" + replaced(text, {{'"', "\"\""}}) + "\""; }

std::string in_latex(const std::string& text) {
  return replaced(text, {{'\\', "\\textbackslash{}"},
                         {'_', "\\_"},
                         {'%', "\\%"},
                         {'&', "\\&"},
                         {'#', "\\#"},
                         {'$', "\\$"},
                         {'{', "\\{"},
                         {'}', "\\}"},
                         {'~', "\\textasciitilde{}"},
                         {'^', "\\textasciicircum{}"}});
}

std::string markdown(const ResultTable& table) {
  std::string text = "|";
  std::string rule = "|";
  for (const std::string& axis : table.axes) {
    text += " " + in_markdown(axis) + " |";
    rule += "---|";
  }
  for (const std::string& column : table.columns) {
    text += " " + in_markdown(column) + " |";
    rule += "---:|";
  }
  text += "\n" + rule + "\n";
  const std::vector<double> best = best_of(table);
  for (const ResultTable::Row& row : table.rows) {
    text += "|";
    for (const std::string& label : row.labels) text += " " + in_markdown(label) + " |";
    for (std::size_t c = 0; c < row.cells.size(); ++c) {
      const std::string cell = mean_text(row.cells[c]);
      text += row.cells[c].mean == best[c] ? " **" + cell + "** |" : " " + cell + " |";
    }
    text += "\n";
  }
  return text;
}

std::string csv_number(double value) { return std::isfinite(value) ? fmt::format("{:.6g}", value) : ""; }

std::string csv(const ResultTable& table) {
  Texts heading;
  for (const std::string& axis : table.axes) heading.push_back(in_csv(axis));
  for (const std::string& column : table.columns) {
    for (const char* part : {"", " std", " n"}) heading.push_back(in_csv(column + part));
  }
  std::string text = joined(heading, ",") + "\n";
  for (const ResultTable::Row& row : table.rows) {
    Texts line;
    for (const std::string& label : row.labels) line.push_back(in_csv(label));
    for (const MeanAndDeviation& cell : row.cells) {
      line.push_back(csv_number(cell.mean));
      line.push_back(csv_number(cell.deviation));
      line.push_back(std::to_string(cell.count));
    }
    // Not joined(): an empty field keeps its comma.
    for (std::size_t i = 0; i < line.size(); ++i) text += (i == 0 ? "" : ",") + line[i];
    text += "\n";
  }
  return text;
}

std::string latex(const ResultTable& table) {
  std::string text = "\\begin{tabular}{" + std::string(table.axes.size(), 'l') +
                     std::string(table.columns.size(), 'r') + "}\n\\toprule\n";
  Texts heading;
  for (const std::string& name : table.axes) heading.push_back(in_latex(name));
  for (const std::string& name : table.columns) heading.push_back(in_latex(name));
  text += joined(heading, " & ") + " \\\\\n\\midrule\n";
  const std::vector<double> best = best_of(table);
  for (const ResultTable::Row& row : table.rows) {
    Texts line;
    for (const std::string& label : row.labels) line.push_back(in_latex(label));
    for (std::size_t c = 0; c < row.cells.size(); ++c) {
      const MeanAndDeviation& cell = row.cells[c];
      std::string number = cell.count == 0 ? "-" : fmt::format("{:.2f}", cell.mean);
      if (cell.mean == best[c]) number = "\\textbf{" + number + "}";
      if (cell.count > 1) number += fmt::format(" $\\pm$ {:.2f}", cell.deviation);
      line.push_back(number);
    }
    text += joined(line, " & ") + " \\\\\n";
  }
  return text + "\\bottomrule\n\\end{tabular}\n";
}

}  // namespace

ResultTable make_table(const std::vector<Axis>& axes, const std::vector<CellResult>& results) {
  std::vector<Texts> rows;
  std::vector<Texts> groups;
  for (const CellResult& result : results) {
    place_in(rows, values_of(axes, result, Use::row));
    place_in(groups, values_of(axes, result, Use::group));
  }
  ResultTable table;
  for (const Axis& axis : axes) {
    if (use_of(axis) == Use::row) table.axes.emplace_back(short_form(axis.key));
  }
  for (const Texts& group : groups) {
    for (const Metric& metric : kMetrics) {
      table.columns.push_back(group.empty() ? metric.name : joined(group, ", ") + ": " + metric.name);
      table.lower_is_better.push_back(metric.lower_is_better);
    }
  }
  for (const Texts& labels : rows) {
    ResultTable::Row row{.labels = labels, .cells = {}};
    for (const Texts& group : groups) {
      for (const Metric& metric : kMetrics) {
        std::vector<double> seeds;
        for (const CellResult& result : results) {
          const bool here =
              values_of(axes, result, Use::row) == labels && values_of(axes, result, Use::group) == group;
          if (here) seeds.push_back(result.*metric.value);
        }
        row.cells.push_back(summarize_values(seeds));
      }
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

std::string format_table(const ResultTable& table, const std::string& format) {
  if (format == "markdown") return markdown(table);
  if (format == "csv") return csv(table);
  if (format == "latex") return latex(table);
  throw BadConfig("--format " + format + ": need markdown, csv or latex");
}

}  // namespace nagare::apps
