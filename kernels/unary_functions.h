#pragma once
// The formulas of unary.h, one struct each, shared by both twins.
#include <cmath>

#include "kernels/host_device.h"
#include "kernels/unary.h"

namespace nagare::kernels {

struct ReluFunction {
  // Written so that NaN passes.
  NAGARE_HOST_DEVICE static float value(float x) { return x <= 0.0F ? 0.0F : x; }
  NAGARE_HOST_DEVICE static float gradient(float y, float dy) { return y <= 0.0F ? 0.0F : dy; }
};

struct GeluFunction {
  static constexpr float kInverseSqrt2 = 0.70710678F;
  static constexpr float kInverseSqrt2Pi = 0.39894228F;
  // erfc, because 1 + erf(x) cancels for negative x.
  NAGARE_HOST_DEVICE static float normal_cdf(float x) { return 0.5F * std::erfc(-x * kInverseSqrt2); }
  NAGARE_HOST_DEVICE static float value(float x) { return x * normal_cdf(x); }
  NAGARE_HOST_DEVICE static float gradient(float x, float dy) {
    return dy * (normal_cdf(x) + x * (kInverseSqrt2Pi * std::exp(-0.5F * x * x)));
  }
};

// In e = exp(-|x|), which cannot overflow: t = n / d and (1 - t^2) / (1 + e^-x) = 4 q (1 + e) / d^2, with
//   x >= 0   n = 1 + 2 e,     d = n + 2 e^2,  q = e^2
//   x < 0    n = e^2 + 2 e,   d = n + 2,      q = e
struct MishFunction {
  NAGARE_HOST_DEVICE static float value(float x) {
    const float e = std::exp(-std::fabs(x));
    const float n = x < 0.0F ? e * (e + 2.0F) : 1.0F + 2.0F * e;
    return x * (n / (n + (x < 0.0F ? 2.0F : 2.0F * e * e)));
  }
  NAGARE_HOST_DEVICE static float gradient(float x, float dy) {
    const float e = std::exp(-std::fabs(x));
    const float n = x < 0.0F ? e * (e + 2.0F) : 1.0F + 2.0F * e;
    const float d = n + (x < 0.0F ? 2.0F : 2.0F * e * e);
    const float q = x < 0.0F ? e : e * e;
    return dy * (n / d + x * (4.0F * q * (1.0F + e) / (d * d)));
  }
};

struct ExpFunction {
  NAGARE_HOST_DEVICE static float value(float x) { return std::exp(x); }
  NAGARE_HOST_DEVICE static float gradient(float y, float dy) { return dy * y; }
};

struct LogFunction {
  NAGARE_HOST_DEVICE static float value(float x) { return std::log(x); }
  NAGARE_HOST_DEVICE static float gradient(float x, float dy) { return dy / x; }
};

struct SquareFunction {
  NAGARE_HOST_DEVICE static float value(float x) { return x * x; }
  NAGARE_HOST_DEVICE static float gradient(float x, float dy) { return 2.0F * dy * x; }
};

struct SqrtFunction {
  NAGARE_HOST_DEVICE static float value(float x) { return std::sqrt(x); }
  NAGARE_HOST_DEVICE static float gradient(float y, float dy) { return 0.5F * dy / y; }
};

// body(F{}) with the struct of `function`.
template <class Body>
void for_function(UnaryFunction function, const Body& body) {
  switch (function) {
    case UnaryFunction::relu:
      return body(ReluFunction{});
    case UnaryFunction::gelu:
      return body(GeluFunction{});
    case UnaryFunction::mish:
      return body(MishFunction{});
    case UnaryFunction::exp:
      return body(ExpFunction{});
    case UnaryFunction::log:
      return body(LogFunction{});
    case UnaryFunction::square:
      return body(SquareFunction{});
    case UnaryFunction::sqrt:
      return body(SqrtFunction{});
  }
}

}  // namespace nagare::kernels
