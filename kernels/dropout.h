#pragma once
// Inverted dropout: zeroes an element with probability p and scales the others, so that the mean stays.
//
//   y[i] = u_i < p ? 0 : x[i] / (1 - p),   u_i = draw i of the Philox stream `key`
//
// The gradient is the same function of dy, so no mask is kept.
//
// x, y      f32 or bf16, n elements
// p         drop_probability, in [0, 1)
// aliasing  y may be x
// special   a dropped NaN or infinity is 0
// cost      one read and one write; bit-identical on every run and device, for any number of threads
// errors    std::invalid_argument for another p, or n beyond the 2^26 draws of a stream
// source    Srivastava et al., JMLR 2014
#include <cstdint>

#include "kernels/bf16.h"
#include "kernels/philox.h"
#include "kernels/stream.h"

namespace nagare::kernels {

struct Dropout {
  std::int64_t n;
  float drop_probability;
  RandomKey key;

  void check() const;
};

namespace cpu {
template <class T>
void dropout(const Dropout& p, const T* x, T* y, Stream stream);
}
namespace cuda {
template <class T>
void dropout(const Dropout& p, const T* x, T* y, Stream stream);
}

}  // namespace nagare::kernels
