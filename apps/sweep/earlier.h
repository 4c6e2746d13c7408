#pragma once
// The sweep that a directory holds already. A later one may add cells to its table, and drops none.
#include <vector>

#include "apps/sweep/grid.h"
#include "engine/io/file.h"

namespace nagare::apps {

// `cells` are those of the grid. Fine where OUT/sweep.json is not there, and of cells that were skipped: no table has them.
// errors  BadConfig: the earlier sweep has a cell that the grid lacks; names the first difference. BadData: sweep.json is
//         damaged
void check_keeps_earlier(const Grid& grid, const std::vector<Cell>& cells, const io::Path& out);

}  // namespace nagare::apps
