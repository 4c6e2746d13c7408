#pragma once
// Continual-learning summaries of an accuracy matrix.
//
// A[t][i] is the accuracy on task i after training on task t (T x T, t and i from 0, any unit; the results
// are in that unit). Means over an empty set (T = 1) are NaN.
//
//   average              mean_i A[T-1][i]
//   average_incremental  mean_t mean_{i<=t} A[t][i]
//   forgetting           mean_{i<T-1} ( max_{i<=t<T-1} A[t][i] - A[T-1][i] )
//   forgetting_all_rows  mean_{i<T-1} ( max_{t>=i} A[t][i] - A[T-1][i] ) >= 0
//   forgetting_diagonal  mean_{i<T-1} ( A[i][i] - A[T-1][i] ) = -bwt
//   bwt                  mean_{i<T-1} ( A[T-1][i] - A[i][i] )
//   fwt                  mean_{i>=1} ( A[i-1][i] - r[i] ), r = accuracies of an untrained network
//
// source  forgetting: Chaudhry et al., ECCV 2018, eq. 3; with all rows: the Mammoth library's; diagonal: what
//         the UCL program prints; bwt, fwt: Lopez-Paz and Ranzato, NIPS 2017
#include <vector>

namespace nagare::ssl {

using AccuracyMatrix = std::vector<std::vector<double>>;

struct ContinualSummary {
  double average = 0.0;
  double average_incremental = 0.0;
  double forgetting = 0.0;
  double forgetting_all_rows = 0.0;
  double forgetting_diagonal = 0.0;
  double bwt = 0.0;
  std::vector<double> forgetting_per_task;  // T - 1 terms of `forgetting`
};

// errors  std::invalid_argument when the matrix is empty or not square
ContinualSummary summarize(const AccuracyMatrix& accuracy);
// untrained: T accuracies of a network before any training.
double forward_transfer(const AccuracyMatrix& accuracy, const std::vector<double>& untrained);

}  // namespace nagare::ssl
