#include "engine/tensor/shape.h"

#include <algorithm>
#include <stdexcept>

namespace nagare {

Shape::Shape(std::initializer_list<std::int64_t> sizes) : Shape(std::span(sizes.begin(), sizes.size())) {}

Shape::Shape(std::span<const std::int64_t> sizes) {
  if (sizes.size() > kMaxRank) {
    throw std::invalid_argument("shape: " + std::to_string(sizes.size()) + " axes, at most " +
                                std::to_string(kMaxRank) + " are supported");
  }
  rank_ = static_cast<int>(sizes.size());
  std::copy(sizes.begin(), sizes.end(), sizes_.begin());
  std::int64_t nonzero = 1;
  for (const std::int64_t size : sizes) {
    if (size < 0) throw std::invalid_argument("shape " + to_string(*this) + ": sizes must be >= 0");
    if (size > 0 && __builtin_mul_overflow(nonzero, size, &nonzero)) nonzero = INT64_MAX;
    if (nonzero >= (std::int64_t{1} << 62)) {
      throw std::invalid_argument("shape " + to_string(*this) + ": too many elements, at most 2^62");
    }
    numel_ = size == 0 || numel_ == 0 ? 0 : nonzero;
  }
}

std::int64_t Shape::operator[](int axis) const {
  const int index = axis < 0 ? axis + rank_ : axis;
  if (index < 0 || index >= rank_) {
    throw std::out_of_range("shape " + to_string(*this) + " has no axis " + std::to_string(axis));
  }
  return sizes_[static_cast<std::size_t>(index)];
}

std::int64_t Shape::rows() const {
  if (rank_ == 0) return 1;
  return back() == 0 ? 0 : numel_ / back();
}

bool Shape::operator==(const Shape& other) const { return std::ranges::equal(sizes(), other.sizes()); }

std::string to_string(const Shape& shape) {
  std::string text = "(";
  for (const std::int64_t size : shape.sizes()) text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + ")";
}

}  // namespace nagare
