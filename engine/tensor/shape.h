#pragma once
// The sizes of a tensor, outermost first: (N, H, W, C) for images, (rows, cols) for matrices, () for a scalar.
#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

namespace nagare {

class Shape {
 public:
  static constexpr int kMaxRank = 6;

  Shape() = default;
  // Sizes >= 0, at most 6 of them, product below 2^62; std::invalid_argument otherwise.
  Shape(std::initializer_list<std::int64_t> sizes);
  explicit Shape(std::span<const std::int64_t> sizes);

  int rank() const { return rank_; }
  // axis may be negative: -1 is the last. std::out_of_range when there is no such axis.
  std::int64_t operator[](int axis) const;
  std::int64_t back() const { return (*this)[-1]; }
  // Elements; 1 for a scalar.
  std::int64_t numel() const { return numel_; }
  // Elements / back(): the rows of the tensor seen as a matrix. 0 for an empty last axis, 1 for a scalar.
  std::int64_t rows() const;
  std::span<const std::int64_t> sizes() const { return {sizes_.data(), static_cast<std::size_t>(rank_)}; }

  bool operator==(const Shape& other) const;

 private:
  std::array<std::int64_t, kMaxRank> sizes_{};
  std::int64_t numel_ = 1;
  int rank_ = 0;
};

// "(32, 3, 3, 16)"
std::string to_string(const Shape& shape);

}  // namespace nagare
