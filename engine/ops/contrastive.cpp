#include "engine/ops/contrastive.h"

#include <stdexcept>
#include <string>

#include "engine/autograd/tape.h"
#include "engine/ops/check.h"
#include "engine/ops/elementwise.h"
#include "kernels/dispatch.h"

namespace nagare {
namespace {

// What forward and backward share, all detached. k is undefined where z meets itself, own where there is none.
struct Operands {
  kernels::Contrastive p;
  Tensor q, k, own, row_labels, column_labels;

  template <class T>
  kernels::ContrastiveInputs<T> view() const {
    const auto labels = [](const Tensor& t) { return t.defined() ? t.data<std::int64_t>() : nullptr; };
    return {q.data<T>(), k.defined() ? k.data<T>() : q.data<T>(), own.defined() ? own.data<T>() : nullptr,
            labels(row_labels), labels(column_labels)};
  }
  Tensor floats(const Shape& shape) const {
    return Tensor::empty(shape, {.dtype = DType::f32, .device = q.device()});
  }
};

void check_matrices(const Tensor& q, const Tensor& k) {
  check_activation("contrastive", q);
  check_same_device("contrastive", q, k);
  const bool matrices = q.shape().rank() == 2 && k.shape().rank() == 2 && q.numel() > 0 && k.numel() > 0;
  if (!matrices || q.shape()[1] != k.shape()[1] || q.dtype() != k.dtype()) {
    throw std::invalid_argument("contrastive: q " + to_string(q.shape()) + " " + to_string(q.dtype()) +
                                ", k " + to_string(k.shape()) + " " + to_string(k.dtype()) +
                                ": need (M, D) and (N, D) of one type, M, N and D at least 1");
  }
}

void check_labels(const Tensor& labels, const Tensor& x) {
  check_dtype("contrastive", labels, DType::i64);
  check_same_device("contrastive", labels, x);
  if (labels.shape() != Shape{x.shape()[0]}) {
    throw std::invalid_argument("contrastive: labels " + to_string(labels.shape()) + " of rows " +
                                to_string(x.shape()) + ": need one for each row");
  }
}

// The gradients of q and k; only those that are wanted are computed.
std::vector<Tensor> gradients(const Operands& at, const Tensor& stats, const Tensor& dloss, bool for_q,
                              bool for_k) {
  const Tensor dq = for_q ? at.floats(at.q.shape()) : Tensor();
  const Tensor dk = for_k ? at.floats(at.k.shape()) : Tensor();
  const Tensor scratch = at.floats({at.p.scratch_floats()});
  for_activation_type("contrastive", at.q.dtype(), [&]<class T>(T) {
    NAGARE_DISPATCH(at.q.device(),
                    contrastive_backward(at.p, at.view<T>(), stats.data<float>(), dloss.data<float>(),
                                         scratch.data<float>(), for_q ? dq.data<float>() : nullptr,
                                         for_k ? dk.data<float>() : nullptr, at.q.stream()));
  });
  return {for_q ? cast(dq, at.q.dtype()) : dq, for_k ? cast(dk, at.q.dtype()) : dk};
}

// q and k (undefined with self) are the tape's tensors, `at` holds the same without history.
Tensor row_losses(const Operands& at, const Tensor& q, const Tensor& k) {
  at.p.check();
  const Tensor loss = at.floats({at.p.rows});
  const Tensor stats = at.floats({at.p.stats_floats()});
  const Tensor scratch = at.floats({at.p.scratch_floats()});
  for_activation_type("contrastive", q.dtype(), [&]<class T>(T) {
    NAGARE_DISPATCH(q.device(), contrastive(at.p, at.view<T>(), scratch.data<float>(), stats.data<float>(),
                                            loss.data<float>(), q.stream()));
  });
  const bool for_q = q.requires_grad();
  const bool for_k = k.defined() && k.requires_grad();
  return tape::record(loss, {q, k}, [at, stats, for_q, for_k](const Tensor& dloss) {
    return gradients(at, stats, dloss, for_q, for_k);
  });
}

}  // namespace

Tensor contrast_rows(const Tensor& q, const Tensor& k, const Contrast& options) {
  check_matrices(q, k);
  const bool labelled = options.row_labels.defined() || options.column_labels.defined();
  if (labelled) {
    check_labels(options.row_labels, q);
    check_labels(options.column_labels, k);
  }
  const kernels::Contrastive p{.rows = q.shape()[0],
                               .columns = k.shape()[0],
                               .dim = q.shape()[1],
                               .temperature = options.temperature,
                               .positives = options.positives,
                               .labelled = labelled,
                               .row_period = options.row_period,
                               .column_period = options.column_period};
  return row_losses({p, q.detach(), k.detach(), {}, options.row_labels, options.column_labels}, q, k);
}

Tensor contrast_among(const Tensor& z, const Contrast& options) {
  check_matrices(z, z);
  if (options.row_labels.defined()) check_labels(options.row_labels, z);
  const kernels::Contrastive p{.rows = z.shape()[0],
                               .columns = z.shape()[0],
                               .dim = z.shape()[1],
                               .temperature = options.temperature,
                               .positives = options.positives,
                               .self = true,
                               .labelled = options.row_labels.defined(),
                               .row_period = options.row_period,
                               .column_period = options.row_period};
  return row_losses({p, z.detach(), {}, {}, options.row_labels, options.row_labels}, z, {});
}

Tensor contrast_with_own(const Tensor& q, const Tensor& own, const Tensor& k, float temperature) {
  check_matrices(q, k);
  check_same_kind("contrastive", q, own);
  const kernels::Contrastive p{.rows = q.shape()[0],
                               .columns = k.shape()[0],
                               .dim = q.shape()[1],
                               .temperature = temperature,
                               .own = true};
  return row_losses({p, q.detach(), k.detach(), own.detach(), {}, {}}, q, k);
}

}  // namespace nagare
