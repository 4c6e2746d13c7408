#include "kernels/vote.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "kernels/parallel.h"
#include "kernels/vote_weight.h"

namespace nagare::kernels {

void Vote::check() const {
  if (queries < 0 || k < 1 || bank < 1 || classes < 1 ||
      !(temperature > 0.0F && std::isfinite(temperature))) {
    throw std::invalid_argument("vote: " + std::to_string(queries) + " queries, k " + std::to_string(k) +
                                ", bank of " + std::to_string(bank) + ", " + std::to_string(classes) +
                                " classes, temperature " + std::to_string(temperature) +
                                ": need queries >= 0, the others >= 1, temperature positive and finite");
  }
}

void cpu::vote(const Vote& p, const float* similarity, const std::int64_t* index, const std::int64_t* label,
               double* score, Stream /*stream*/) {
  p.check();
  parallel_for(p.queries, [=](std::int64_t q) {
    double* scores = score + q * p.classes;
    std::fill_n(scores, p.classes, 0.0);
    for (std::int64_t i = q * p.k; i < (q + 1) * p.k; ++i) {
      if (index[i] < 0 || index[i] >= p.bank) continue;
      const std::int64_t c = label[index[i]];
      if (c >= 0 && c < p.classes) scores[c] += vote_weight(p, similarity[i]);
    }
  });
}

}  // namespace nagare::kernels
