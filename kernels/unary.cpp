#include "kernels/unary.h"

#include "kernels/parallel.h"
#include "kernels/simd.h"
#include "kernels/simd_functions.h"
#include "kernels/unary_functions.h"

namespace nagare::kernels::cpu {
namespace {

using simd::kLanes;
using simd::Vector;

constexpr std::int64_t kChunk = 1 << 14;

// The functions of unary_functions.h that no compiler turns into vector code.
struct ExpVectors {
  NAGARE_INLINE static void value(const Vector& x, Vector& y) { simd::exp(x, y); }
};
struct LogVectors {
  NAGARE_INLINE static void value(const Vector& x, Vector& y) { simd::log(x, y); }
};
struct GeluVectors {
  NAGARE_INLINE static void value(const Vector& x, Vector& y) {
    Vector density, cumulative;
    simd::normal(x, density, cumulative);
    y = x * cumulative;
  }
  NAGARE_INLINE static void gradient(const Vector& x, const Vector& dy, Vector& dx) {
    Vector density, cumulative;
    simd::normal(x, density, cumulative);
    dx = dy * (cumulative + x * density);
  }
};

struct MishVectors {
  NAGARE_INLINE static void value(const Vector& x, Vector& y) {
    Vector e;
    simd::exp(x < 0.0F ? x : -x, e);
    const Vector n = x < 0.0F ? e * (e + 2.0F) : 1.0F + 2.0F * e;
    y = x * (n / (n + (x < 0.0F ? Vector{} + 2.0F : 2.0F * e * e)));
  }
  NAGARE_INLINE static void gradient(const Vector& x, const Vector& dy, Vector& dx) {
    Vector e;
    simd::exp(x < 0.0F ? x : -x, e);
    const Vector n = x < 0.0F ? e * (e + 2.0F) : 1.0F + 2.0F * e;
    const Vector d = n + (x < 0.0F ? Vector{} + 2.0F : 2.0F * e * e);
    const Vector q = x < 0.0F ? e : e * e;
    dx = dy * (n / d + x * (4.0F * q * (1.0F + e) / (d * d)));
  }
};

template <class F, class T>
NAGARE_INLINE void vector_values(std::int64_t n, const T* x, T* y) {
  Vector v, result;
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    simd::load(x + i, v);
    F::value(v, result);
    simd::store(y + i, result);
  }
  if (i == n) return;
  simd::load_first(x + i, n - i, 1.0F, v);
  F::value(v, result);
  simd::store_first(y + i, n - i, result);
}

template <class F, class T>
NAGARE_INLINE void vector_gradients(std::int64_t n, const T* x, const T* dy, T* dx) {
  Vector v, upstream, result;
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    simd::load(x + i, v);
    simd::load(dy + i, upstream);
    F::gradient(v, upstream, result);
    simd::store(dx + i, result);
  }
  if (i == n) return;
  simd::load_first(x + i, n - i, 1.0F, v);
  simd::load_first(dy + i, n - i, 0.0F, upstream);
  F::gradient(v, upstream, result);
  simd::store_first(dx + i, n - i, result);
}

template <class F, class T>
NAGARE_INLINE void plain_values(std::int64_t n, const T* x, T* y) {
  for (std::int64_t i = 0; i < n; ++i) store(y + i, F::value(load(x + i)));
}
template <class F, class T>
NAGARE_INLINE void plain_gradients(std::int64_t n, const T* saved, const T* dy, T* dx) {
  for (std::int64_t i = 0; i < n; ++i) store(dx + i, F::gradient(load(saved + i), load(dy + i)));
}

// Overloads, not templates, because each is compiled for several vector widths.
#define NAGARE_DEFINE_VALUES(F, T, loop) \
  NAGARE_SIMD void values(F, std::int64_t n, const T* x, T* y) { loop(n, x, y); }
#define NAGARE_DEFINE_GRADIENTS(F, T, loop)                                           \
  NAGARE_SIMD void gradients(F, std::int64_t n, const T* saved, const T* dy, T* dx) { \
    loop(n, saved, dy, dx);                                                           \
  }
#define NAGARE_DEFINE_FUNCTIONS(T)                                                 \
  NAGARE_DEFINE_VALUES(ReluFunction, T, (plain_values<ReluFunction, T>))           \
  NAGARE_DEFINE_VALUES(GeluFunction, T, (vector_values<GeluVectors, T>))           \
  NAGARE_DEFINE_VALUES(MishFunction, T, (vector_values<MishVectors, T>))           \
  NAGARE_DEFINE_VALUES(ExpFunction, T, (vector_values<ExpVectors, T>))             \
  NAGARE_DEFINE_VALUES(LogFunction, T, (vector_values<LogVectors, T>))             \
  NAGARE_DEFINE_VALUES(SquareFunction, T, (plain_values<SquareFunction, T>))       \
  NAGARE_DEFINE_VALUES(SqrtFunction, T, (plain_values<SqrtFunction, T>))           \
  NAGARE_DEFINE_GRADIENTS(ReluFunction, T, (plain_gradients<ReluFunction, T>))     \
  NAGARE_DEFINE_GRADIENTS(GeluFunction, T, (vector_gradients<GeluVectors, T>))     \
  NAGARE_DEFINE_GRADIENTS(MishFunction, T, (vector_gradients<MishVectors, T>))     \
  NAGARE_DEFINE_GRADIENTS(ExpFunction, T, (plain_gradients<ExpFunction, T>))       \
  NAGARE_DEFINE_GRADIENTS(LogFunction, T, (plain_gradients<LogFunction, T>))       \
  NAGARE_DEFINE_GRADIENTS(SquareFunction, T, (plain_gradients<SquareFunction, T>)) \
  NAGARE_DEFINE_GRADIENTS(SqrtFunction, T, (plain_gradients<SqrtFunction, T>))
NAGARE_DEFINE_FUNCTIONS(float)
NAGARE_DEFINE_FUNCTIONS(bf16)
#undef NAGARE_DEFINE_FUNCTIONS
#undef NAGARE_DEFINE_GRADIENTS
#undef NAGARE_DEFINE_VALUES

}  // namespace

template <class T>
void unary(const Unary& p, const T* x, T* y, Stream) {
  for_function(p.function, [&](auto f) {
    for_each_block(p.n, kChunk, [&](std::int64_t begin, std::int64_t end) {
      values(f, end - begin, x + begin, y + begin);
    });
  });
}

template <class T>
void unary_backward(const Unary& p, const T* saved, const T* dy, T* dx, Stream) {
  for_function(p.function, [&](auto f) {
    for_each_block(p.n, kChunk, [&](std::int64_t begin, std::int64_t end) {
      gradients(f, end - begin, saved + begin, dy + begin, dx + begin);
    });
  });
}

template void unary(const Unary&, const float*, float*, Stream);
template void unary(const Unary&, const bf16*, bf16*, Stream);
template void unary_backward(const Unary&, const float*, const float*, float*, Stream);
template void unary_backward(const Unary&, const bf16*, const bf16*, bf16*, Stream);

}  // namespace nagare::kernels::cpu
