#pragma once
// A function of one variable, applied to n elements. T is float or bf16; arithmetic is in float.
//
//   relu    y = max(x, 0)    dx = x > 0 ? dy : 0            0 at x = +0 and -0
//   gelu    y = x Phi(x)     dx = dy (Phi(x) + x phi(x))    the exact form: Phi(x) = erfc(-x / sqrt 2) / 2,
//                                                           phi(x) = exp(-x^2 / 2) / sqrt(2 pi)
//   mish    y = x t, t = tanh(ln(1 + e^x));  dx = dy (t + x (1 - t^2) / (1 + e^-x))
//   exp     y = e^x          dx = dy y
//   log     y = ln x         dx = dy / x
//   square  y = x^2          dx = 2 dy x
//   sqrt    y = sqrt x       dx = dy / (2 y)                infinite at 0
//
// saved     what the backward reads: the output of relu, exp and sqrt, the input of the others (saves_output)
// n         >= 0; 0 does nothing
// aliasing  y may be x; dx may be dy
// special   NaN stays NaN; log and sqrt of a negative number are NaN, log 0 = -inf; gelu(-inf) and mish(-inf) are
//           NaN, and so are mish's gradients at infinities
// accuracy  a few units in the last place of T; gelu and mish also in their negative tails
// cost      floor 2 element transfers forward, 3 backward; bit-identical on every run
// source    gelu: Hendrycks and Gimpel, arXiv:1606.08415; mish: Misra, arXiv:1908.08681
#include <cstdint>

#include "kernels/bf16.h"
#include "kernels/stream.h"

namespace nagare::kernels {

enum class UnaryFunction : std::uint8_t { relu, gelu, mish, exp, log, square, sqrt };

// Whether unary_backward wants y (true) or x (false) as `saved`.
constexpr bool saves_output(UnaryFunction f) {
  return f == UnaryFunction::relu || f == UnaryFunction::exp || f == UnaryFunction::sqrt;
}

struct Unary {
  UnaryFunction function;
  std::int64_t n;
};

#define NAGARE_DECLARE_TWIN                                    \
  template <class T>                                           \
  void unary(const Unary& p, const T* x, T* y, Stream stream); \
  template <class T>                                           \
  void unary_backward(const Unary& p, const T* saved, const T* dy, T* dx, Stream stream);

namespace cpu {
NAGARE_DECLARE_TWIN
}
namespace cuda {
NAGARE_DECLARE_TWIN
}
#undef NAGARE_DECLARE_TWIN

}  // namespace nagare::kernels
