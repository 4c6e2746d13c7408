#include "kernels/elementwise.h"

#include "kernels/parallel.h"
#include "kernels/simd.h"

namespace nagare::kernels::cpu {
namespace {

constexpr std::int64_t kChunk = 1 << 14;

template <class T>
inline void combine(std::int64_t n, float alpha, float beta, const T* a, const T* b, T* out) {
  for (std::int64_t i = 0; i < n; ++i) store(out + i, alpha * load(a + i) + beta * load(b + i));
}
template <class T>
inline void scale_and_shift(std::int64_t n, float alpha, float beta, const T* a, T* out) {
  for (std::int64_t i = 0; i < n; ++i) store(out + i, alpha * load(a + i) + beta);
}
template <class T>
inline void product(std::int64_t n, const T* a, const T* b, T* out) {
  for (std::int64_t i = 0; i < n; ++i) store(out + i, load(a + i) * load(b + i));
}
template <class From, class To>
inline void convert(std::int64_t n, const From* a, To* out) {
  for (std::int64_t i = 0; i < n; ++i) store(out + i, load(a + i));
}

// Overloads, not templates, because each is compiled for several vector widths.
NAGARE_SIMD void combine_chunk(std::int64_t n, float alpha, float beta, const float* a, const float* b,
                               float* out) {
  combine(n, alpha, beta, a, b, out);
}
NAGARE_SIMD void combine_chunk(std::int64_t n, float alpha, float beta, const bf16* a, const bf16* b,
                               bf16* out) {
  combine(n, alpha, beta, a, b, out);
}
NAGARE_SIMD void affine_chunk(std::int64_t n, float alpha, float beta, const float* a, float* out) {
  scale_and_shift(n, alpha, beta, a, out);
}
NAGARE_SIMD void affine_chunk(std::int64_t n, float alpha, float beta, const bf16* a, bf16* out) {
  scale_and_shift(n, alpha, beta, a, out);
}
NAGARE_SIMD void multiply_chunk(std::int64_t n, const float* a, const float* b, float* out) {
  product(n, a, b, out);
}
NAGARE_SIMD void multiply_chunk(std::int64_t n, const bf16* a, const bf16* b, bf16* out) {
  product(n, a, b, out);
}
NAGARE_SIMD void convert_chunk(std::int64_t n, const float* a, bf16* out) { convert(n, a, out); }
NAGARE_SIMD void convert_chunk(std::int64_t n, const bf16* a, float* out) { convert(n, a, out); }

}  // namespace

template <class T>
void linear_combination(const LinearCombination& p, const T* a, const T* b, T* out, Stream) {
  for_each_block(p.n, kChunk, [&](std::int64_t begin, std::int64_t end) {
    combine_chunk(end - begin, p.alpha, p.beta, a + begin, b + begin, out + begin);
  });
}

template <class T>
void affine(const Affine& p, const T* a, T* out, Stream) {
  for_each_block(p.n, kChunk, [&](std::int64_t begin, std::int64_t end) {
    affine_chunk(end - begin, p.alpha, p.beta, a + begin, out + begin);
  });
}

template <class T>
void multiply(std::int64_t n, const T* a, const T* b, T* out, Stream) {
  for_each_block(n, kChunk, [&](std::int64_t begin, std::int64_t end) {
    multiply_chunk(end - begin, a + begin, b + begin, out + begin);
  });
}

template <class From, class To>
void cast(std::int64_t n, const From* a, To* out, Stream) {
  for_each_block(n, kChunk, [&](std::int64_t begin, std::int64_t end) {
    convert_chunk(end - begin, a + begin, out + begin);
  });
}

template <class T>
void fill(std::int64_t n, float value, T* out, Stream) {
  for_each_block(n, kChunk, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) store(out + i, value);
  });
}

template <class T>
void scale_by(std::int64_t n, const float* factor, T* x, Stream stream) {
  if (*factor != 1.0F) affine(Affine{.n = n, .alpha = *factor}, x, x, stream);
}

template void linear_combination(const LinearCombination&, const float*, const float*, float*, Stream);
template void linear_combination(const LinearCombination&, const bf16*, const bf16*, bf16*, Stream);
template void affine(const Affine&, const float*, float*, Stream);
template void affine(const Affine&, const bf16*, bf16*, Stream);
template void multiply(std::int64_t, const float*, const float*, float*, Stream);
template void multiply(std::int64_t, const bf16*, const bf16*, bf16*, Stream);
template void cast(std::int64_t, const float*, bf16*, Stream);
template void cast(std::int64_t, const bf16*, float*, Stream);
template void fill(std::int64_t, float, float*, Stream);
template void fill(std::int64_t, float, bf16*, Stream);
template void scale_by(std::int64_t, const float*, float*, Stream);
template void scale_by(std::int64_t, const float*, bf16*, Stream);

}  // namespace nagare::kernels::cpu
