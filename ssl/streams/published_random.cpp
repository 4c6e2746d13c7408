#include "ssl/streams/published_random.h"

#include <bit>
#include <limits>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>

namespace nagare::ssl {
namespace {

std::vector<std::int64_t> identity(std::int64_t n) {
  if (n < 0 || n > std::numeric_limits<std::int32_t>::max()) {
    throw std::invalid_argument("permutation of " + std::to_string(n) + ": need 0 to 2^31 - 1");
  }
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  return order;
}

}  // namespace

std::vector<std::int64_t> pytorch_permutation(std::int64_t n, std::uint32_t seed) {
  std::vector<std::int64_t> order = identity(n);
  std::mt19937 random(seed);
  for (std::size_t i = 0; i + 1 < order.size(); ++i) {
    std::swap(order[i], order[i + random() % (order.size() - i)]);
  }
  return order;
}

std::vector<std::int64_t> numpy_permutation(std::int64_t n, std::uint32_t seed) {
  std::vector<std::int64_t> order = identity(n);
  std::mt19937 random(seed);
  for (auto i = static_cast<std::uint32_t>(order.empty() ? 0 : order.size() - 1); i > 0; --i) {
    const std::uint32_t mask = std::numeric_limits<std::uint32_t>::max() >> std::countl_zero(i);
    std::uint32_t j = random() & mask;
    while (j > i) j = random() & mask;
    std::swap(order[i], order[j]);
  }
  return order;
}

}  // namespace nagare::ssl
