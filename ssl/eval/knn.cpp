#include "ssl/eval/knn.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>

#include "engine/autograd/tape.h"
#include "engine/device/errors.h"
#include "engine/ops/matmul.h"
#include "engine/ops/normalize.h"
#include "kernels/parallel.h"

namespace nagare::ssl {
namespace {

constexpr std::int64_t kQueryTile = 256;
constexpr std::int64_t kBankTile = 4096;  // one tile of similarities: 4 MiB
constexpr std::int64_t kRanked = 5;
constexpr float kColdest = 0.002F;  // exp(1 / temperature) must stay finite
constexpr double kDistanceFloor = 1e-5;

struct Neighbour {
  float key;  // similarity, or what falls with the distance
  std::int64_t index;
};

// Falling key; among equals the lower index first.
bool nearer(const Neighbour& a, const Neighbour& b) {
  return a.key > b.key || (a.key == b.key && a.index < b.index);
}

// The k nearest so far, as a heap with the farthest in front. Rows come in rising order, so a tie keeps the
// older row.
void offer(std::vector<Neighbour>& heap, const Neighbour& candidate, std::size_t k) {
  if (heap.size() == k) {
    if (!(candidate.key > heap.front().key)) return;
    std::ranges::pop_heap(heap, nearer);
    heap.pop_back();
  }
  heap.push_back(candidate);
  std::ranges::push_heap(heap, nearer);
}

void check(const Tensor& bank, const std::vector<std::int64_t>& labels, const Tensor& queries,
           const KnnOptions& options) {
  const Shape& n = bank.shape();
  const Shape& q = queries.shape();
  const bool shapes = n.rank() == 2 && q.rank() == 2 && n[0] >= 1 && n[1] >= 1 && q[1] == n[1];
  if (!shapes || static_cast<std::int64_t>(labels.size()) != n[0]) {
    throw std::invalid_argument("knn_classify: bank " + to_string(n) + " with " +
                                std::to_string(labels.size()) + " labels, queries " + to_string(q) +
                                ": need (N, D) with N labels and (Q, D)");
  }
  if (options.neighbours < 1 || options.classes < 1 ||
      !(options.temperature >= kColdest && std::isfinite(options.temperature))) {
    throw std::invalid_argument("knn_classify: " + std::to_string(options.neighbours) + " neighbours, " +
                                std::to_string(options.classes) + " classes, temperature " +
                                std::to_string(options.temperature) +
                                ": need at least 1 of each and a temperature from 0.002 up");
  }
  for (const std::int64_t label : labels) {
    if (label < 0 || label >= options.classes) {
      throw std::invalid_argument("knn_classify: label " + std::to_string(label) + " in the bank, need [0, " +
                                  std::to_string(options.classes) + ")");
    }
  }
}

// Rows on the host, where Euclidean distances are taken: the product form only ranks.
struct HostRows {
  explicit HostRows(const Tensor& rows) : dim(rows.shape()[1]), values(rows.to_vector<float>()) {}
  const float* row(std::int64_t r) const { return values.data() + r * dim; }
  std::int64_t dim;
  std::vector<float> values;
};

double squared_distance(const float* a, const float* b, std::int64_t dim) {
  double sum = 0.0;
  for (std::int64_t d = 0; d < dim; ++d) {
    const double difference = static_cast<double>(a[d]) - b[d];
    sum += difference * difference;
  }
  return sum;
}

// |f|^2 of every row f.
std::vector<float> squared_norms(const HostRows& rows) {
  const std::vector<float> origin(static_cast<std::size_t>(rows.dim));
  std::vector<float> norms(rows.values.size() / static_cast<std::size_t>(rows.dim));
  parallel_for(static_cast<std::int64_t>(norms.size()), [&](std::int64_t r) {
    norms[static_cast<std::size_t>(r)] =
        static_cast<float>(squared_distance(rows.row(r), origin.data(), rows.dim));
  });
  return norms;
}

// Neighbours of every query, nearest first. penalty: empty (key = q . f), or |f|^2 (key = 2 q . f - |f|^2,
// which falls with |q - f|).
std::vector<std::vector<Neighbour>> search(const Tensor& bank, const Tensor& queries, std::int64_t k,
                                           const std::vector<float>& penalty) {
  std::vector<std::vector<Neighbour>> nearest(static_cast<std::size_t>(queries.shape()[0]));
  std::atomic<bool> bad = false;
  for (std::int64_t q0 = 0; q0 < queries.shape()[0]; q0 += kQueryTile) {
    const Tensor some = queries.rows(q0, std::min(kQueryTile, queries.shape()[0] - q0));
    for (std::int64_t n0 = 0; n0 < bank.shape()[0]; n0 += kBankTile) {
      const std::int64_t columns = std::min(kBankTile, bank.shape()[0] - n0);
      const std::vector<float> products =
          matmul(some, bank.rows(n0, columns), {.transpose_b = true}).to_vector<float>();
      parallel_for(some.shape()[0], [&](std::int64_t q) {
        auto& heap = nearest[static_cast<std::size_t>(q0 + q)];
        for (std::int64_t c = 0; c < columns; ++c) {
          float key = products[static_cast<std::size_t>(q * columns + c)];
          if (!penalty.empty()) key = 2.0F * key - penalty[static_cast<std::size_t>(n0 + c)];
          if (std::isnan(key)) bad = true;
          offer(heap, {key, n0 + c}, static_cast<std::size_t>(k));
        }
      });
    }
  }
  if (bad) {
    throw Diverged(
        "knn_classify: a similarity is NaN: the features are not finite; train with a lower learning rate");
  }
  parallel_for(static_cast<std::int64_t>(nearest.size()),
               [&](std::int64_t q) { std::ranges::sort(nearest[static_cast<std::size_t>(q)], nearer); });
  return nearest;
}

// Similarities of the neighbours, in their order.
void set_similarities(std::span<const Neighbour> neighbours, std::span<double> similarities,
                      std::span<std::int64_t> indices) {
  for (std::size_t i = 0; i < neighbours.size(); ++i) {
    similarities[i] = neighbours[i].key;
    indices[i] = neighbours[i].index;
  }
}

// The same for Euclidean distances, taken directly and put in order again.
void set_euclidean(const HostRows& bank, const float* query, std::span<const Neighbour> neighbours,
                   std::span<double> similarities, std::span<std::int64_t> indices) {
  std::vector<std::pair<double, std::int64_t>> exact;
  for (const Neighbour& n : neighbours) {
    exact.emplace_back(std::sqrt(squared_distance(query, bank.row(n.index), bank.dim)), n.index);
  }
  std::ranges::sort(exact);
  for (std::size_t i = 0; i < exact.size(); ++i) {
    similarities[i] = 1.0 / (exact[i].first + kDistanceFloor);
    indices[i] = exact[i].second;
  }
}

// Scores of one query's classes, and the classes by falling score.
void vote(const KnnOptions& options, const std::vector<std::int64_t>& labels,
          std::span<const double> similarities, std::span<const std::int64_t> indices,
          std::span<double> scores, std::span<std::int64_t> ranking) {
  for (std::size_t i = 0; i < indices.size(); ++i) {
    double weight = 1.0;
    if (options.weighted) {
      weight = options.metric == KnnMetric::cosine ? std::exp(similarities[i] / options.temperature)
                                                   : similarities[i];
    }
    scores[static_cast<std::size_t>(labels[static_cast<std::size_t>(indices[i])])] += weight;
  }
  std::vector<std::int64_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  const auto score = [&](std::int64_t c) { return scores[static_cast<std::size_t>(c)]; };
  std::ranges::partial_sort(
      order, order.begin() + static_cast<std::ptrdiff_t>(ranking.size()),
      [&](std::int64_t a, std::int64_t b) { return score(a) > score(b) || (score(a) == score(b) && a < b); });
  std::copy_n(order.begin(), ranking.size(), ranking.begin());
}

template <class T>
std::span<T> row_of(std::vector<T>& matrix, std::int64_t row, std::int64_t columns) {
  return {matrix.data() + row * columns, static_cast<std::size_t>(columns)};
}

}  // namespace

KnnResult knn_classify(const Tensor& bank, const std::vector<std::int64_t>& bank_labels,
                       const Tensor& queries, const KnnOptions& options) {
  check(bank, bank_labels, queries, options);
  const tape::NoGrad no_grad;
  const bool cosine = options.metric == KnnMetric::cosine;
  const std::int64_t count = queries.shape()[0];
  const std::int64_t k = std::min(options.neighbours, bank.shape()[0]);
  const std::int64_t ranked = std::min(kRanked, options.classes);
  std::vector<std::vector<Neighbour>> nearest;
  std::optional<HostRows> host_bank;
  std::optional<HostRows> host_queries;
  if (cosine) {
    nearest = search(l2_normalize(bank), l2_normalize(queries), k, {});
  } else {
    host_bank.emplace(bank);
    host_queries.emplace(queries);
    nearest = search(bank, queries, k, squared_norms(*host_bank));
  }

  KnnResult result{.neighbours = k,
                   .predictions = std::vector<std::int64_t>(static_cast<std::size_t>(count)),
                   .ranking = std::vector<std::int64_t>(static_cast<std::size_t>(count * ranked)),
                   .scores = std::vector<double>(static_cast<std::size_t>(count * options.classes)),
                   .similarities = std::vector<double>(static_cast<std::size_t>(count * k)),
                   .indices = std::vector<std::int64_t>(static_cast<std::size_t>(count * k))};
  parallel_for(count, [&](std::int64_t q) {
    const std::span<const Neighbour> neighbours = nearest[static_cast<std::size_t>(q)];
    const auto similarities = row_of(result.similarities, q, k);
    const auto indices = row_of(result.indices, q, k);
    if (cosine) {
      set_similarities(neighbours, similarities, indices);
    } else {
      set_euclidean(*host_bank, host_queries->row(q), neighbours, similarities, indices);
    }
    const auto ranking = row_of(result.ranking, q, ranked);
    vote(options, bank_labels, similarities, indices, row_of(result.scores, q, options.classes), ranking);
    result.predictions[static_cast<std::size_t>(q)] = ranking.front();
  });
  return result;
}

double knn_accuracy(const KnnResult& result, const std::vector<std::int64_t>& labels, std::int64_t best) {
  const std::size_t count = result.predictions.size();
  if (labels.size() != count || best < 1 || best > kRanked) {
    throw std::invalid_argument("knn_accuracy: " + std::to_string(labels.size()) + " labels for " +
                                std::to_string(count) + " predictions, best of " + std::to_string(best) +
                                ": need as many labels, and 1 to 5");
  }
  if (count == 0) return std::numeric_limits<double>::quiet_NaN();
  const std::size_t ranked = result.ranking.size() / count;
  const std::size_t looked_at = std::min(static_cast<std::size_t>(best), ranked);
  std::int64_t right = 0;
  for (std::size_t q = 0; q < count; ++q) {
    const auto* first = result.ranking.data() + q * ranked;
    if (std::find(first, first + looked_at, labels[q]) != first + looked_at) ++right;
  }
  return 100.0 * static_cast<double>(right) / static_cast<double>(count);
}

}  // namespace nagare::ssl
