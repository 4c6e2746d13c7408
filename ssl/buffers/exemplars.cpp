#include "ssl/buffers/exemplars.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <stdexcept>
#include <string>

namespace nagare::ssl {
namespace {

constexpr int kLloydSteps = 50;

// Rows of one set against centres, in f64.
class Grouping {
 public:
  explicit Grouping(const Tensor& rows)
      : values_(rows.to_vector<float>()),
        count_(static_cast<std::size_t>(rows.shape()[0])),
        dim_(static_cast<std::size_t>(rows.shape()[1])),
        nearest_(count_, std::numeric_limits<double>::infinity()) {}

  // A row as a new centre: drawn by its squared distance from the nearest one that there is.
  void seed(Philox& random) {
    double total = 0.0;
    for (const double d : nearest_) total += d;
    std::size_t chosen = 0;
    if (std::isfinite(total)) {
      double left = total * random.uniform();
      while (chosen + 1 < count_ && left >= nearest_[chosen]) left -= nearest_[chosen++];
    } else {
      chosen = random.below(static_cast<std::uint32_t>(count_));
    }
    centres_.insert(centres_.end(), row(chosen), row(chosen) + dim_);
    const std::size_t last = centres_.size() / dim_ - 1;
    for (std::size_t i = 0; i < count_; ++i) nearest_[i] = std::min(nearest_[i], distance(i, last));
  }

  // Whether any row changed its group.
  bool assign(std::vector<std::int64_t>& groups) const {
    bool changed = false;
    for (std::size_t i = 0; i < count_; ++i) {
      std::size_t best = 0;
      for (std::size_t c = 1; c < centres_.size() / dim_; ++c) {
        if (distance(i, c) < distance(i, best)) best = c;
      }
      changed |= groups[i] != static_cast<std::int64_t>(best);
      groups[i] = static_cast<std::int64_t>(best);
    }
    return changed;
  }

  // Centres of their rows; one without rows stays where it is.
  void move(const std::vector<std::int64_t>& groups) {
    std::vector<double> sums(centres_.size());
    std::vector<double> sizes(centres_.size() / dim_);
    for (std::size_t i = 0; i < count_; ++i) {
      const auto group = static_cast<std::size_t>(groups[i]);
      ++sizes[group];
      for (std::size_t d = 0; d < dim_; ++d) sums[group * dim_ + d] += row(i)[d];
    }
    for (std::size_t j = 0; j < sums.size(); ++j) {
      if (sizes[j / dim_] > 0.0) centres_[j] = sums[j] / sizes[j / dim_];
    }
  }

 private:
  const float* row(std::size_t i) const { return values_.data() + i * dim_; }
  double distance(std::size_t i, std::size_t centre) const {
    double sum = 0.0;
    for (std::size_t d = 0; d < dim_; ++d) {
      const double difference = row(i)[d] - centres_[centre * dim_ + d];
      sum += difference * difference;
    }
    return sum;
  }

  std::vector<float> values_;
  std::size_t count_;
  std::size_t dim_;
  std::vector<double> nearest_;  // squared distance of each row from the nearest centre
  std::vector<double> centres_;
};

}  // namespace

std::vector<std::int64_t> k_means(const Tensor& rows, std::int64_t k, const RandomKey& key) {
  if (rows.shape().rank() != 2 || rows.numel() == 0 || k < 1) {
    throw std::invalid_argument("k_means: rows " + to_string(rows.shape()) + ", " + std::to_string(k) +
                                " groups: need (N, D) and at least one group");
  }
  Grouping grouping(rows);
  Philox random(key);
  for (std::int64_t c = 0; c < k; ++c) grouping.seed(random);
  std::vector<std::int64_t> groups(static_cast<std::size_t>(rows.shape()[0]), -1);
  for (int step = 0; step < kLloydSteps && grouping.assign(groups); ++step) grouping.move(groups);
  return groups;
}

std::vector<double> view_variance(const Tensor& views) {
  if (views.shape().rank() != 3 || views.numel() == 0)
    throw std::invalid_argument("view_variance: " + to_string(views.shape()) + ", need (V, N, D)");
  const std::vector<float> e = views.to_vector<float>();
  const auto count = static_cast<std::size_t>(views.shape()[1]);
  const auto dim = static_cast<std::size_t>(views.shape()[2]);
  std::vector<double> scores(count);
  for (std::size_t i = 0; i < count; ++i) {
    std::vector<double> mean(dim);
    double squared = 0.0;
    for (std::size_t d = 0; d < dim; ++d) {
      for (std::size_t at = i * dim + d; at < e.size(); at += count * dim) mean[d] += e[at];
      squared += mean[d] * mean[d];
    }
    const double length = std::max(std::sqrt(squared), 1e-12);  // normalise(mean) = normalise(sum)
    for (std::size_t d = 0; d < dim; ++d) {
      for (std::size_t at = i * dim + d; at < e.size(); at += count * dim) {
        const double difference = e[at] - mean[d] / length;
        scores[i] += difference * difference;
      }
    }
  }
  return scores;
}

std::vector<std::int64_t> smallest_of_groups(const std::vector<double>& scores,
                                             const std::vector<std::int64_t>& groups, std::int64_t each) {
  std::map<std::int64_t, std::vector<std::int64_t>> members;
  for (std::size_t i = 0; i < groups.size(); ++i) members[groups[i]].push_back(static_cast<std::int64_t>(i));
  std::vector<std::int64_t> chosen;
  for (auto& [group, rows] : members) {
    std::ranges::stable_sort(rows, {},
                             [&](std::int64_t i) { return scores.at(static_cast<std::size_t>(i)); });
    const auto taken = std::min(rows.size(), static_cast<std::size_t>(each));
    chosen.insert(chosen.end(), rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(taken));
  }
  std::ranges::sort(chosen);
  return chosen;
}

}  // namespace nagare::ssl
