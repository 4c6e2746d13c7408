#include "kernels/dropout.h"

#include <stdexcept>
#include <string>

#include "kernels/parallel.h"
#include "kernels/philox_group.h"

namespace nagare::kernels {

void Dropout::check() const {
  if (n < 0 || n > (std::int64_t{1} << 26) || !(drop_probability >= 0.0F && drop_probability < 1.0F)) {
    throw std::invalid_argument("dropout: " + std::to_string(n) + " elements, drop probability " +
                                std::to_string(drop_probability) +
                                ": need at most 2^26 elements, probability in [0, 1)");
  }
}

namespace {

// x[0, n) and y[0, n) are the elements from `begin` on, a multiple of the group's size.
template <class T>
NAGARE_INLINE void drop_chunk_body(const Dropout& p, std::int64_t begin, std::int64_t n, const T* x, T* y) {
  const float drop = p.drop_probability;  // not read anew for every y that might be it
  const float scale = 1.0F / (1.0F - drop);
  for (std::int64_t start = 0; start < n; start += PhiloxGroup::kDraws) {
    PhiloxGroup group;
    draw_group(p.key, static_cast<std::uint32_t>((begin + start) / 4), group);
    float uniform[PhiloxGroup::kDraws];
    for (int b = 0; b < PhiloxGroup::kBlocks; ++b) {
      for (int w = 0; w < 4; ++w) uniform[4 * b + w] = unit_float(group.word[w][b]);
    }
    const std::int64_t count = n - start < PhiloxGroup::kDraws ? n - start : PhiloxGroup::kDraws;
    for (std::int64_t i = 0; i < count; ++i) {
      const float kept = load(x + start + i) * scale;
      store(y + start + i, uniform[i] >= drop ? kept : 0.0F);
    }
  }
}
NAGARE_SIMD void drop_chunk(const Dropout& p, std::int64_t begin, std::int64_t n, const float* x, float* y) {
  drop_chunk_body(p, begin, n, x, y);
}
NAGARE_SIMD void drop_chunk(const Dropout& p, std::int64_t begin, std::int64_t n, const bf16* x, bf16* y) {
  drop_chunk_body(p, begin, n, x, y);
}

}  // namespace

template <class T>
void cpu::dropout(const Dropout& p, const T* x, T* y, Stream) {
  p.check();
  constexpr std::int64_t kChunk = 16 * PhiloxGroup::kDraws;
  for_each_block(p.n, kChunk, [&](std::int64_t begin, std::int64_t end) {
    drop_chunk(p, begin, end - begin, x + begin, y + begin);
  });
}

template void cpu::dropout(const Dropout&, const float*, float*, Stream);
template void cpu::dropout(const Dropout&, const bf16*, bf16*, Stream);

}  // namespace nagare::kernels
