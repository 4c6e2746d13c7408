#include <cmath>

#include "kernels/vote_weight.h"
#include "kernels/warp.cuh"

namespace nagare::kernels::cuda {
namespace {

// One warp per query. 32 weights at a time are computed side by side; lane 0 adds them in their order, so that no
// score depends on which lane came first.
__global__ void vote_of_queries(Vote p, const float* similarity, const std::int64_t* index,
                                const std::int64_t* label, double* score) {
  for_each_row_of_this_warp(p.queries, [=](std::int64_t q, int lane) {
    double* scores = score + q * p.classes;
    for (std::int64_t c = lane; c < p.classes; c += kWarp) scores[c] = 0.0;
    __syncwarp();
    for (std::int64_t first = 0; first < p.k; first += kWarp) {
      const std::int64_t i = first + lane;
      const std::int64_t row = i < p.k ? index[q * p.k + i] : -1;
      const std::int64_t c = row >= 0 && row < p.bank ? label[row] : -1;
      const double weight = c >= 0 ? vote_weight(p, similarity[q * p.k + i]) : 0.0;
      for (int from = 0; from < kWarp; ++from) {
        const std::int64_t its_class = __shfl_sync(kAllLanes, static_cast<long long>(c), from);
        const double its_weight = __shfl_sync(kAllLanes, weight, from);
        if (lane == 0 && its_class >= 0 && its_class < p.classes) scores[its_class] += its_weight;
      }
    }
  });
}

}  // namespace

void vote(const Vote& p, const float* similarity, const std::int64_t* index, const std::int64_t* label,
          double* score, Stream stream) {
  p.check();
  launch_warp_per_row("vote", vote_of_queries, p.queries, stream, p, similarity, index, label, score);
}

}  // namespace nagare::kernels::cuda
