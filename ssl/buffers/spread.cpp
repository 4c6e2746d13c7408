#include "ssl/buffers/spread.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>

namespace nagare::ssl {
namespace {

// Rows with the box that they fill.
struct Part {
  std::vector<std::int64_t> rows;
  std::vector<float> low;
  std::vector<float> high;
  std::size_t widest = 0;  // coordinate
  float range = 0.0F;      // of it
};

class Parting {
 public:
  Parting(std::vector<float> values, std::size_t dim) : values_(std::move(values)), dim_(dim) {}

  Part part_of(std::vector<std::int64_t> rows) const {
    Part part{.rows = std::move(rows),
              .low = std::vector<float>(dim_, std::numeric_limits<float>::infinity()),
              .high = std::vector<float>(dim_, -std::numeric_limits<float>::infinity())};
    for (const std::int64_t row : part.rows) {
      for (std::size_t d = 0; d < dim_; ++d) {
        part.low[d] = std::min(part.low[d], at(row, d));
        part.high[d] = std::max(part.high[d], at(row, d));
      }
    }
    for (std::size_t d = 0; d < dim_; ++d) {
      if (part.high[d] - part.low[d] > part.range) {
        part.range = part.high[d] - part.low[d];
        part.widest = d;
      }
    }
    return part;
  }

  // Of a part with two rows or more. Equal rows: the first goes alone.
  std::pair<Part, Part> cut(const Part& part) const {
    const float middle = part.low[part.widest] + 0.5F * part.range;
    std::vector<std::int64_t> below;
    std::vector<std::int64_t> above;
    for (const std::int64_t row : part.rows) {
      const bool first = part.range > 0.0F
                             ? at(row, part.widest) <= middle && at(row, part.widest) < part.high[part.widest]
                             : row == part.rows.front();
      (first ? below : above).push_back(row);
    }
    return {part_of(std::move(below)), part_of(std::move(above))};
  }

  std::int64_t central(const Part& part) const {
    std::int64_t best = part.rows.front();
    double least = std::numeric_limits<double>::infinity();
    for (const std::int64_t row : part.rows) {
      double distance = 0.0;
      for (std::size_t d = 0; d < dim_; ++d) {
        const double off = at(row, d) - 0.5 * (static_cast<double>(part.low[d]) + part.high[d]);
        distance += off * off;
      }
      if (distance < least) {
        least = distance;
        best = row;
      }
    }
    return best;
  }

 private:
  float at(std::int64_t row, std::size_t d) const {
    return values_[static_cast<std::size_t>(row) * dim_ + d];
  }

  std::vector<float> values_;
  std::size_t dim_;
};

}  // namespace

std::vector<std::int64_t> spread_rows(const Tensor& rows, std::int64_t count) {
  if (rows.shape().rank() != 2 || rows.numel() == 0 || count < 1) {
    throw std::invalid_argument("spread_rows: " + std::to_string(count) + " of the rows " +
                                to_string(rows.shape()) + ": need at least 1 of (N, D)");
  }
  std::vector<std::int64_t> all(static_cast<std::size_t>(rows.shape()[0]));
  std::iota(all.begin(), all.end(), 0);
  if (count >= rows.shape()[0]) return all;
  const Parting parting(rows.to_vector<float>(), static_cast<std::size_t>(rows.shape()[1]));
  std::vector<Part> parts{parting.part_of(std::move(all))};
  while (static_cast<std::int64_t>(parts.size()) < count) {
    const auto widest = std::ranges::max_element(parts, [](const Part& a, const Part& b) {
      const bool single_a = a.rows.size() < 2;
      const bool single_b = b.rows.size() < 2;
      return single_a != single_b ? single_a : a.range < b.range;
    });
    auto [below, above] = parting.cut(*widest);
    *widest = std::move(below);
    parts.push_back(std::move(above));
  }
  std::vector<std::int64_t> chosen;
  for (const Part& part : parts) chosen.push_back(parting.central(part));
  std::ranges::sort(chosen);
  return chosen;
}

}  // namespace nagare::ssl
