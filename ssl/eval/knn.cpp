#include "ssl/eval/knn.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>

#include "engine/autograd/tape.h"
#include "engine/device/errors.h"
#include "engine/ops/nearest.h"
#include "engine/ops/normalize.h"
#include "kernels/parallel.h"

namespace nagare::ssl {
namespace {

constexpr std::int64_t kRanked = 5;
constexpr float kColdest = 0.002F;  // exp(1 / temperature) must stay finite
constexpr double kDistanceFloor = 1e-5;

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

template <class T>
std::span<T> row_of(std::vector<T>& matrix, std::int64_t row, std::int64_t columns) {
  return {matrix.data() + row * columns, static_cast<std::size_t>(columns)};
}

double squared_distance(const float* a, const float* b, std::int64_t dim) {
  double sum = 0.0;
  for (std::int64_t d = 0; d < dim; ++d) {
    const double difference = static_cast<double>(a[d]) - b[d];
    sum += difference * difference;
  }
  return sum;
}

// |f|^2 / 2 of every row f: q . f less that falls with |q - f|.
Tensor half_squared_norms(const HostRows& rows, Device device) {
  const std::vector<float> origin(static_cast<std::size_t>(rows.dim));
  std::vector<float> halves(rows.values.size() / static_cast<std::size_t>(rows.dim));
  parallel_for(static_cast<std::int64_t>(halves.size()), [&](std::int64_t r) {
    halves[static_cast<std::size_t>(r)] =
        static_cast<float>(0.5 * squared_distance(rows.row(r), origin.data(), rows.dim));
  });
  return Tensor::from(halves, {static_cast<std::int64_t>(halves.size())}, device);
}

// Similarities of every query's k nearest rows by Euclidean distance. The kernel's key only finds them: the distances are
// taken directly, and put in order again.
NearestRows nearest_by_distance(const Tensor& bank, const Tensor& queries, std::int64_t k,
                                std::vector<double>& similarities) {
  const HostRows host_bank(bank);
  const HostRows host_queries(queries);
  const Device device = bank.device();
  NearestRows found = nearest(queries, bank, k, half_squared_norms(host_bank, device));
  std::vector<std::int64_t> indices = found.index.to_vector<std::int64_t>();
  parallel_for(queries.shape()[0], [&](std::int64_t q) {
    const auto row = row_of(indices, q, k);
    if (row.front() < 0) return;
    std::vector<std::pair<double, std::int64_t>> exact;
    for (const std::int64_t n : row) {
      exact.emplace_back(std::sqrt(squared_distance(host_queries.row(q), host_bank.row(n), host_bank.dim)),
                         n);
    }
    std::ranges::sort(exact);
    for (std::size_t i = 0; i < exact.size(); ++i) {
      row_of(similarities, q, k)[i] = 1.0 / (exact[i].first + kDistanceFloor);
      row[i] = exact[i].second;
    }
  });
  const std::vector<float> single(similarities.begin(), similarities.end());
  return {.similarity = Tensor::from(single, found.index.shape(), device),
          .index = Tensor::from(indices, found.index.shape(), device)};
}

// Classes by falling score, equal ones by their number.
void rank_classes(std::span<const double> scores, std::span<std::int64_t> ranking) {
  std::vector<std::int64_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  const auto score = [&](std::int64_t c) { return scores[static_cast<std::size_t>(c)]; };
  std::ranges::partial_sort(
      order, order.begin() + static_cast<std::ptrdiff_t>(ranking.size()),
      [&](std::int64_t a, std::int64_t b) { return score(a) > score(b) || (score(a) == score(b) && a < b); });
  std::copy_n(order.begin(), ranking.size(), ranking.begin());
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
  NearestRows found;
  std::vector<double> similarities(static_cast<std::size_t>(count * k));
  if (cosine) {
    found = nearest(l2_normalize(queries), l2_normalize(bank), k);
    const std::vector<float> single = found.similarity.to_vector<float>();
    similarities.assign(single.begin(), single.end());
  } else {
    found = nearest_by_distance(bank, queries, k, similarities);
  }
  std::vector<std::int64_t> indices = found.index.to_vector<std::int64_t>();
  if (std::ranges::find(indices, -1) != indices.end()) {
    throw Diverged(
        "knn_classify: a similarity is NaN: the features are not finite; train with a lower learning rate "
        "(--optim.lr)");
  }
  const kernels::VoteWeight weight = !options.weighted ? kernels::VoteWeight::one
                                     : cosine          ? kernels::VoteWeight::exponential
                                                       : kernels::VoteWeight::similarity;
  const Tensor labels = Tensor::from(bank_labels, {bank.shape()[0]}, bank.device());
  const Tensor scores =
      vote(found, labels, {.classes = options.classes, .weight = weight, .temperature = options.temperature});

  KnnResult result{.neighbours = k,
                   .predictions = std::vector<std::int64_t>(static_cast<std::size_t>(count)),
                   .ranking = std::vector<std::int64_t>(static_cast<std::size_t>(count * ranked)),
                   .scores = scores.to_vector<double>(),
                   .similarities = std::move(similarities),
                   .indices = std::move(indices)};
  parallel_for(count, [&](std::int64_t q) {
    const auto ranking = row_of(result.ranking, q, ranked);
    rank_classes(row_of(result.scores, q, options.classes), ranking);
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
