#pragma once
// Combines (outer, count, inner) with one value per (outer, inner), the same for the whole middle axis.
//
//   add        y[o,k,i] = x[o,k,i] + v[o,i]
//   multiply   y[o,k,i] = x[o,k,i] * v[o,i]
//
// x, y       f32 or bf16;  v  f32
// sizes      >= 0; an empty x does nothing
// aliasing   y may be x
// cost       one read and one write of x; bit-identical on every run and device
// gradient   dx = dy, or multiply by v; dv: reduce_sum of dy, or reduce_dot of x and dy (reduce.h)
#include "kernels/axis.h"
#include "kernels/bf16.h"
#include "kernels/stream.h"

namespace nagare::kernels {

enum class BroadcastFunction : std::uint8_t { add, multiply };

struct Broadcast {
  BroadcastFunction function;
  Axis axis;
};

namespace cpu {
template <class T>
void broadcast(const Broadcast& p, const T* x, const float* v, T* y, Stream stream);
}
namespace cuda {
template <class T>
void broadcast(const Broadcast& p, const T* x, const float* v, T* y, Stream stream);
}

}  // namespace nagare::kernels
