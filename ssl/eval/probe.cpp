#include "ssl/eval/probe.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>

#include "kernels/parallel.h"
#include "ssl/eval/dense.h"

namespace nagare::ssl {
namespace {

using vendor::DenseMatrix;

DenseMatrix checked(const char* who, const LabelledFeatures& train) {
  DenseMatrix x = dense(who, train.features);
  if (static_cast<std::int64_t>(train.labels.size()) != x.rows || train.classes < 1) {
    throw std::invalid_argument(std::string(who) + ": features " + to_string(train.features.shape()) + ", " +
                                std::to_string(train.labels.size()) + " labels, " +
                                std::to_string(train.classes) +
                                " classes: need one label per row and at least 1 class");
  }
  for (const std::int64_t label : train.labels) {
    if (label < 0 || label >= train.classes) {
      throw std::invalid_argument(std::string(who) + ": label " + std::to_string(label) + ", need [0, " +
                                  std::to_string(train.classes) + ")");
    }
  }
  return x;
}

DenseMatrix zeros(std::int64_t rows, std::int64_t columns) {
  return {rows, columns, std::vector<double>(static_cast<std::size_t>(rows * columns))};
}

// a b + bias.
DenseMatrix product(const DenseMatrix& a, const DenseMatrix& b, const std::vector<double>& bias) {
  if (a.columns != b.rows) {
    throw std::invalid_argument("probe: test features of width " + std::to_string(a.columns) +
                                ", trained on width " + std::to_string(b.rows));
  }
  DenseMatrix c = zeros(a.rows, b.columns);
  parallel_for(c.rows, [&](std::int64_t r) {
    for (std::int64_t j = 0; j < c.columns; ++j) c(r, j) = bias[static_cast<std::size_t>(j)];
    for (std::int64_t k = 0; k < a.columns; ++k) {
      for (std::int64_t j = 0; j < c.columns; ++j) c(r, j) += a(r, k) * b(k, j);
    }
  });
  return c;
}

DenseMatrix transposed(const DenseMatrix& m) {
  DenseMatrix t = zeros(m.columns, m.rows);
  parallel_for(m.rows, [&](std::int64_t r) {
    for (std::int64_t c = 0; c < m.columns; ++c) t(c, r) = m(r, c);
  });
  return t;
}

// trace(Xc^T Xc) / D; 1 for features that do not vary.
double variance_scale(const DenseMatrix& centred) {
  double trace = 0.0;
  for (const double v : centred.values) trace += v * v;
  return trace > 0.0 ? trace / static_cast<double>(centred.columns) : 1.0;
}

// Centred images and labels, and the smaller of the two Gram matrices, from which every lambda's weights follow.
class RidgeSystem {
 public:
  RidgeSystem(const char* who, const LabelledFeatures& train) : x_(checked(who, train)) {
    y_ = zeros(x_.rows, train.classes);
    for (std::int64_t r = 0; r < x_.rows; ++r) y_(r, train.labels[static_cast<std::size_t>(r)]) = 1.0;
    feature_means_ = column_means(x_);
    label_means_ = column_means(y_);
    subtract_row(x_, feature_means_);
    subtract_row(y_, label_means_);
    dual_ = x_.rows < x_.columns;
    if (dual_) {
      across_ = transposed(x_);
      gram_ = vendor::transposed_product(across_, across_);
      target_ = y_;
    } else {
      gram_ = vendor::transposed_product(x_, x_);
      target_ = vendor::transposed_product(x_, y_);
    }
  }

  double scale() const { return variance_scale(x_); }

  RidgeProbe solve(double lambda) const {
    DenseMatrix a = gram_;
    for (std::int64_t i = 0; i < a.rows; ++i) a(i, i) += lambda;
    DenseMatrix weight = vendor::solve_positive_definite(std::move(a), target_);
    if (dual_) weight = vendor::transposed_product(x_, weight);
    RidgeProbe probe{.weight = std::move(weight), .bias = label_means_};
    for (std::int64_t d = 0; d < probe.weight.rows; ++d) {
      for (std::int64_t c = 0; c < probe.weight.columns; ++c) {
        probe.bias[static_cast<std::size_t>(c)] -=
            feature_means_[static_cast<std::size_t>(d)] * probe.weight(d, c);
      }
    }
    return probe;
  }

 private:
  DenseMatrix x_;
  DenseMatrix y_;
  DenseMatrix across_;  // x_ transposed; dual only
  DenseMatrix gram_;
  DenseMatrix target_;
  std::vector<double> feature_means_;
  std::vector<double> label_means_;
  bool dual_ = false;
};

// A tenth of every class, of classes with two images at least one; and the rest.
std::pair<std::vector<std::int64_t>, std::vector<std::int64_t>> held_out(const LabelledFeatures& train,
                                                                         std::uint64_t seed) {
  std::vector<std::int64_t> images_of(static_cast<std::size_t>(train.classes));
  for (const std::int64_t label : train.labels) ++images_of[static_cast<std::size_t>(label)];
  std::vector<std::int64_t> held;
  for (const std::int64_t id : labelled_share(train.labels, train.classes, 0.1, seed)) {
    if (images_of[static_cast<std::size_t>(train.labels[static_cast<std::size_t>(id)])] > 1)
      held.push_back(id);
  }
  std::vector<std::int64_t> rest;
  for (std::int64_t id = 0; id < static_cast<std::int64_t>(train.labels.size()); ++id) {
    if (!std::ranges::binary_search(held, id)) rest.push_back(id);
  }
  return {held, rest};
}

ProbeResult with_predictions(DenseMatrix scores) {
  ProbeResult result{.scores = std::move(scores), .predictions = {}};
  for (std::int64_t r = 0; r < result.scores.rows; ++r) {
    std::int64_t best = 0;
    for (std::int64_t c = 1; c < result.scores.columns; ++c) {
      if (result.scores(r, c) > result.scores(r, best)) best = c;
    }
    result.predictions.push_back(best);
  }
  return result;
}

}  // namespace

ProbeResult nearest_mean(const LabelledFeatures& train, const Tensor& test) {
  DenseMatrix x = checked("nearest_mean", train);
  normalize_rows(x);
  DenseMatrix sums = zeros(train.classes, x.columns);  // as long as the means, once they are unit rows
  for (std::int64_t r = 0; r < x.rows; ++r) {
    for (std::int64_t d = 0; d < x.columns; ++d)
      sums(train.labels[static_cast<std::size_t>(r)], d) += x(r, d);
  }
  normalize_rows(sums);
  DenseMatrix columns = zeros(x.columns, train.classes);
  for (std::int64_t c = 0; c < train.classes; ++c) {
    for (std::int64_t d = 0; d < x.columns; ++d) columns(d, c) = sums(c, d);
  }
  DenseMatrix queries = dense("nearest_mean", test);
  normalize_rows(queries);
  return with_predictions(
      product(queries, columns, std::vector<double>(static_cast<std::size_t>(train.classes))));
}

RidgeProbe fit_ridge(const LabelledFeatures& train, double lambda) {
  if (!(lambda > 0.0 && std::isfinite(lambda))) {
    throw std::invalid_argument("fit_ridge: lambda " + std::to_string(lambda) +
                                ", need a positive, finite one");
  }
  return RidgeSystem("fit_ridge", train).solve(lambda);
}

double choose_ridge_lambda(const LabelledFeatures& train, std::uint64_t seed) {
  constexpr double kFactors[] = {1e2, 1e1, 1e0, 1e-1, 1e-2, 1e-3, 1e-4};
  checked("choose_ridge_lambda", train);
  const auto [held, rest] = held_out(train, seed);
  double factor = 1.0;
  if (!held.empty()) {
    const LabelledFeatures judge = take_rows(train, held);
    const RidgeSystem system("choose_ridge_lambda", take_rows(train, rest));
    double best = -1.0;
    for (const double candidate : kFactors) {
      const ProbeResult found = apply(system.solve(candidate * system.scale()), judge.features);
      const double right = accuracy(found.predictions, judge.labels);
      if (right > best) {
        best = right;
        factor = candidate;
      }
    }
  }
  DenseMatrix all = dense("choose_ridge_lambda", train.features);
  subtract_row(all, column_means(all));
  return factor * variance_scale(all);
}

ProbeResult apply(const RidgeProbe& probe, const Tensor& test) {
  return with_predictions(product(dense("ridge probe", test), probe.weight, probe.bias));
}

double accuracy(const std::vector<std::int64_t>& predictions, const std::vector<std::int64_t>& labels) {
  if (predictions.size() != labels.size()) {
    throw std::invalid_argument("accuracy: " + std::to_string(predictions.size()) + " predictions, " +
                                std::to_string(labels.size()) + " labels");
  }
  if (labels.empty()) return std::numeric_limits<double>::quiet_NaN();
  std::int64_t right = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) right += predictions[i] == labels[i] ? 1 : 0;
  return 100.0 * static_cast<double>(right) / static_cast<double>(labels.size());
}

}  // namespace nagare::ssl
