#include "engine/ops/nearest.h"

#include <stdexcept>
#include <string>

#include "engine/ops/check.h"
#include "engine/vendor/onednn.h"
#include "kernels/dispatch.h"
#include "kernels/nearest.h"

namespace nagare {
namespace {

bool through_bf16(const Tensor& rows) {
  return rows.dtype() == DType::f32 && (rows.device() == Device::cuda || vendor::onednn::has_amx());
}

}  // namespace

NearestRows nearest(const Tensor& queries, const Tensor& bank, std::int64_t k, const Tensor& penalty) {
  check_activation("nearest", queries);
  check_dtype("nearest", bank, queries.dtype());
  check_same_device("nearest", queries, bank);
  const Shape& q = queries.shape();
  const Shape& n = bank.shape();
  const bool penalised = penalty.defined();
  if (q.rank() != 2 || n.rank() != 2 || q[1] != n[1] || (penalised && penalty.shape() != Shape{n[0]})) {
    throw std::invalid_argument("nearest: queries " + to_string(q) + ", bank " + to_string(n) +
                                (penalised ? ", penalty " + to_string(penalty.shape()) : "") +
                                ": need (Q, D), (N, D), and (N) if any penalty");
  }
  if (penalised) {
    check_dtype("nearest", penalty, DType::f32);
    check_same_device("nearest", queries, penalty);
  }
  const kernels::Nearest p{
      .queries = q[0], .bank = n[0], .dim = q[1], .k = k, .through_bf16 = through_bf16(queries)};
  p.check();
  const Device device = queries.device();
  const NearestRows found{.similarity = Tensor::empty({q[0], k}, {.device = device}),
                          .index = Tensor::empty({q[0], k}, {.dtype = DType::i64, .device = device})};
  const Tensor scratch = Tensor::empty({p.scratch_bytes(device)}, {.dtype = DType::u8, .device = device});
  for_activation_type("nearest", queries.dtype(), [&]<class T>(T) {
    NAGARE_DISPATCH(device,
                    nearest(p, queries.data<T>(), bank.data<T>(), penalised ? penalty.data<float>() : nullptr,
                            scratch.raw(), found.similarity.data<float>(), found.index.data<std::int64_t>(),
                            queries.stream()));
  });
  return found;
}

Tensor vote(const NearestRows& nearest, const Tensor& labels, const VoteRule& rule) {
  check_dtype("vote", labels, DType::i64);
  check_same_device("vote", nearest.index, labels);
  if (labels.shape().rank() != 1) {
    throw std::invalid_argument("vote: labels " + to_string(labels.shape()) +
                                ": need one per row of the bank");
  }
  const Shape& shape = nearest.index.shape();
  const kernels::Vote p{.queries = shape[0],
                        .k = shape[1],
                        .bank = labels.shape()[0],
                        .classes = rule.classes,
                        .weight = rule.weight,
                        .temperature = rule.temperature};
  p.check();
  const Tensor scores =
      Tensor::empty({p.queries, p.classes}, {.dtype = DType::f64, .device = labels.device()});
  NAGARE_DISPATCH(labels.device(),
                  vote(p, nearest.similarity.data<float>(), nearest.index.data<std::int64_t>(),
                       labels.data<std::int64_t>(), scores.data<double>(), labels.stream()));
  return scores;
}

}  // namespace nagare
