#include "kernels/unary.h"

#include "kernels/unary_functions.h"
#include "kernels/warp.cuh"

namespace nagare::kernels::cuda {
namespace {

template <class F, class T>
__global__ void values(std::int64_t n, const T* x, T* y) {
  for_each_index_of_this_thread(n, [=](std::int64_t i) { store(y + i, F::value(load(x + i))); });
}

template <class F, class T>
__global__ void gradients(std::int64_t n, const T* saved, const T* dy, T* dx) {
  for_each_index_of_this_thread(
      n, [=](std::int64_t i) { store(dx + i, F::gradient(load(saved + i), load(dy + i))); });
}

}  // namespace

template <class T>
void unary(const Unary& p, const T* x, T* y, Stream stream) {
  if (p.n == 0) return;
  for_function(p.function, [&]<class F>(F) {
    launch("unary", values<F, T>, grid_for(p.n), kBlock, 0, stream, p.n, x, y);
  });
}

template <class T>
void unary_backward(const Unary& p, const T* saved, const T* dy, T* dx, Stream stream) {
  if (p.n == 0) return;
  for_function(p.function, [&]<class F>(F) {
    launch("unary_backward", gradients<F, T>, grid_for(p.n), kBlock, 0, stream, p.n, saved, dy, dx);
  });
}

template void unary(const Unary&, const float*, float*, Stream);
template void unary(const Unary&, const bf16*, bf16*, Stream);
template void unary_backward(const Unary&, const float*, const float*, float*, Stream);
template void unary_backward(const Unary&, const bf16*, const bf16*, bf16*, Stream);

}  // namespace nagare::kernels::cuda
