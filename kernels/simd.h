#pragma once
// NAGARE_SIMD compiles a plain loop for several vector widths; the processor's best is chosen when the
// program starts. Put it on a small function without lambdas or OpenMP inside (those would be compiled for
// the baseline only), and call that function from parallel_for. -ffp-contract=off makes all of them give the
// same bits, as long as the order of additions is written out.
#include <cstdint>
#include <cstring>

#include "kernels/bf16.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define NAGARE_SIMD __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define NAGARE_SIMD
#endif

namespace nagare::simd {

// Sixteen floats that stay in registers whatever the width of the processor's own: for loops whose
// accumulators the compiler would otherwise keep in memory. Everything is inlined into the NAGARE_SIMD
// function that uses it.
inline constexpr std::int64_t kLanes = 16;
using Vector = float __attribute__((vector_size(64)));

#define NAGARE_INLINE inline __attribute__((always_inline))

namespace bits {
using U16 = std::uint16_t __attribute__((vector_size(32)));
using U32 = std::uint32_t __attribute__((vector_size(64)));
}  // namespace bits

// References instead of return values: the calling convention of a 64-byte vector depends on the target.
NAGARE_INLINE void load(const float* p, Vector& v) { std::memcpy(&v, p, sizeof v); }
NAGARE_INLINE void load(const bf16* p, Vector& v) {
  bits::U16 half;
  std::memcpy(&half, p, sizeof half);
  const bits::U32 wide = __builtin_convertvector(half, bits::U32) << 16;
  std::memcpy(&v, &wide, sizeof v);
}
NAGARE_INLINE void store(float* p, const Vector& v) { std::memcpy(p, &v, sizeof v); }
// bf16's constructor, sixteen at a time.
NAGARE_INLINE void store(bf16* p, const Vector& v) {
  bits::U32 u;
  std::memcpy(&u, &v, sizeof u);
  const bits::U32 rounded = (u + 0x7fffU + ((u >> 16) & 1U)) >> 16;
  const bits::U32 quiet = (u >> 16) | 0x40U;
  const auto is_nan = (u & 0x7fffffffU) > 0x7f800000U;
  const bits::U32 chosen = is_nan ? quiet : rounded;
  const bits::U16 half = __builtin_convertvector(chosen, bits::U16);
  std::memcpy(static_cast<void*>(p), &half, sizeof half);
}

}  // namespace nagare::simd
