#include "kernels/broadcast.h"

#include "kernels/warp.cuh"

namespace nagare::kernels::cuda {
namespace {

template <class T>
__global__ void combine(Broadcast p, const T* x, const float* v, T* y) {
  for_each_index_of_this_thread(p.axis.numel(), [=](std::int64_t i) {
    const std::int64_t o = i / (p.axis.count * p.axis.inner);
    const float value = v[o * p.axis.inner + i % p.axis.inner];
    const float in = load(x + i);
    store(y + i, p.function == BroadcastFunction::add ? in + value : in * value);
  });
}

}  // namespace

template <class T>
void broadcast(const Broadcast& p, const T* x, const float* v, T* y, Stream stream) {
  const std::int64_t n = p.axis.numel();
  if (n > 0) launch("broadcast", combine<T>, grid_for(n), kBlock, 0, stream, p, x, v, y);
}

template void broadcast(const Broadcast&, const float*, const float*, float*, Stream);
template void broadcast(const Broadcast&, const bf16*, const float*, bf16*, Stream);

}  // namespace nagare::kernels::cuda
