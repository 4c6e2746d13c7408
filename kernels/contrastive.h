#pragma once
// Softmax-contrastive loss of every row of q against the rows of k: the matrix of their similarities is not stored, unless
// it is small beside q and k.
//
//   s_ij = q_i . k_j / T.  P(i): the columns with the identity of row i; with `self` (k is q) column i itself takes
//   no part. D(i): the columns of the denominator.
//
//   averaged  loss_i = ln sum_{D(i)} exp s_ij - mean_{P(i)} s_ij,          D(i) = all columns   (InfoNCE, SupCon's L_out)
//   excluded  the same,                                                    D(i) = all but P(i)  (EMP's formula)
//   summed    loss_i = ln sum_{D(i)} exp s_ij - ln sum_{P(i)} exp s_ij,    D(i) = all columns   (NT-Xent, many views)
//   own       row i has one more column, q_i . own_i / T, in D(i) and its only positive: no other column is one (MoCo)
//
//   gradient  p_ij = [j in D(i)] exp(s_ij) / sum_{D(i)} exp,   w_ij = [j in P(i)] / |P(i)|, summed: exp(s_ij) / sum_{P(i)} exp
//             G_ij = dloss_i (p_ij - w_ij) / T
//             dq_i = sum_j G_ij k_j,   dk_j = sum_i G_ij q_i;   self: dq_i = sum_j (G_ij + G_ji) q_j.  own gets none
//
// q, k, own     T (rows, dim), (columns, dim), (rows, dim), row-major; T is float or bf16
// identity      of row i: labelled ? row_labels[i] : i % row_period;  columns likewise
// loss, dloss   f32 (rows);  dq, dk  f32, shaped as q and k; either may be nullptr where it is not wanted
// stats         f32 (stats_floats()), what the backward needs to know. First (4, rows): the largest s of D(i); ln sum_{D(i)}
//               exp(s - largest); then for the positives the same two (summed), or an unused number and 1 / |P(i)|.
//               After them the CPU's logits where keeps_logits(), in tiles
// scratch       f32 (scratch_floats()), written and read inside one call
// aliasing      none, but that k is q with `self`
// special       a row without positives: loss and G_i are 0. An empty D(i): loss -inf, p_i = 0. NaN or +inf in q_i makes
//               loss_i NaN, in k_j every loss with j in D or P
// accuracy      that of the dot products: s is rounded to about dim^1/2 6e-8 |q_i| |k_j| / T. The largest s is subtracted
//               first, so no logit is too large. bf16 inputs are multiplied exactly and summed in f32
// determinism   tiles are taken in an order that depends on the sizes alone, no atomics: the same bits on every run and for
//               any number of threads
// cost          forward rows columns dim multiply-adds, backward twice that for each of dq and dk; `self` twice in all. The
//               CPU takes each pair once where k is q: half of both; for dq and dk together it makes the logits once:
//               three products, two where it kept them. Memory: q, k, dq, dk, stats and scratch, O((rows + columns)
//               dim)
// errors        std::invalid_argument naming sizes, temperature and what does not fit, before anything is written;
//               rows = 0 does nothing
// source        Oord et al., arXiv:1807.03748; Chen et al., ICML 2020; Khosla et al., NeurIPS 2020, eq. 2; tiling and
//               running sums: Milakov and Gimelshein, arXiv:1805.02867, algorithm 3
#include <cstdint>

#include "kernels/bf16.h"
#include "kernels/host_device.h"
#include "kernels/stream.h"

namespace nagare::kernels {

enum class ContrastivePositives : std::uint8_t { averaged, excluded, summed };

struct Contrastive {
  std::int64_t rows;     // >= 0
  std::int64_t columns;  // >= 1
  std::int64_t dim;      // >= 1
  float temperature;     // positive, finite
  ContrastivePositives positives = ContrastivePositives::averaged;
  bool self = false;            // k is q: rows = columns, and the same identities for both
  bool own = false;             // not with self; averaged
  bool labelled = false;        // identities are labels; not with own
  std::int64_t row_period = 0;  // >= 1 where there are neither labels nor own
  std::int64_t column_period = 0;

  void check() const;
  // Whether the CPU's forward leaves its logits to the backward: they are at most a quarter of q and k, and with few rows on
  // one side a product with long rows costs more than reading them. (20 patches of 100 images at d = 1024: a third less time.)
  bool keeps_logits() const;
  std::int64_t stats_floats() const;
  std::int64_t scratch_floats() const;
};

template <class T>
struct ContrastiveInputs {
  const T* q;
  const T* k;
  const T* own = nullptr;
  const std::int64_t* row_labels = nullptr;
  const std::int64_t* column_labels = nullptr;
};

// How the rows of one matrix share the streaming of another among tasks: tile by tile of `tile` owners, the stream cut into
// `count` parts of `length` rows each, so that there are about as many tasks as the device likes. Partial results of the
// parts are added in their order.
struct ContrastiveSplit {
  struct Rule {
    std::int64_t tile;   // owners of a task
    std::int64_t tasks;  // wanted
    std::int64_t block;  // parts are multiples of this
  };
  static constexpr Rule kCuda{
      .tile = 64, .tasks = 256, .block = 64};  // a GPU has a hundred processors or more
  static constexpr Rule kCpu{.tile = 128, .tasks = 16, .block = 256};  // partial results cost memory traffic

  std::int64_t tile;
  std::int64_t tiles;
  std::int64_t count;
  std::int64_t length;

  ContrastiveSplit(const Rule& rule, std::int64_t owners, std::int64_t streamed);
  // The CPU's parts of the longer side, where a part takes the whole of the other.
  static ContrastiveSplit of_longer(std::int64_t rows) { return {{rows, 16, 256}, rows, rows}; }
};

#define NAGARE_DECLARE_TWIN                                                                            \
  template <class T>                                                                                   \
  void contrastive(const Contrastive& p, const ContrastiveInputs<T>& in, float* scratch, float* stats, \
                   float* loss, Stream stream);                                                        \
  template <class T>                                                                                   \
  void contrastive_backward(const Contrastive& p, const ContrastiveInputs<T>& in, const float* stats,  \
                            const float* dloss, float* scratch, float* dq, float* dk, Stream stream);

namespace cpu {
NAGARE_DECLARE_TWIN
}
namespace cuda {
NAGARE_DECLARE_TWIN
}
#undef NAGARE_DECLARE_TWIN

}  // namespace nagare::kernels
