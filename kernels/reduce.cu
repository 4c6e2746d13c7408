#include "kernels/reduce.h"

#include "kernels/warp.cuh"

namespace nagare::kernels::cuda {
namespace {

constexpr int kRowBlock = 1024;

template <class T>
struct Values {
  const T* x;
  __device__ float at(std::int64_t i) const { return load(x + i); }
};
template <class T>
struct Products {
  const T* a;
  const T* b;
  __device__ float at(std::int64_t i) const { return load(a + i) * load(b + i); }
};

// inner = 1, short runs: one warp each.
template <class Source, class Out>
__global__ void sum_runs_by_warp(Reduce p, Source source, Out* y) {
  for_each_row_of_this_warp(p.axis.outer, [=](std::int64_t o, int lane) {
    float sum = 0.0F;
    for (std::int64_t k = lane; k < p.axis.count; k += kWarp) sum += source.at(o * p.axis.count + k);
    sum = warp_sum(sum);
    if (lane == 0) store(y + o, p.scale * sum);
  });
}

// inner = 1, long runs: one block of kRowBlock threads each.
template <class Source, class Out>
__global__ void sum_runs_by_block(Reduce p, Source source, Out* y) {
  NAGARE_SHARED(float, of_warp, [kRowBlock / kWarp]);
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  for (std::int64_t o = blockIdx.x; o < p.axis.outer; o += gridDim.x) {
    float sum = 0.0F;
    for (std::int64_t k = threadIdx.x; k < p.axis.count; k += kRowBlock)
      sum += source.at(o * p.axis.count + k);
    sum = warp_sum(sum);
    if (lane == 0) of_warp[warp] = sum;
    __syncthreads();
    if (warp == 0) {
      sum = warp_sum(of_warp[lane]);
      if (lane == 0) store(y + o, p.scale * sum);
    }
    __syncthreads();  // the next run reuses of_warp
  }
}

// inner > 1: a block of 32 x 32 threads takes 32 neighbouring columns of one outer entry, every thread each 32nd row.
template <class Source, class Out>
__global__ void sum_rows(Reduce p, Source source, Out* y) {
  NAGARE_SHARED(float, part, [kWarp][kWarp + 1]);
  const auto [outer, count, inner] = p.axis;
  const std::int64_t panels = (inner + kWarp - 1) / kWarp;
  for (std::int64_t task = blockIdx.x; task < outer * panels; task += gridDim.x) {
    const std::int64_t o = task / panels;
    const std::int64_t column = task % panels * kWarp + threadIdx.x;
    float sum = 0.0F;
    if (column < inner) {
      for (std::int64_t k = threadIdx.y; k < count; k += kWarp)
        sum += source.at((o * count + k) * inner + column);
    }
    part[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    sum = warp_sum(part[threadIdx.x][threadIdx.y]);  // this warp now holds one column
    const std::int64_t mine = task % panels * kWarp + threadIdx.y;
    if (threadIdx.x == 0 && mine < inner) store(y + o * inner + mine, p.scale * sum);
    __syncthreads();
  }
}

template <class Source, class Out>
void reduce(const Reduce& p, Source source, Out* y, Stream stream) {
  const auto [outer, count, inner] = p.axis;
  if (outer == 0 || inner == 0) return;
  if (inner > 1) {
    const std::int64_t panels = (inner + kWarp - 1) / kWarp;
    launch("reduce", sum_rows<Source, Out>, grid_for(outer * panels, 1), dim3(kWarp, kWarp), 0, stream, p,
           source, y);
  } else if (count > 4 * kRowBlock) {
    launch("reduce", sum_runs_by_block<Source, Out>, grid_for(outer, 1), kRowBlock, 0, stream, p, source, y);
  } else {
    launch_warp_per_row("reduce", sum_runs_by_warp<Source, Out>, outer, stream, p, source, y);
  }
}

template <class In, class Out>
__global__ void spread_values(Reduce p, const In* y, Out* x) {
  for_each_index_of_this_thread(p.axis.numel(), [=](std::int64_t i) {
    const std::int64_t o = i / (p.axis.count * p.axis.inner);
    store(x + i, p.scale * load(y + o * p.axis.inner + i % p.axis.inner));
  });
}

}  // namespace

template <class In, class Out>
void reduce_sum(const Reduce& p, const In* x, Out* y, Stream stream) {
  reduce(p, Values<In>{x}, y, stream);
}

template <class T>
void reduce_dot(const Reduce& p, const T* a, const T* b, float* y, Stream stream) {
  reduce(p, Products<T>{a, b}, y, stream);
}

template <class In, class Out>
void spread(const Reduce& p, const In* y, Out* x, Stream stream) {
  const std::int64_t n = p.axis.numel();
  if (n > 0) launch("spread", spread_values<In, Out>, grid_for(n), kBlock, 0, stream, p, y, x);
}

template void reduce_sum(const Reduce&, const float*, float*, Stream);
template void reduce_sum(const Reduce&, const bf16*, float*, Stream);
template void reduce_sum(const Reduce&, const bf16*, bf16*, Stream);
template void reduce_dot(const Reduce&, const float*, const float*, float*, Stream);
template void reduce_dot(const Reduce&, const bf16*, const bf16*, float*, Stream);
template void spread(const Reduce&, const float*, float*, Stream);
template void spread(const Reduce&, const float*, bf16*, Stream);
template void spread(const Reduce&, const bf16*, bf16*, Stream);

}  // namespace nagare::kernels::cuda
