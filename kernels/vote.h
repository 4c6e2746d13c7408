#pragma once
// Votes of the nearest rows for their classes.
//
//   score[q,c] = sum over i in [0, k), label[index[q,i]] = c, of w(similarity[q,i]), added from i = 0 on
//   w(s)       = exp(s / T) (exponential), s (similarity) or 1 (one)
//
// similarity  f32 (queries, k);  index  i64 (queries, k): rows of the bank, as kernels/nearest.h gives them
// label       i64 (bank)
// score       f64 (queries, classes): exp(1 / T) is beyond f32 from T = 0.0113 down
// special     an index outside [0, bank) and a label outside [0, classes) have no vote
// accuracy    of f64; bit-identical from run to run; the twins' exp may differ in the last bit
// cost        queries * k exponentials
// errors      std::invalid_argument with the sizes, before anything is written
// source      Wu et al., CVPR 2018 (InstDisc), section 3.4
#include <cstdint>

#include "kernels/stream.h"

namespace nagare::kernels {

enum class VoteWeight : std::uint8_t { one, similarity, exponential };

struct Vote {
  std::int64_t queries;  // >= 0; none is valid and does nothing
  std::int64_t k;        // >= 1
  std::int64_t bank;     // >= 1
  std::int64_t classes;  // >= 1
  VoteWeight weight = VoteWeight::exponential;
  float temperature = 0.07F;  // positive, finite

  void check() const;
};

namespace cpu {
void vote(const Vote& p, const float* similarity, const std::int64_t* index, const std::int64_t* label,
          double* score, Stream stream);
}
namespace cuda {
void vote(const Vote& p, const float* similarity, const std::int64_t* index, const std::int64_t* label,
          double* score, Stream stream);
}

}  // namespace nagare::kernels
