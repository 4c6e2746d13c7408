#pragma once
// Continual-learning summaries of an accuracy matrix.
//
// A[t][i] is the accuracy on task i after training on task t (T x T, t and i from 0, in percent; the results are in
// percent and in points). a[t] is the accuracy over all queries after task t.
//
//   average              mean_i A[T-1][i]
//   after_task[t]        mean_{i<=t} A[t][i]; its mean over t is average_incremental
//   forgetting           mean_{i<T-1} ( max_{i<=t<T-1} A[t][i] - A[T-1][i] )
//   forgetting_all_rows  mean_{i<T-1} ( max_{t>=i} A[t][i] - A[T-1][i] ) >= 0
//   forgetting_any_row   mean_{i<T-1} ( max_t A[t][i] - A[T-1][i] ) >= 0
//   forgetting_diagonal  mean_{i<T-1} ( A[i][i] - A[T-1][i] ) = -bwt
//   forgetting_all_tasks (1/T) sum_{i<T} ( A[i][i] - A[T-1][i] ): the last task counts, with 0
//   forgetting_relative  mean_{i<T-1} 100 ( A[i][i] - A[T-1][i] ) / A[i][i]
//   bwt                  mean_{i<T-1} ( A[T-1][i] - A[i][i] )
//   fwt                  mean_{i>=1} ( A[i-1][i] - r[i] ), r = accuracies of an untrained network
//   knowledge_gain       mean_{i<T-1} ( A[i+1][i+1] - A[i][i+1] )
//   stream_average       mean_t a[t]
//
// missing  NaN stands for an accuracy that was not measured. A number that needs one is NaN, and no other is: a mean
//          over what happens to be there would compare unlike with unlike. Means over an empty set (T = 1) are NaN,
//          but for forgetting_all_tasks, which is 0 then
// errors   std::invalid_argument when the matrix is empty or not square, or a vector has not T entries
// source   forgetting: Chaudhry et al., ECCV 2018, eq. 3; all_rows: the Mammoth library's; any_row: Osiris's program
//          (Zhang et al., CoLLAs 2024); diagonal: what the UCL program prints; all_tasks: the Avalanche library's, in
//          the CLA program; relative: what MinRed's tables give in words, the formula is ours; bwt, fwt: Lopez-Paz and
//          Ranzato, NIPS 2017; knowledge gain: Osiris
#include <vector>

namespace nagare::ssl {

using AccuracyMatrix = std::vector<std::vector<double>>;

struct ContinualSummary {
  double average = 0.0;
  double average_incremental = 0.0;
  std::vector<double> after_task;  // T
  double forgetting = 0.0;
  double forgetting_all_rows = 0.0;
  double forgetting_any_row = 0.0;
  double forgetting_diagonal = 0.0;
  double forgetting_all_tasks = 0.0;
  double forgetting_relative = 0.0;
  double bwt = 0.0;
  double knowledge_gain = 0.0;
  std::vector<double> forgetting_per_task;  // T - 1 terms of `forgetting`
};

ContinualSummary summarize(const AccuracyMatrix& accuracy);
// untrained: T accuracies of a network before any training.
double forward_transfer(const AccuracyMatrix& accuracy, const std::vector<double>& untrained);
// overall: a[t] of every task.
double stream_average(const std::vector<double>& overall);

}  // namespace nagare::ssl
