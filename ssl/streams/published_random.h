#pragma once
// The permutations of other frameworks, so that a seed in a published configuration means here what it meant there.
// Everything else that is random comes from kernels/philox.h.
//
// Both draw 32-bit words u from MT19937 in its classic one-number initialisation (std::mt19937):
//   pytorch_permutation   torch.randperm(n) on the CPU after torch.manual_seed(seed): from 0, 1, .., n - 1 on, for i = 0 ..
//                         n - 2 swap places i and i + u mod (n - i)
//   numpy_permutation     numpy.random.seed(seed), then numpy.random.shuffle of 0, 1, .., n - 1: for i = n - 1 .. 1 swap
//                         places i and j, j the first u & (2^b - 1) that is at most i, 2^b - 1 the smallest such number >= i
//
// n       0 .. 2^31 - 1: std::invalid_argument otherwise
// source  Matsumoto and Nishimura, TOMACS 1998; the published class orders of class_order.h
#include <cstdint>
#include <vector>

namespace nagare::ssl {

std::vector<std::int64_t> pytorch_permutation(std::int64_t n, std::uint32_t seed);
std::vector<std::int64_t> numpy_permutation(std::int64_t n, std::uint32_t seed);

}  // namespace nagare::ssl
