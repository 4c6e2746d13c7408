#include "kernels/broadcast.h"

#include "kernels/parallel.h"
#include "kernels/simd.h"

namespace nagare::kernels::cpu {
namespace {

// step 0: one value for the whole row; step 1: one a column.
template <class T>
inline void row_body(bool add, std::int64_t n, const T* x, const float* v, int step, T* y) {
  if (step == 0) {
    const float value = *v;
    if (add) {
      for (std::int64_t i = 0; i < n; ++i) store(y + i, load(x + i) + value);
    } else {
      for (std::int64_t i = 0; i < n; ++i) store(y + i, load(x + i) * value);
    }
  } else if (add) {
    for (std::int64_t i = 0; i < n; ++i) store(y + i, load(x + i) + v[i]);
  } else {
    for (std::int64_t i = 0; i < n; ++i) store(y + i, load(x + i) * v[i]);
  }
}

NAGARE_SIMD void combine_row(bool add, std::int64_t n, const float* x, const float* v, int step, float* y) {
  row_body(add, n, x, v, step, y);
}
NAGARE_SIMD void combine_row(bool add, std::int64_t n, const bf16* x, const float* v, int step, bf16* y) {
  row_body(add, n, x, v, step, y);
}

}  // namespace

template <class T>
void broadcast(const Broadcast& p, const T* x, const float* v, T* y, Stream) {
  const auto [outer, count, inner] = p.axis;
  const bool add = p.function == BroadcastFunction::add;
  // A "row" is what one value, or one row of values, is combined with.
  const bool columns = inner == 1;
  const std::int64_t rows = columns ? outer : outer * count;
  const std::int64_t width = columns ? count : inner;
  const std::int64_t rows_a_value = columns ? 1 : count;
  parallel_for(rows, [=, inner = inner](std::int64_t row) {
    combine_row(add, width, x + row * width, v + row / rows_a_value * inner, columns ? 0 : 1,
                y + row * width);
  });
}

template void broadcast(const Broadcast&, const float*, const float*, float*, Stream);
template void broadcast(const Broadcast&, const bf16*, const float*, bf16*, Stream);

}  // namespace nagare::kernels::cpu
