#include "kernels/dropout.h"

#include <stdexcept>
#include <string>

#include "kernels/parallel.h"

namespace nagare::kernels {

void Dropout::check() const {
  if (n < 0 || n > (std::int64_t{1} << 26) || !(drop_probability >= 0.0F && drop_probability < 1.0F)) {
    throw std::invalid_argument("dropout: " + std::to_string(n) + " elements, drop probability " +
                                std::to_string(drop_probability) +
                                ": need at most 2^26 elements, probability in [0, 1)");
  }
}

template <class T>
void cpu::dropout(const Dropout& p, const T* x, T* y, Stream) {
  p.check();
  const float scale = 1.0F / (1.0F - p.drop_probability);
  constexpr std::int64_t kChunk = 1 << 12;
  for_each_block(p.n, kChunk, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; i += 4) {
      const PhiloxBlock random = random_block(p.key, static_cast<std::uint32_t>(i / 4));
      for (std::int64_t k = i; k < end && k < i + 4; ++k) {
        const bool keep = unit_float(random.word[k - i]) >= p.drop_probability;
        store(y + k, keep ? load(x + k) * scale : 0.0F);
      }
    }
  });
}

template void cpu::dropout(const Dropout&, const float*, float*, Stream);
template void cpu::dropout(const Dropout&, const bf16*, bf16*, Stream);

}  // namespace nagare::kernels
