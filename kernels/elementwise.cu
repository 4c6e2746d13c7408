#include "kernels/elementwise.h"

#include "kernels/warp.cuh"

namespace nagare::kernels::cuda {
namespace {

template <class T>
__global__ void combine(LinearCombination p, const T* a, const T* b, T* out) {
  for_each_index_of_this_thread(
      p.n, [=](std::int64_t i) { store(out + i, p.alpha * load(a + i) + p.beta * load(b + i)); });
}

template <class T>
__global__ void scale_and_shift(Affine p, const T* a, T* out) {
  for_each_index_of_this_thread(p.n, [=](std::int64_t i) { store(out + i, p.alpha * load(a + i) + p.beta); });
}

template <class T>
__global__ void product(std::int64_t n, const T* a, const T* b, T* out) {
  for_each_index_of_this_thread(n, [=](std::int64_t i) { store(out + i, load(a + i) * load(b + i)); });
}

template <class From, class To>
__global__ void convert(std::int64_t n, const From* a, To* out) {
  for_each_index_of_this_thread(n, [=](std::int64_t i) { store(out + i, load(a + i)); });
}

template <class T>
__global__ void assign(std::int64_t n, float value, T* out) {
  for_each_index_of_this_thread(n, [=](std::int64_t i) { store(out + i, value); });
}

template <class T>
__global__ void scale_in_place(std::int64_t n, const float* factor, T* x) {
  const float f = *factor;
  if (f == 1.0F) return;
  for_each_index_of_this_thread(n, [=](std::int64_t i) { store(x + i, f * load(x + i)); });
}

}  // namespace

template <class T>
void linear_combination(const LinearCombination& p, const T* a, const T* b, T* out, Stream stream) {
  if (p.n > 0) launch("linear_combination", combine<T>, grid_for(p.n), kBlock, 0, stream, p, a, b, out);
}

template <class T>
void affine(const Affine& p, const T* a, T* out, Stream stream) {
  if (p.n > 0) launch("affine", scale_and_shift<T>, grid_for(p.n), kBlock, 0, stream, p, a, out);
}

template <class T>
void multiply(std::int64_t n, const T* a, const T* b, T* out, Stream stream) {
  if (n > 0) launch("multiply", product<T>, grid_for(n), kBlock, 0, stream, n, a, b, out);
}

template <class From, class To>
void cast(std::int64_t n, const From* a, To* out, Stream stream) {
  if (n > 0) launch("cast", convert<From, To>, grid_for(n), kBlock, 0, stream, n, a, out);
}

template <class T>
void fill(std::int64_t n, float value, T* out, Stream stream) {
  if (n > 0) launch("fill", assign<T>, grid_for(n), kBlock, 0, stream, n, value, out);
}

template <class T>
void scale_by(std::int64_t n, const float* factor, T* x, Stream stream) {
  if (n > 0) launch("scale_by", scale_in_place<T>, grid_for(n), kBlock, 0, stream, n, factor, x);
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

}  // namespace nagare::kernels::cuda
