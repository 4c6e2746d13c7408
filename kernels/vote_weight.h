#pragma once
// What one neighbour's vote counts. Shared by both twins of kernels/vote.h.
#include <cmath>

#include "kernels/host_device.h"
#include "kernels/vote.h"

namespace nagare::kernels {

NAGARE_HOST_DEVICE inline double vote_weight(const Vote& p, float similarity) {
  if (p.weight == VoteWeight::one) return 1.0;
  if (p.weight == VoteWeight::similarity) return similarity;
  return exp(static_cast<double>(similarity) / p.temperature);
}

}  // namespace nagare::kernels
