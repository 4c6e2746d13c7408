#include "apps/sweep/grid.h"

#include <algorithm>
#include <set>

#include "apps/toml_file.h"
#include "engine/device/errors.h"
#include "engine/io/file.h"
#include "engine/text/printable.h"

namespace nagare::apps {
namespace {

constexpr std::size_t kMostCells = 100'000;
constexpr std::size_t kLongestPart = 48;  // characters of a value in a name

// The row of an option that may vary, or BadConfig.
const OptionRow& trainable(const std::string& key, const std::string& origin) {
  const OptionRow* row = find_option(key);
  const bool own = row != nullptr && (row->commands & kTrain) == 0;
  if (row == nullptr || own || row->key == "out" || row->key == "resume" || row->key == "profile") {
    throw BadConfig(origin + ": " + printable(key) +
                    " cannot vary in a sweep: need an option of nagare train; see nagare list options");
  }
  return *row;
}

// Options of a method keep their whole key; others get the long form of theirs.
std::string long_key(const std::string& key, const std::string& origin) {
  const OptionRow& row = trainable(key, origin);
  Options unused;
  return std::holds_alternative<FreeOptions*>(row.field(unused)) ? key : std::string(row.key);
}

bool has_axis(const Grid& grid, const std::string& key) {
  return std::ranges::find(grid.axes, key, &Axis::key) != grid.axes.end();
}

void add_axis(Grid& grid, const std::string& key, const std::vector<std::string>& values,
              const std::string& origin) {
  if (values.empty()) throw BadConfig(origin + ": the axis " + printable(key) + " has no values");
  if (has_axis(grid, key)) throw BadConfig(origin + ": the axis " + printable(key) + " is given twice");
  if (std::set<std::string>(values.begin(), values.end()).size() != values.size()) {
    throw BadConfig(origin + ": the axis " + printable(key) + " has a value twice");
  }
  grid.axes.push_back({.key = key, .values = values});
}

// "KEY=A,B,C"
void add_axis(Grid& grid, const std::string& text) {
  const std::string origin = "--axis " + printable(text);
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) throw BadConfig(origin + ": need KEY=VALUE,VALUE,...");
  std::vector<std::string> values;
  for (std::size_t begin = equals + 1; begin <= text.size() && equals + 1 < text.size();) {
    const std::size_t comma = std::min(text.find(',', begin), text.size());
    if (comma == begin) throw BadConfig(origin + ": a value is empty: need KEY=VALUE,VALUE,...");
    values.push_back(text.substr(begin, comma - begin));
    begin = comma + 1;
  }
  add_axis(grid, long_key(text.substr(0, equals), origin), values, origin);
}

void add_file(Grid& grid, const std::string& path) {
  std::string content;
  try {
    content = io::read_text(path, kMaxTomlBytes);
  } catch (const BadData& error) {
    throw BadConfig(error.what());
  }
  for (const TomlEntry& entry : parse_toml(content, path)) {
    const std::string origin = path + ":" + std::to_string(entry.line);
    const std::string key = long_key(entry.key, origin);
    const bool by_flag = std::ranges::find(grid.shared, key, &FlagValue::key) != grid.shared.end();
    if (by_flag || has_axis(grid, key)) continue;  // a flag outweighs the file
    if (entry.is_array) {
      add_axis(grid, key, entry.items, origin);
    } else {
      grid.shared.push_back({.key = key, .text = entry.value});
    }
  }
}

// What a value looks like in a directory's name.
std::string part_of(const std::string& key, const std::string& value) {
  std::string part;
  if (key != "method.name" && key != "strategy.name" && key != "preset") {
    const std::string_view short_key = short_form(key);
    part = short_key.substr(short_key.rfind('.') + 1);
  }
  part += value.substr(0, kLongestPart);
  for (char& c : part) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-' || c == '+';
    if (!plain) c = '-';
  }
  return part;
}

}  // namespace

Grid read_grid(const Settings& settings) {
  const Options& options = settings.options();
  Grid grid;
  for (const auto& [key, text] : settings.training_flags()) grid.shared.push_back({.key = key, .text = text});
  for (const std::string& text : options.axes) add_axis(grid, text);
  for (const FlagValue& flag : grid.shared) {
    if (has_axis(grid, flag.key)) throw BadConfig("--" + flag.key + " is an axis and an option at once");
  }
  if (!options.grid.empty()) add_file(grid, options.grid);
  if (grid.axes.empty()) {
    throw BadConfig("sweep: there is no axis: give --axis KEY=A,B or a file with an array of values");
  }
  return grid;
}

std::vector<Cell> cells_of(const Grid& grid) {
  std::size_t count = 1;
  for (const Axis& axis : grid.axes) {
    count *= axis.values.size();
    if (count > kMostCells) throw BadConfig("sweep: more than " + std::to_string(kMostCells) + " cells");
  }
  std::vector<Cell> cells;
  std::set<std::string> names;
  for (std::size_t index = 0; index < count; ++index) {
    Cell cell{.name = "", .values = std::vector<std::string>(grid.axes.size()), .flags = grid.shared};
    std::size_t rest = index;
    for (std::size_t a = grid.axes.size(); a-- > 0;) {
      const std::vector<std::string>& values = grid.axes[a].values;
      cell.values[a] = values[rest % values.size()];
      rest /= values.size();
    }
    for (std::size_t a = 0; a < grid.axes.size(); ++a) {
      cell.flags.push_back({.key = grid.axes[a].key, .text = cell.values[a]});
      cell.name += (a == 0 ? "" : "_") + part_of(grid.axes[a].key, cell.values[a]);
    }
    // Values that differ only in what a name cannot hold.
    const std::string plain = cell.name;
    for (int copy = 2; !names.insert(cell.name).second; ++copy)
      cell.name = plain + "~" + std::to_string(copy);
    cells.push_back(std::move(cell));
  }
  return cells;
}

}  // namespace nagare::apps
