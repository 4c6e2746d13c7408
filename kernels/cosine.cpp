#include "kernels/cosine.h"

#include <cmath>
#include <stdexcept>
#include <string>

#include "kernels/parallel.h"
#include "kernels/row_sums.h"

namespace nagare::kernels {
namespace {

void check_numbers(const std::string& who, bool sizes, float epsilon, float weight, const char* need) {
  if (!sizes || !(epsilon > 0.0F && std::isnormal(epsilon)) || !std::isfinite(weight)) {
    throw std::invalid_argument(who + ", epsilon " + std::to_string(epsilon) + ", weight " +
                                std::to_string(weight) + ": need " + need +
                                ", epsilon positive, finite and not subnormal, weight finite");
  }
}

}  // namespace

void Cosine::check() const {
  check_numbers("cosine: shape (" + std::to_string(rows) + ", " + std::to_string(cols) + ")",
                rows >= 0 && cols >= 1, epsilon, weight, "rows >= 0, cols >= 1");
}

void PatchCosine::check() const {
  check_numbers("patch_cosine: shape (" + std::to_string(patches) + ", " + std::to_string(batch) + ", " +
                    std::to_string(dim) + ")",
                patches >= 1 && batch >= 0 && dim >= 1, epsilon, weight,
                "patches >= 1, batch >= 0, dim >= 1");
}

namespace cpu {
namespace {

using simd::kLanes;
using simd::Vector;

// An image's mean, and of every patch what its gradient needs.
struct PatchTerms {
  float* mean;     // (dim)
  float* inverse;  // (patches): 1 / |z|'
  float* slope;    // (patches): c / |z|, 0 where the divisor is a constant
};

// Sixteen (or `count`) columns of all patches of one image. stride: elements from a patch to the next.
template <class T>
NAGARE_INLINE void mean_columns(std::int64_t patches, std::int64_t stride, std::int64_t count, const T* z,
                                float share, float* mean) {
  Vector sum{};
  for (std::int64_t i = 0; i < patches; ++i) {
    Vector v;
    get_row(z + i * stride, count, v);
    sum += v * share;
  }
  put_row(mean, count, sum);
}

// The same of the mean.
struct MeanFactors {
  float weight;   // of the loss
  float inverse;  // 1 / |m|'
  float slope;    // sum_i c_i / |m|, 0 where the divisor is a constant
  float share;    // 1 / n
};

template <class T>
NAGARE_INLINE void gradient_columns(std::int64_t patches, std::int64_t stride, std::int64_t count, const T* z,
                                    const PatchTerms& terms, std::int64_t c, const MeanFactors& f, T* dz) {
  Vector mean;
  get_row(terms.mean + c, count, mean);
  Vector sum{};  // of unit patches
  for (std::int64_t i = 0; i < patches; ++i) {
    Vector v;
    get_row(z + i * stride, count, v);
    sum += v * terms.inverse[i];
  }
  const Vector direction = mean * f.inverse;
  const Vector shared = (sum - mean * f.slope) * (f.inverse * f.weight * f.share);
  for (std::int64_t i = 0; i < patches; ++i) {
    Vector v;
    get_row(z + i * stride, count, v);
    put_row(dz + i * stride, count,
            (direction - v * terms.slope[i]) * (terms.inverse[i] * f.weight) + shared);
  }
}

// What a gradient is made of: d = scale (inverse of the other's length * other - slope * own).
struct RowFactors {
  float scale;
  float other;
  float slope;
};

template <class T>
NAGARE_INLINE void gradient_rows(std::int64_t n, const T* a, const T* b, const RowFactors& fa,
                                 const RowFactors& fb, T* da, T* db) {
  for (std::int64_t i = 0; i < n; i += kLanes) {
    const std::int64_t count = n - i < kLanes ? n - i : kLanes;
    Vector x, y;
    get_row(a + i, count, x);
    get_row(b + i, count, y);
    if (da != nullptr) put_row(da + i, count, (y * fa.other - x * fa.slope) * fa.scale);
    if (db != nullptr) put_row(db + i, count, (x * fb.other - y * fb.slope) * fb.scale);
  }
}

// One definition per element type, as only plain functions can be compiled for several vector widths.
#define NAGARE_DEFINE_ROWS(T)                                                                               \
  NAGARE_SIMD void products(std::int64_t n, const T* a, const T* b, RowProducts& out) {                     \
    row_products(n, a, b, out);                                                                             \
  }                                                                                                         \
  NAGARE_SIMD void gradients(std::int64_t n, const T* a, const T* b, const RowFactors& fa,                  \
                             const RowFactors& fb, T* da, T* db) {                                          \
    gradient_rows(n, a, b, fa, fb, da, db);                                                                 \
  }                                                                                                         \
  NAGARE_SIMD void image_mean(const PatchCosine& p, const T* z, float* mean) {                              \
    for (std::int64_t c = 0; c < p.dim; c += kLanes) {                                                      \
      mean_columns(p.patches, p.batch* p.dim, p.dim - c < kLanes ? p.dim - c : kLanes, z + c,               \
                   1.0F / static_cast<float>(p.patches), mean + c);                                         \
    }                                                                                                       \
  }                                                                                                         \
  NAGARE_SIMD void image_gradient(const PatchCosine& p, const T* z, const PatchTerms& terms,                \
                                  const MeanFactors& f, T* dz) {                                            \
    for (std::int64_t c = 0; c < p.dim; c += kLanes) {                                                      \
      gradient_columns(p.patches, p.batch* p.dim, p.dim - c < kLanes ? p.dim - c : kLanes, z + c, terms, c, \
                       f, dz + c);                                                                          \
    }                                                                                                       \
  }
NAGARE_DEFINE_ROWS(float)
NAGARE_DEFINE_ROWS(bf16)
#undef NAGARE_DEFINE_ROWS
// A patch and the mean of its image, which is float whatever the patch.
NAGARE_SIMD void products(std::int64_t n, const bf16* a, const float* b, RowProducts& out) {
  row_products(n, a, b, out);
}

// The three sums of two rows, whatever their magnitude.
template <class A, class B>
RowProducts sound_products(std::int64_t n, const A* a, const B* b) {
  RowProducts sums;
  products(n, a, b, sums);
  return is_sound(sums.aa) && is_sound(sums.bb) ? sums : exact_row_products(n, a, b);
}

// max(length, epsilon), and whether that is the constant; NaN stays.
struct Divisor {
  Divisor(double squares, float epsilon)
      : length(std::sqrt(squares)), constant(length < epsilon), value(constant ? epsilon : length) {}
  float inverse() const { return static_cast<float>(1.0 / value); }
  // c / length, where the length takes part in the gradient.
  float slope(double c) const { return constant ? 0.0F : static_cast<float>(c / length); }

  double length;
  bool constant;
  double value;
};

float weighted_sum(std::int64_t n, const float* values, float weight) {
  double sum = 0.0;
  for (std::int64_t i = 0; i < n; ++i) sum += values[i];
  return static_cast<float>(weight * sum);
}

template <class T>
void one_image(const PatchCosine& p, std::int64_t j, const T* z, float* scratch,
               const PatchCosineOutputs<T>& out) {
  const PatchTerms terms{.mean = scratch, .inverse = scratch + p.dim, .slope = scratch + p.dim + p.patches};
  z += j * p.dim;
  image_mean(p, z, terms.mean);
  double sum = 0.0;  // of cosines
  Divisor mean(1.0, p.epsilon);
  for (std::int64_t i = 0; i < p.patches; ++i) {
    const RowProducts sums = sound_products(p.dim, z + i * p.batch * p.dim, terms.mean);
    const Divisor patch(sums.aa, p.epsilon);
    mean = Divisor(sums.bb, p.epsilon);
    const double c = sums.ab / patch.value / mean.value;
    out.cosines[i * p.batch + j] = static_cast<float>(c);
    terms.inverse[i] = patch.inverse();
    terms.slope[i] = patch.slope(c);
    sum += c;
  }
  if (out.dz == nullptr) return;
  image_gradient(p, z, terms,
                 {.weight = p.weight,
                  .inverse = mean.inverse(),
                  .slope = mean.slope(sum),
                  .share = 1.0F / static_cast<float>(p.patches)},
                 out.dz + j * p.dim);
}

}  // namespace

template <class T>
void cosine(const Cosine& p, const T* a, const T* b, const CosineOutputs<T>& out, Stream) {
  p.check();
  parallel_for(p.rows, [&](std::int64_t r) {
    const std::int64_t at = r * p.cols;
    const RowProducts sums = sound_products(p.cols, a + at, b + at);
    const Divisor da(sums.aa, p.epsilon);
    const Divisor db(sums.bb, p.epsilon);
    const double c = sums.ab / da.value / db.value;
    out.cosines[r] = static_cast<float>(c);
    if (out.da == nullptr && out.db == nullptr) return;
    gradients(p.cols, a + at, b + at,
              {.scale = p.weight * da.inverse(), .other = db.inverse(), .slope = da.slope(c)},
              {.scale = p.weight * db.inverse(), .other = da.inverse(), .slope = db.slope(c)},
              out.da == nullptr ? nullptr : out.da + at, out.db == nullptr ? nullptr : out.db + at);
  });
  *out.loss = weighted_sum(p.rows, out.cosines, p.weight);
}

template <class T>
void patch_cosine(const PatchCosine& p, const T* z, float* scratch, const PatchCosineOutputs<T>& out,
                  Stream) {
  p.check();
  parallel_for(p.batch,
               [&](std::int64_t j) { one_image(p, j, z, scratch + j * (p.dim + 2 * p.patches), out); });
  *out.loss = weighted_sum(p.patches * p.batch, out.cosines, p.weight);
}

#define NAGARE_INSTANTIATE(T)                                                               \
  template void cosine(const Cosine&, const T*, const T*, const CosineOutputs<T>&, Stream); \
  template void patch_cosine(const PatchCosine&, const T*, float*, const PatchCosineOutputs<T>&, Stream);
NAGARE_INSTANTIATE(float)
NAGARE_INSTANTIATE(bf16)
#undef NAGARE_INSTANTIATE

}  // namespace cpu
}  // namespace nagare::kernels
