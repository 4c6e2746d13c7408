#pragma once
// What both twins of contrastive.h do row by row: identities, running sums of exponentials, and how they end.
#include <cmath>

#include "kernels/contrastive.h"

namespace nagare::kernels {

struct Identities {
  const std::int64_t* labels;
  std::int64_t period;
  NAGARE_HOST_DEVICE std::int64_t of(std::int64_t i) const {
    return labels != nullptr ? labels[i] : period > 0 ? i % period : 0;
  }
  // Of row i, from that of row i - 1.
  std::int64_t next(std::int64_t i, std::int64_t before) const {
    return labels != nullptr ? labels[i] : before + 1 < period ? before + 1 : 0;
  }
};

// What a maximum subtracts: nothing where every logit so far was masked, as -inf - -inf is not a number.
NAGARE_HOST_DEVICE inline float shift_of(float max) { return max == -INFINITY ? 0.0F : max; }

// A sum of exp(s - max) joined by another one, or by a single logit (whose sum is 1). NaN is left to the sum.
NAGARE_HOST_DEVICE inline void merge_sum(float other_max, float other_sum, float& max, float& sum) {
  const float largest = other_max > max ? other_max : max;
  const float shift = shift_of(largest);
  sum = sum * std::exp(max - shift) + other_sum * std::exp(other_max - shift);
  max = largest;
}

// What is known of a row while its columns go by.
struct RowSums {
  float max = -INFINITY;  // of the denominator; without the positives where these are summed apart
  float sum = 0.0F;
  float positive_max = 0.0F;  // of the positives' own running sum, or the sum of their logits
  float positive_sum = 0.0F;  // that sum, or the number of positives

  NAGARE_HOST_DEVICE explicit RowSums(const Contrastive& p)
      : positive_max(p.positives == ContrastivePositives::summed ? -INFINITY : 0.0F) {}
  NAGARE_HOST_DEVICE RowSums(float max_, float sum_, float positive_max_, float positive_sum_)
      : max(max_), sum(sum_), positive_max(positive_max_), positive_sum(positive_sum_) {}

  NAGARE_HOST_DEVICE void add_positive(const Contrastive& p, float s) {
    if (p.positives == ContrastivePositives::summed) {
      merge_sum(s, 1.0F, positive_max, positive_sum);
    } else {
      positive_max += s;
      positive_sum += 1.0F;
    }
  }
  NAGARE_HOST_DEVICE void merge(const Contrastive& p, const RowSums& other) {
    merge_sum(other.max, other.sum, max, sum);
    if (p.positives == ContrastivePositives::summed) {
      merge_sum(other.positive_max, other.positive_sum, positive_max, positive_sum);
    } else {
      positive_max += other.positive_max;
      positive_sum += other.positive_sum;
    }
  }
};

// The sums of all rows over one part of the columns, in scratch: four arrays, each padded so that whole vectors fit.
struct PartialRows {
  float* max;
  float* sum;
  float* positive_max;
  float* positive_sum;

  NAGARE_HOST_DEVICE static std::int64_t padded(std::int64_t rows) { return (rows + 15) / 16 * 16; }
  NAGARE_HOST_DEVICE PartialRows(const Contrastive& p, float* scratch, std::int64_t part)
      : max(scratch + part * 4 * padded(p.rows)),
        sum(max + padded(p.rows)),
        positive_max(sum + padded(p.rows)),
        positive_sum(positive_max + padded(p.rows)) {}
  NAGARE_HOST_DEVICE RowSums load(std::int64_t row) const {
    return {max[row], sum[row], positive_max[row], positive_sum[row]};
  }
  NAGARE_HOST_DEVICE void store(std::int64_t row, const RowSums& sums) const {
    max[row] = sums.max;
    sum[row] = sums.sum;
    positive_max[row] = sums.positive_max;
    positive_sum[row] = sums.positive_sum;
  }
};

// The rows of stats.
template <class Float>  // float or const float
struct RowStats {
  Float* max;
  Float* log_sum;
  Float* positive_max;
  Float* positive_share;  // of an average; the logarithm of the positives' sum where they are summed

  NAGARE_HOST_DEVICE RowStats(const Contrastive& p, Float* stats)
      : max(stats),
        log_sum(stats + p.rows),
        positive_max(stats + 2 * p.rows),
        positive_share(stats + 3 * p.rows) {}
};

// The row's loss, and its stats. All columns have gone by.
NAGARE_HOST_DEVICE inline float finish_row(const Contrastive& p, RowSums row, std::int64_t i,
                                           const RowStats<float>& to) {
  const bool summed = p.positives == ContrastivePositives::summed;
  if (summed) merge_sum(row.positive_max, row.positive_sum, row.max, row.sum);
  const bool lonely = row.positive_sum == 0.0F;  // without a positive the row does not count
  const bool empty = row.sum == 0.0F;
  const float log_sum = std::log(row.sum);
  to.max[i] = empty ? 0.0F : row.max;
  to.log_sum[i] = lonely || empty ? INFINITY : log_sum;  // exp(s - inf) = 0: no gradient
  to.positive_max[i] = summed && !lonely ? row.positive_max : 0.0F;
  to.positive_share[i] = lonely ? 0.0F : summed ? std::log(row.positive_sum) : 1.0F / row.positive_sum;
  if (lonely) return 0.0F;
  return summed ? (row.max - row.positive_max) + (log_sum - to.positive_share[i])
                : (row.max - row.positive_max / row.positive_sum) + log_sum;
}

}  // namespace nagare::kernels
