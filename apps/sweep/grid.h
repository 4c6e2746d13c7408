#pragma once
// The grid of a sweep: options that all its runs share, and axes, whose every combination is a cell.
//
//   command line   nagare sweep --axis method=simsiam,emp-ssl --axis seed=1,2,3 --epochs 2
//   file           any options of nagare train as TOML; an array of values is an axis. Flags outweigh it
//
// errors  BadConfig: an axis without values or of an option that cannot be one, an option given twice, two cells that are
//         the same
#include <string>
#include <vector>

#include "apps/cli.h"
#include "apps/settings.h"

namespace nagare::apps {

struct Axis {
  std::string key;  // long form: "method.name"
  std::vector<std::string> values;
};

struct Grid {
  std::vector<FlagValue> shared;
  std::vector<Axis> axes;  // in the order given; the last one varies fastest
};

struct Cell {
  std::string name;                 // of its run directory: "simsiam_er_seed1"
  std::vector<std::string> values;  // of the axes
  std::vector<FlagValue> flags;     // everything that makes it, shared options included
};

// From the flags of `nagare sweep` and its grid file, if any.
Grid read_grid(const Settings& settings);
std::vector<Cell> cells_of(const Grid& grid);

}  // namespace nagare::apps
