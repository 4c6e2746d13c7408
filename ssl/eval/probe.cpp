#include "ssl/eval/probe.h"

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

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
  for (std::int64_t r = 0; r < c.rows; ++r) {
    for (std::int64_t j = 0; j < c.columns; ++j) c(r, j) = bias[static_cast<std::size_t>(j)];
    for (std::int64_t k = 0; k < a.columns; ++k) {
      for (std::int64_t j = 0; j < c.columns; ++j) c(r, j) += a(r, k) * b(k, j);
    }
  }
  return c;
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
  DenseMatrix x = checked("fit_ridge", train);
  if (!(lambda > 0.0 && std::isfinite(lambda))) {
    throw std::invalid_argument("fit_ridge: lambda " + std::to_string(lambda) +
                                ", need a positive, finite one");
  }
  DenseMatrix y = zeros(x.rows, train.classes);
  for (std::int64_t r = 0; r < x.rows; ++r) y(r, train.labels[static_cast<std::size_t>(r)]) = 1.0;
  const std::vector<double> feature_means = column_means(x);
  const std::vector<double> label_means = column_means(y);
  subtract_row(x, feature_means);
  subtract_row(y, label_means);
  DenseMatrix gram = vendor::transposed_product(x, x);
  for (std::int64_t d = 0; d < gram.rows; ++d) gram(d, d) += lambda;
  RidgeProbe probe{
      .weight = vendor::solve_positive_definite(std::move(gram), vendor::transposed_product(x, y)),
      .bias = label_means};
  for (std::int64_t d = 0; d < probe.weight.rows; ++d) {
    for (std::int64_t c = 0; c < probe.weight.columns; ++c) {
      probe.bias[static_cast<std::size_t>(c)] -=
          feature_means[static_cast<std::size_t>(d)] * probe.weight(d, c);
    }
  }
  return probe;
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
