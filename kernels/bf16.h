#pragma once
// bfloat16 storage: the upper half of an IEEE float. Arithmetic happens in float; this type only loads and stores.
//
// rounding  to nearest, ties to even; NaN stays NaN (quiet), infinities and signed zeros are kept
#include <cstdint>
#include <cstring>

#include "kernels/host_device.h"

namespace nagare {

struct bf16 {
  std::uint16_t bits = 0;

  bf16() = default;
  NAGARE_HOST_DEVICE explicit bf16(float value) {
    std::uint32_t u = 0;
    std::memcpy(&u, &value, sizeof u);
    const bool is_nan = (u & 0x7fffffffU) > 0x7f800000U;
    const std::uint32_t rounded = u + 0x7fffU + ((u >> 16) & 1U);
    bits = static_cast<std::uint16_t>(is_nan ? (u >> 16) | 0x40U : rounded >> 16);
  }
  NAGARE_HOST_DEVICE explicit operator float() const {
    const std::uint32_t u = static_cast<std::uint32_t>(bits) << 16;
    float value = 0.0F;
    std::memcpy(&value, &u, sizeof value);
    return value;
  }
};
static_assert(sizeof(bf16) == 2);

// The two activation types of a kernel, written the same way whichever it is.
NAGARE_HOST_DEVICE inline float load(const float* p) { return *p; }
NAGARE_HOST_DEVICE inline float load(const bf16* p) { return static_cast<float>(*p); }
NAGARE_HOST_DEVICE inline void store(float* p, float value) { *p = value; }
NAGARE_HOST_DEVICE inline void store(bf16* p, float value) { *p = bf16(value); }

}  // namespace nagare
