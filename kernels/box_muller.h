#pragma once
// Two random words to two standard normal values (Box and Muller), shared by the twins of kernels/philox_fill.h.
//
//   z0 = r cos a,  z1 = r sin a,   r = sqrt(-2 ln u),  u = 1 - k0 / 2^24,  a = 2 pi k1 / 2^24,  k = word >> 8
//
// ln, sin and cos are polynomials, without branches or tables: a loop over words becomes vector code, and every device
// gets the same bits as long as no multiplication is fused with an addition.
//
// accuracy  |z - exact| <= 1e-6
// source    polynomials: Moshier, Cephes (logf, sinf, cosf)
#include <bit>
#include <cmath>
#include <cstdint>

#include "kernels/host_device.h"

namespace nagare::kernels {

struct NormalPair {
  float z0;
  float z1;
};

// ln(n / 2^24) for n in [1, 2^24]: n / 2^24 = 2^e m with m in [sqrt(1/2), sqrt(2)), ln m by a polynomial in m - 1.
NAGARE_HOST_DEVICE NAGARE_FORCE_INLINE float log_of_fraction(std::int32_t n) {
  constexpr std::int32_t kRootHalf = 0x3f3504f3;
  const auto bits = std::bit_cast<std::int32_t>(static_cast<float>(n));
  const std::int32_t exponent = (bits - kRootHalf) >> 23;
  const float x = std::bit_cast<float>(bits - exponent * (1 << 23)) - 1.0F;
  const auto e = static_cast<float>(exponent - 24);
  const float square = x * x;
  float y = 7.0376836292e-2F * x - 1.1514610310e-1F;
  y = y * x + 1.1676998740e-1F;
  y = y * x - 1.2420140846e-1F;
  y = y * x + 1.4249322787e-1F;
  y = y * x - 1.6668057665e-1F;
  y = y * x + 2.0000714765e-1F;
  y = y * x - 2.4999993993e-1F;
  y = y * x + 3.3333331174e-1F;
  y = y * x * square - 2.12194440e-4F * e - 0.5F * square;
  return x + y + 0.693359375F * e;
}

NAGARE_HOST_DEVICE NAGARE_FORCE_INLINE NormalPair box_muller(std::uint32_t word0, std::uint32_t word1) {
  const float radius = std::sqrt(-2.0F * log_of_fraction((1 << 24) - static_cast<std::int32_t>(word0 >> 8)));
  // The turn in quarters: the nearest quarter, and what remains of it, in [-1/2, 1/2], in units of 2^-22.
  const auto turn = static_cast<std::int32_t>(word1 >> 8);
  const std::int32_t quarter = (turn + (1 << 21)) >> 22;
  const float angle = static_cast<float>(turn - quarter * (1 << 22)) * 3.7450702e-7F;  // pi / 2 * 2^-22
  const float square = angle * angle;
  const float sine =
      ((-1.9515295891e-4F * square + 8.3321608736e-3F) * square - 1.6666654611e-1F) * square * angle + angle;
  const float cosine =
      ((2.443315711809948e-5F * square - 1.388731625493765e-3F) * square + 4.166664568298827e-2F) * square *
          square -
      0.5F * square + 1.0F;
  const bool swapped = (quarter & 1) != 0;
  const float x = swapped ? sine : cosine;  // of the angle beyond the quarter, up to the sign
  const float y = swapped ? cosine : sine;
  const float signed_radius = (quarter & 2) != 0 ? -radius : radius;
  return {((quarter & 1) != 0 ? -signed_radius : signed_radius) * x, signed_radius * y};
}

}  // namespace nagare::kernels
