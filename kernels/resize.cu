#include "kernels/resize.h"

#include "kernels/warp.cuh"

namespace nagare::kernels::cuda {
namespace {

// One thread per output value; neighbouring threads hold neighbouring channels, then columns.
template <class T>
__global__ void resize_values(Resize p, ResizeTables tables, const T* x, T* y) {
  for_each_index_of_this_thread(p.n * p.out_height * p.out_width * p.channels, [=](std::int64_t index) {
    const std::int64_t c = index % p.channels;
    const std::int64_t j = index / p.channels % p.out_width;
    const std::int64_t row = index / p.channels / p.out_width;  // of all images
    const std::int64_t i = row % p.out_height;
    const T* image = x + row / p.out_height * p.in_height * p.in_width * p.channels + c;
    const TapRange rows = tables.rows.ranges[i];
    const TapRange columns = tables.columns.ranges[j];
    float sum = 0.0F;
    for (int a = 0; a < rows.count; ++a) {
      float part = 0.0F;
      for (int b = 0; b < columns.count; ++b) {
        const std::int64_t pixel = (rows.begin + a) * p.in_width + columns.begin + b;
        part += tables.columns.weights[j * tables.columns.stride + b] * load(image + pixel * p.channels);
      }
      sum += tables.rows.weights[i * tables.rows.stride + a] * part;
    }
    store(y + index, sum);
  });
}

}  // namespace

template <class T>
void resize(const Resize& p, const ResizeTables& tables, const T* x, T* y, Stream stream) {
  p.check();
  const std::int64_t values = p.n * p.out_height * p.out_width * p.channels;
  if (values == 0) return;
  launch("resize", resize_values<T>, grid_for(values), kBlock, 0, stream, p, tables, x, y);
}

template void resize(const Resize&, const ResizeTables&, const float*, float*, Stream);
template void resize(const Resize&, const ResizeTables&, const bf16*, bf16*, Stream);

}  // namespace nagare::kernels::cuda
