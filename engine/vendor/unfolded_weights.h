#pragma once
// The weight gradient of a convolution as one matrix product, for the shapes where oneDNN's own is slow or suspect.
//
//   dw (out_channels, K) = dy^T (out_channels, R)  columns (R, K),   K = kernel height * kernel width * in_channels
//   columns row r = the window of x under output pixel r (im2col), zero in the padding
//
// oneDNN 2.6's AMX kernel sums along one output row at a time, and a tile holds 32 pixels: rows of 4 leave 7/8 of it
// empty. The product sums over all R = batch * out_height * out_width pixels.
//
// memory   at most 32 MiB of columns at a time, and one more dw
#include "engine/vendor/convolution.h"

namespace nagare::vendor::cpu {

// True where the product takes the place of oneDNN's primitive:
//   1x1 kernels with a stride: oneDNN 2.6.3's f32 primitive was the last to run before crashes with 2 threads (4 to 8
//   channels, stride 2), and they ended with this route; its cause inside oneDNN is not known
//   bf16 with short output rows on AMX, because it is faster (docs/decisions.md has the measurements)
template <class T>
bool weights_prefer_product(const Convolution& p);

// convolution_backward_weights() for T = float or bf16. The same bits from run to run; the cuts depend on the sizes
// alone.
template <class T>
void unfolded_backward_weights(const Convolution& p, const T* x, const T* dy, float* dw);

}  // namespace nagare::vendor::cpu
