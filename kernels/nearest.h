#pragma once
// The k nearest rows of a bank for every query, without the queries x bank matrix.
//
//   key[q,n]         = query[q] . bank[n] - penalty[n]                         (penalty absent: 0)
//   index[q, 0..k)   = the k rows n of largest key, by falling key; among equal keys the lower n comes first
//   similarity[q,i]  = key[q, index[q,i]]
//
// Unit rows: cosine similarity. penalty[n] = |bank[n]|^2 / 2: the order of falling Euclidean distance.
//
// query, bank   T (queries, dim) and (bank, dim), row-major; T is float or bf16, products are summed in f32
// penalty       f32 (bank), or null
// similarity    f32 (queries, k);   index  i64 (queries, k)
// scratch       scratch_bytes(device) bytes, 64-byte aligned; contents are of no interest afterwards
// through_bf16  float input alone. The search runs on bf16 copies of the rows and keeps every row whose key may still be
//               among the k largest: rounding moves a key by at most e = |dq| |b| + |q'| |db| (Cauchy-Schwarz; dq, db:
//               what rounding took away, q' the rounded query; rows are taken relative to a common centre, which makes
//               them short), so rows below the k-th largest by more than 2 e are out. The rest are scored again in f32. A
//               query with too many of them (the bank is one point, nearly) is searched in f32. So the neighbours are
//               those of f32: the same but where two keys differ in their last bits. The CUDA twin searches in f32
// special       a query with a NaN key gets similarity NaN and index -1 throughout, and no other query is touched by
//               it. Infinite keys have their place in the order; -0 equals 0
// ties          exact: equal rows of the bank have equal keys
// accuracy      of an f32 sum; the same bits from run to run and for any number of threads; the twins differ in last bits
// cost          queries * bank * dim multiply-adds; on the CPU the select adds about a tenth in f32. Memory beside
//               the scratch: none
// errors        std::invalid_argument with the sizes, before anything is written
// source        the select keeps a threshold and a short list of what passed it, as in Johnson, Douze and Jegou,
//               "Billion-scale similarity search with GPUs", arXiv:1702.08734, section 4
#include <cstdint>

#include "kernels/bf16.h"
#include "kernels/device.h"
#include "kernels/stream.h"

namespace nagare::kernels {

struct Nearest {
  std::int64_t queries;  // >= 0; none is valid and does nothing
  std::int64_t bank;     // 1 .. 2^31 - 1
  std::int64_t dim;      // 1 .. 2^31 - 1
  std::int64_t k;        // 1 .. bank
  bool through_bf16 = false;

  void check() const;
  // On the CPU it grows with the number of threads.
  std::int64_t scratch_bytes(Device device) const;
};

#define NAGARE_NEAREST_TWIN                                                                            \
  template <class T>                                                                                   \
  void nearest(const Nearest& p, const T* queries, const T* bank, const float* penalty, void* scratch, \
               float* similarity, std::int64_t* index, Stream stream);

namespace cpu {
NAGARE_NEAREST_TWIN
}
namespace cuda {
NAGARE_NEAREST_TWIN
}
#undef NAGARE_NEAREST_TWIN

}  // namespace nagare::kernels
