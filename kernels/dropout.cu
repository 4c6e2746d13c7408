#include "kernels/dropout.h"

#include "kernels/warp.cuh"

namespace nagare::kernels::cuda {
namespace {

// One thread per block of four draws.
template <class T>
__global__ void drop(Dropout p, float scale, const T* x, T* y) {
  for_each_index_of_this_thread((p.n + 3) / 4, [=](std::int64_t block) {
    const PhiloxBlock random = random_block(p.key, static_cast<std::uint32_t>(block));
    for (int k = 0; k < 4 && block * 4 + k < p.n; ++k) {
      const std::int64_t i = block * 4 + k;
      store(y + i, unit_float(random.word[k]) >= p.drop_probability ? load(x + i) * scale : 0.0F);
    }
  });
}

}  // namespace

template <class T>
void dropout(const Dropout& p, const T* x, T* y, Stream stream) {
  p.check();
  const float scale = 1.0F / (1.0F - p.drop_probability);
  if (p.n > 0) launch("dropout", drop<T>, grid_for((p.n + 3) / 4), kBlock, 0, stream, p, scale, x, y);
}

template void dropout(const Dropout&, const float*, float*, Stream);
template void dropout(const Dropout&, const bf16*, bf16*, Stream);

}  // namespace nagare::kernels::cuda
