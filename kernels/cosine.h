#pragma once
// Cosines of row pairs, and of patches with their mean, each with its gradient in the same reading of the operands.
//
//   cosine         c[r] = a_r . b_r / (|a_r|' |b_r|'),   |v|' = max(|v|, epsilon),   loss = weight sum_r c[r]
//                  da_r = weight / |a_r|' (b_r / |b_r|' - [|a_r| >= epsilon] c[r] a_r / |a_r|),   db_r alike
//   patch_cosine   m_j = (1/n) sum_i z_ij,   c[i,j] = cosine(z_ij, m_j),   loss = weight sum_ij c[i,j]
//                  dz_ij = da of the pair (z_ij, m_j) + (1/n) sum_k db of the pair (z_kj, m_j)
//
// a, b, da, db   T (rows, cols), row-major; T is float or bf16 (computed in float). da or db may be nullptr: that
//                operand is a constant (stop-gradient); both: forward only
// z, dz          T (patches, batch, dim): patch i of image j at [i, j]; dz may be nullptr: forward only
// cosines        f32 (rows) or (patches, batch);  loss  f32, one number
// weight         a factor that the caller knows beforehand (1/rows for a mean), so that the gradients are final
// epsilon        positive, not subnormal; 1e-8 in the methods. A row shorter than it is divided by epsilon, a constant
// aliasing       da may be a, db may be b, dz may be z
// range          lengths to 1e37: no square overflows on the way
// special        a row of zeros has cosine 0, and gradient weight b / (|b|' epsilon); NaN or infinity spoil their row
//                (patch_cosine: their image) and the loss alone
// accuracy       f32: |c - exact| <= 1e-6; bit-identical from run to run and for any number of threads
// cost           a and b (z) are read from memory once, again from cache for the gradients; floor 2 element transfers
//                forward and 1 per gradient (1 forward, 2 with dz)
// errors         std::invalid_argument with sizes, epsilon and weight, before anything is written; rows = 0: loss 0
// source         torch.nn.functional.cosine_similarity; Chen and He, CVPR 2021, eq. 1; Grill et al., NeurIPS 2020,
//                eq. 2; patches: Tong et al., arXiv:2304.03977, eq. 5
#include <cstdint>

#include "kernels/bf16.h"
#include "kernels/stream.h"

namespace nagare::kernels {

struct Cosine {
  std::int64_t rows;  // >= 0
  std::int64_t cols;  // >= 1
  float epsilon = 1e-8F;
  float weight = 1.0F;  // finite

  void check() const;
};

struct PatchCosine {
  std::int64_t patches;  // >= 1
  std::int64_t batch;    // >= 0
  std::int64_t dim;      // >= 1
  float epsilon = 1e-8F;
  float weight = 1.0F;  // finite

  void check() const;
  std::int64_t scratch_floats() const { return batch * (dim + 2 * patches); }
};

template <class T>
struct CosineOutputs {
  float* cosines;
  float* loss;
  T* da;  // or nullptr
  T* db;  // or nullptr
};

template <class T>
struct PatchCosineOutputs {
  float* cosines;
  float* loss;
  T* dz;  // or nullptr
};

#define NAGARE_DECLARE_TWIN                                                                             \
  template <class T>                                                                                    \
  void cosine(const Cosine& p, const T* a, const T* b, const CosineOutputs<T>& out, Stream stream);     \
  template <class T>                                                                                    \
  void patch_cosine(const PatchCosine& p, const T* z, float* scratch, const PatchCosineOutputs<T>& out, \
                    Stream stream);

namespace cpu {
NAGARE_DECLARE_TWIN
}
namespace cuda {
NAGARE_DECLARE_TWIN
}
#undef NAGARE_DECLARE_TWIN

}  // namespace nagare::kernels
