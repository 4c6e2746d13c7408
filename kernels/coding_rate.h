#pragma once
// Rate of a Gaussian code for each of n feature matrices, and its gradient.
//
//   forward    rate_i = 1/2 log det(I + alpha z_i z_i^T)
//   backward   dz_i = drate_i alpha (I + alpha z_i z_i^T)^-1 z_i
//   form       det(I + alpha z z^T) = det(I + alpha z^T z) and (I + alpha z z^T)^-1 z = z (I + alpha z^T z)^-1: both work
//              on the smaller Gram matrix, of order m = min(samples, dim)
//
// z            f32 or bf16 (batch, samples, dim), row-major
// alpha        positive, finite; d / (b eps) in EMP-SSL
// factor       f32, factor_size() elements: per matrix (stride, stride) with U above and on the diagonal, U^T U = I +
//              alpha Gram, and the strict lower triangle of U^-T below it. Entries beyond the order are the twin's own
// rate         f32 (batch)
// least        f32 (batch): the smallest U[k,k]. Exactly it is >= 1; the further below, the more of I was lost when it
//              was added to alpha Gram in f32
// status       i32 (batch): 0, or 1 + the first row k whose pivot came out not positive or not finite. Then rate and
//              least are NaN, the factor is undefined, and no other matrix is touched. Nothing waits for the device
// drate, dz    f32 (batch) and f32 (batch, samples, dim). dz_i is NaN throughout where status is not 0
// scratch      f32, forward_scratch() or backward_scratch<T>() elements; holds nothing between calls
// aliasing     none
// range        finite z for which alpha |z|^2 m stays well below 1e7 (f32 loses I there) is never refused
// accuracy     sums in f32: |rate - exact| <= 1e-5 rate + 1e-7 m, dz to 1e-5 of its largest entry for alpha |z|^2 m up
//              to 1e3; then both lose digits as alpha |z|^2 m grows
// determinism  the same bits on every run and for any number of threads
// cost         m^2 k (Gram) + 2/3 m^3 FLOP forward, 2 m^2 k + 2/3 m^3 backward, k = max(samples, dim); z read twice
// errors       std::invalid_argument with sizes and alpha, before anything is written; batch = 0 does nothing.
//              The CUDA twin takes orders up to kLargestSharedOrder, whose factor fits in shared memory (engine/vendor/
//              large_coding_rate.h goes on from there)
// source       Ma et al., IEEE TPAMI 2007, eq. 10; Tong et al., arXiv:2304.03977, eq. 2
#include <cstdint>

#include "kernels/bf16.h"
#include "kernels/stream.h"

namespace nagare::kernels {

struct CodingRate {
  static constexpr std::int64_t kLargestSharedOrder = 238;

  std::int64_t batch = 0;    // >= 0
  std::int64_t samples = 1;  // >= 1
  std::int64_t dim = 1;      // >= 1
  float alpha = 1.0F;

  // Whether the Gram matrix is z z^T (samples x samples), else z^T z.
  bool by_sample() const { return samples <= dim; }
  std::int64_t order() const { return by_sample() ? samples : dim; }
  std::int64_t inner() const { return by_sample() ? dim : samples; }
  // Rows and columns of a stored factor: the order rounded up to a vector of the CPU, half a line of the GPU's cache.
  std::int64_t stride() const { return (order() + 15) / 16 * 16; }
  std::int64_t factor_size() const { return batch * stride() * stride(); }
  // Parts into which the CUDA twin cuts the sums of a Gram matrix, so that few small matrices fill a GPU.
  std::int64_t gram_parts() const;
  std::int64_t forward_scratch() const { return gram_parts() * factor_size(); }
  template <class T>
  std::int64_t backward_scratch() const {
    return 2 * factor_size() + (sizeof(T) < sizeof(float) ? batch * samples * dim : 0);
  }

  void check() const;
};

// What the forward tells of every matrix.
struct CodingRateResult {
  float* rate;
  float* least;
  std::int32_t* status;
};

#define NAGARE_DECLARE_TWIN                                                                            \
  template <class T>                                                                                   \
  void coding_rate(const CodingRate& p, const T* z, float* factor, const CodingRateResult& result,     \
                   float* scratch, Stream stream);                                                     \
  template <class T>                                                                                   \
  void coding_rate_backward(const CodingRate& p, const T* z, const float* factor,                      \
                            const std::int32_t* status, const float* drate, float* dz, float* scratch, \
                            Stream stream);

namespace cpu {
NAGARE_DECLARE_TWIN
}
namespace cuda {
NAGARE_DECLARE_TWIN
}
#undef NAGARE_DECLARE_TWIN

}  // namespace nagare::kernels
