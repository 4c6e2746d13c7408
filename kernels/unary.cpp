#include "kernels/unary.h"

#include "kernels/parallel.h"
#include "kernels/simd.h"
#include "kernels/unary_functions.h"

namespace nagare::kernels::cpu {
namespace {

constexpr std::int64_t kChunk = 1 << 14;

template <class F, class T>
inline void values(F, std::int64_t n, const T* x, T* y) {
  for (std::int64_t i = 0; i < n; ++i) store(y + i, F::value(load(x + i)));
}
template <class F, class T>
inline void gradients(F, std::int64_t n, const T* saved, const T* dy, T* dx) {
  for (std::int64_t i = 0; i < n; ++i) store(dx + i, F::gradient(load(saved + i), load(dy + i)));
}

// relu is the one that a convolutional network calls on every activation: compiled for several vector widths.
NAGARE_SIMD void values(ReluFunction f, std::int64_t n, const float* x, float* y) {
  values<ReluFunction, float>(f, n, x, y);
}
NAGARE_SIMD void values(ReluFunction f, std::int64_t n, const bf16* x, bf16* y) {
  values<ReluFunction, bf16>(f, n, x, y);
}
NAGARE_SIMD void gradients(ReluFunction f, std::int64_t n, const float* saved, const float* dy, float* dx) {
  gradients<ReluFunction, float>(f, n, saved, dy, dx);
}
NAGARE_SIMD void gradients(ReluFunction f, std::int64_t n, const bf16* saved, const bf16* dy, bf16* dx) {
  gradients<ReluFunction, bf16>(f, n, saved, dy, dx);
}

}  // namespace

template <class T>
void unary(const Unary& p, const T* x, T* y, Stream) {
  for_function(p.function, [&](auto f) {
    for_each_block(p.n, kChunk, [&](std::int64_t begin, std::int64_t end) {
      values(f, end - begin, x + begin, y + begin);
    });
  });
}

template <class T>
void unary_backward(const Unary& p, const T* saved, const T* dy, T* dx, Stream) {
  for_function(p.function, [&](auto f) {
    for_each_block(p.n, kChunk, [&](std::int64_t begin, std::int64_t end) {
      gradients(f, end - begin, saved + begin, dy + begin, dx + begin);
    });
  });
}

template void unary(const Unary&, const float*, float*, Stream);
template void unary(const Unary&, const bf16*, bf16*, Stream);
template void unary_backward(const Unary&, const float*, const float*, float*, Stream);
template void unary_backward(const Unary&, const bf16*, const bf16*, bf16*, Stream);

}  // namespace nagare::kernels::cpu
