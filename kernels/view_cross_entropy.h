#pragma once
// Cross-entropy between views of the same images: every view's softmax is told what other views were assigned.
// DINO (targets from a teacher's logits, centred and sharpened) and SwAV's swapped prediction (targets given).
//
//   forward    loss[b] = 1/P sum_{a < A} sum_{v != a} -sum_k q_a[b,k] log softmax(s_v[b] / T)[k],   P = A (V - 1) pairs
//              q_a[b] = softmax((t_a[b] - c) / Tt)  from teacher logits t and centre c,  or as given
//   backward   ds_v[b,k] = dloss / (P B T) (softmax(s_v[b] / T)[k] sum_j w_v[b,j] - w_v[b,k]),  w_v = sum_{a != v} q_a
//              of the MEAN of the losses; q is a constant; dloss is one f32 on the device
//   centre     c[k] <- m c[k] + (1 - m) / R sum_r t[r,k]      of R teacher rows
//
// s, ds     T (V * B, K), view-major;  t  T (A * B, K), T is float or bf16;  c  f32 (K);  given q  f32 (A * B, K), >= 0
// loss      f32 (B);  saved  f32 (saved_floats()), written by the forward for the backward
// workspace f32 (workspace_floats()), used inside a forward (the CUDA twin's partial sums; CPU: nullptr will do)
// memory    no probability matrix is stored: forward and backward compute those of the teacher as they go
// aliasing  ds may be s
// special   s = -inf is a masked entry: where q is 0 (a teacher's below 1e-30 is) it counts nothing and its gradient is 0, else the loss is infinite.
//           NaN in a row of s or t makes that image's loss NaN
// accuracy  2e-6 of the loss for logits / temperature up to +-1e4 and any offset of a row
// determinism the same bits for any number of threads and on every run
// cost      t is read twice forward (its sum of exponentials first) and once backward, s once each way, ds written:
//           V + 2 A and V + A exponentials per image and column. Composed from softmaxes: 2 P reads and as many writes
// errors    std::invalid_argument with sizes and temperatures, before anything is written; B = 0 does nothing
// source    Caron et al., ICCV 2021 (DINO), eq. 2-4; Caron et al., NeurIPS 2020 (SwAV), eq. 2
#include <cstdint>

#include "kernels/bf16.h"
#include "kernels/stream.h"

namespace nagare::kernels {

struct ViewCrossEntropy {
  static constexpr std::int64_t kMaxTargets = 8;

  std::int64_t batch;        // B >= 0
  std::int64_t cols;         // K >= 1
  std::int64_t views;        // V >= 2
  std::int64_t targets = 2;  // A in [1, min(V, kMaxTargets)]: the first A views are those that have targets
  float temperature = 0.1F;  // T
  float target_temperature = 0.04F;  // Tt, of teacher logits

  void check() const;
  std::int64_t pairs() const { return targets * (views - 1); }
  std::int64_t saved_floats() const { return 3 * (views + targets) * batch; }
  std::int64_t workspace_floats() const;
};

// Either logits and center, or probabilities; the others are nullptr.
template <class T>
struct ViewTargets {
  const T* logits = nullptr;
  const float* center = nullptr;
  const float* probabilities = nullptr;
};

struct CenterUpdate {
  std::int64_t rows;  // R >= 1
  std::int64_t cols;  // K >= 1
  float momentum;     // m in [0, 1]

  void check() const;
};

#define NAGARE_DECLARE_TWIN                                                                              \
  template <class T>                                                                                     \
  void view_cross_entropy(const ViewCrossEntropy& p, const T* s, const ViewTargets<T>& targets,          \
                          float* saved, float* loss, float* workspace, Stream stream);                   \
  template <class T>                                                                                     \
  void view_cross_entropy_backward(const ViewCrossEntropy& p, const T* s, const ViewTargets<T>& targets, \
                                   const float* saved, const float* dloss, T* ds, Stream stream);        \
  template <class T>                                                                                     \
  void update_center(const CenterUpdate& p, const T* t, float* center, Stream stream);

namespace cpu {
NAGARE_DECLARE_TWIN
}
namespace cuda {
NAGARE_DECLARE_TWIN
}
#undef NAGARE_DECLARE_TWIN

}  // namespace nagare::kernels
