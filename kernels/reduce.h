#pragma once
// Sums over the middle axis of (outer, count, inner), and what takes them back.
//
//   reduce_sum   y[o,i] = scale * sum_k x[o,k,i]
//   reduce_dot   y[o,i] = scale * sum_k a[o,k,i] b[o,k,i]
//   spread       x[o,k,i] = scale * y[o,i]                   (the gradient of reduce_sum)
//
// x, a, b      f32 or bf16 (outer, count, inner);  y  f32, or bf16 where x is, (outer, inner)
// sizes        >= 0; count = 0 gives zeros
// aliasing     none
// accuracy     the CPU adds in double; CUDA in f32, thread by thread and then as a tree
// determinism  bit-identical from run to run, for any number of threads: the cuts depend on the sizes alone
// cost         one read of x (a and b), one write of y; spread the reverse
#include "kernels/axis.h"
#include "kernels/bf16.h"
#include "kernels/stream.h"

namespace nagare::kernels {

struct Reduce {
  Axis axis;
  float scale = 1.0F;
};

#define NAGARE_DECLARE_TWIN                                                          \
  template <class In, class Out>                                                     \
  void reduce_sum(const Reduce& p, const In* x, Out* y, Stream stream);              \
  template <class T>                                                                 \
  void reduce_dot(const Reduce& p, const T* a, const T* b, float* y, Stream stream); \
  template <class In, class Out>                                                     \
  void spread(const Reduce& p, const In* y, Out* x, Stream stream);

namespace cpu {
NAGARE_DECLARE_TWIN
}
namespace cuda {
NAGARE_DECLARE_TWIN
}
#undef NAGARE_DECLARE_TWIN

}  // namespace nagare::kernels
