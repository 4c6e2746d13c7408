#pragma once
// Sinkhorn-Knopp: soft assignments of samples to prototypes that use all prototypes equally (SwAV's codes).
//
//   E[b,k] = exp(s[b,k] / e),  u = 1,  then `iterations` times
//       v[k] = (B / K) / sum_b u[b] E[b,k]    every prototype gets the same mass; B = rows + queue_rows, K = cols
//       u[b] = 1 / sum_k E[b,k] v[k]          every sample counts 1
//   Q[b,k] = u[b] E[b,k] v[k],  the rows of Q sum to 1
//
// The published loop divides the matrix itself, first by its sum, then by K, B and the marginals in turn; those factors
// cancel in the last row normalisation, so two vectors say the same. There is no gradient: codes are targets, constants
// by definition of the method, and no backward exists that one could call by mistake.
//
// s            T (rows, cols), T is float or bf16; queue  T (queue_rows, cols): further samples that share the
//              prototypes but get no codes (nullptr when queue_rows is 0)
// q            f32 (rows, cols);  workspace  f32 (workspace_floats()), at an address that is a multiple of 8,
//              written and read inside one call
// e            epsilon, in units of s
// domain       linear: each row's own maximum is subtracted in the exponent, which cosines at e = 0.05 never outgrow.
//              A prototype whose mass is below e^-69 of the best sample's is raised to that, so Q stays finite.
//              log: v and u are kept as logarithms, in double; right for any finite scores. The CUDA twin always works with
//              logarithms, in f32 in the linear domain
// aliasing     none
// special      a score that is NaN or +inf makes NaN at least of its row and at most of all Q
// accuracy     4e-6 per entry of Q; linear: where no prototype was raised, and + 2e-7 max|s| / e on CUDA
// determinism  the same bits for any number of threads and on every run: shares of rows, cut by their number alone,
//              leave column sums that are added in order
// cost         linear: s is read once, E is written to q and read iterations times, one exponential per entry.
//              log: s is read iterations + 1 times; floor of the CUDA twin (iterations + 1) sizeof(T) + 4 bytes per entry
// errors       std::invalid_argument with sizes, epsilon and iterations, before anything is written
// source       Cuturi, NIPS 2013; Caron et al., NeurIPS 2020 (SwAV), section 3.1 and its published code
#include <cstdint>

#include "kernels/bf16.h"
#include "kernels/stream.h"

namespace nagare::kernels {

enum class SinkhornDomain { linear, log };

struct Sinkhorn {
  std::int64_t rows;            // B >= 0; 0 does nothing
  std::int64_t cols;            // K >= 1
  std::int64_t queue_rows = 0;  // >= 0
  float epsilon = 0.05F;
  std::int64_t iterations = 3;  // >= 1
  SinkhornDomain domain = SinkhornDomain::linear;

  void check() const;
  std::int64_t samples() const { return rows + queue_rows; }
  std::int64_t workspace_floats() const;  // of the twin that needs more
};

#define NAGARE_DECLARE_TWIN \
  template <class T>        \
  void sinkhorn(const Sinkhorn& p, const T* s, const T* queue, float* q, float* workspace, Stream stream);

namespace cpu {
NAGARE_DECLARE_TWIN
}
namespace cuda {
NAGARE_DECLARE_TWIN
}
#undef NAGARE_DECLARE_TWIN

}  // namespace nagare::kernels
