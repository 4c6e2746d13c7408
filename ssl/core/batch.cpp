#include "ssl/core/batch.h"

#include <stdexcept>

#include "engine/ops/shape_ops.h"

namespace nagare::ssl {

Tensor ViewRows::all() const { return blocks.size() == 1 ? blocks.front() : concat(blocks, 0); }

Tensor ViewRows::view(std::int64_t v, std::int64_t views) const {
  if (v < 0 || v >= views) {
    throw std::invalid_argument("view rows: view " + std::to_string(v) + " of " + std::to_string(views));
  }
  if (static_cast<std::int64_t>(blocks.size()) == views) return blocks[static_cast<std::size_t>(v)];
  const Tensor rows = all();
  const std::int64_t batch = rows.shape()[0] / views;
  return slice(rows, 0, v * batch, batch);
}

}  // namespace nagare::ssl
