#pragma once
// Resize of NHWC images, and its gradient, as one banded linear map per axis.
//
//   y[n,i,j,c] = sum_a sum_b wy[i,a] wx[j,b] x[n, by[i] + a, bx[j] + b, c]
//
// The tables (begin, count, weights of every output index) come from tap_table(), formulas in resize_taps.h. The
// gradient is the same kernel with the transposed tables: every input pixel gathers what it gave, so no two threads
// ever add to one place.
//
// x         (n, in_height, in_width, channels) f32 or bf16
// y         (n, out_height, out_width, channels), of x's type; sums in f32, rounded once
// aliasing  none
// accuracy  |y - exact| <= 2e-6 max|x| for bilinear f32; bit-identical from run to run; twins differ in the last bits
// cost      CPU: separable, taps_y + taps_x multiply-adds per value; CUDA: taps_y * taps_x, from cache
// errors    std::invalid_argument for sizes
#include <cstdint>
#include <vector>

#include "kernels/bf16.h"
#include "kernels/resize_taps.h"
#include "kernels/stream.h"

namespace nagare::kernels {

struct Resize {
  std::int64_t n;          // >= 0
  std::int64_t in_height;  // sides 1 .. 65536
  std::int64_t in_width;
  std::int64_t out_height;
  std::int64_t out_width;
  std::int64_t channels;  // >= 0

  void check() const;
  // The sizes of the gradient's map.
  Resize transposed() const;
};

// The weights of every output index of an axis.
struct TapTable {
  std::vector<TapRange> ranges;  // one per output index
  std::vector<float> weights;    // `stride` per output index, the first ranges[i].count of them in use
  std::int64_t stride = 0;
};

TapTable tap_table(const ResizeAxis& axis);
// The table that maps `inputs` gradients back: weight (i, k) of it is weight (k, i) of `table`.
TapTable transposed(const TapTable& table, std::int64_t inputs);

// A TapTable in the memory of the twin's device.
struct TapView {
  const TapRange* ranges;
  const float* weights;
  std::int64_t stride;
};

// Both axes, named: two adjacent tables would invite a swap.
struct ResizeTables {
  TapView rows;     // out_height entries
  TapView columns;  // out_width entries
};

namespace cpu {
template <class T>
void resize(const Resize& p, const ResizeTables& tables, const T* x, T* y, Stream stream);
}
namespace cuda {
template <class T>
void resize(const Resize& p, const ResizeTables& tables, const T* x, T* y, Stream stream);
}

}  // namespace nagare::kernels
