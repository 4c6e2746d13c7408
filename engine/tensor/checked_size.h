#pragma once
// Products of sizes that come from outside: nothing where they do not fit, instead of a small wrong number.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace nagare {

// a * b; nothing beyond 64 bits.
inline std::optional<std::uint64_t> checked_mul(std::uint64_t a, std::uint64_t b) {
  std::uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

// Bytes of an array; nothing for a negative size, and from 2^62 on, where Shape ends. A zero makes the product 0 and does
// not excuse the other sizes: 0 x 2^62 x 2^62 is nothing, in any order.
inline std::optional<std::size_t> checked_bytes(std::span<const std::int64_t> sizes, std::size_t element) {
  std::optional<std::uint64_t> bytes = element;
  bool empty = element == 0;
  for (const std::int64_t size : sizes) {
    if (size < 0) return std::nullopt;
    empty = empty || size == 0;
    if (size > 0 && bytes) bytes = checked_mul(*bytes, static_cast<std::uint64_t>(size));
    if (!bytes || *bytes >= std::uint64_t{1} << 62) return std::nullopt;
  }
  return empty ? 0 : static_cast<std::size_t>(*bytes);
}

}  // namespace nagare
