#pragma once
// Element types of a Tensor, and the step from a run-time DType to a compile-time type.
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "kernels/bf16.h"

namespace nagare {

enum class DType : std::uint8_t { f32, bf16, f64, i64, u8 };

constexpr std::size_t size_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return 4;
    case DType::bf16:
      return 2;
    case DType::f64:
    case DType::i64:
      return 8;
    case DType::u8:
      return 1;
  }
  return 0;
}

constexpr const char* to_string(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return "f32";
    case DType::bf16:
      return "bf16";
    case DType::f64:
      return "f64";
    case DType::i64:
      return "i64";
    case DType::u8:
      return "u8";
  }
  return "?";
}

template <class T>
inline constexpr DType kDTypeOf = [] { static_assert(sizeof(T) == 0, "not an element type"); }();
template <>
inline constexpr DType kDTypeOf<float> = DType::f32;
template <>
inline constexpr DType kDTypeOf<nagare::bf16> = DType::bf16;
template <>
inline constexpr DType kDTypeOf<double> = DType::f64;
template <>
inline constexpr DType kDTypeOf<std::int64_t> = DType::i64;
template <>
inline constexpr DType kDTypeOf<std::uint8_t> = DType::u8;

// body(T{}) with T = float or bf16; `who` names the caller in the error for any other type.
template <class Body>
decltype(auto) for_activation_type(const char* who, DType dtype, const Body& body) {
  if (dtype == DType::f32) return body(float{});
  if (dtype == DType::bf16) return body(nagare::bf16{});
  throw std::invalid_argument(std::string(who) + ": element type " + to_string(dtype) + ", need f32 or bf16");
}

}  // namespace nagare
