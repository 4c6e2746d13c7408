// Cases of the losses/ group in which rows pick out their partners among others: NT-Xent, InfoNCE and what is made of it,
// and the queue of keys.

#include "engine/ops/elementwise.h"
#include "engine/ops/nearest.h"
#include "engine/ops/normalize.h"
#include "engine/ops/shape_ops.h"
#include "ssl/buffers/feature_queue.h"
#include "ssl/losses/cassle.h"
#include "ssl/losses/info_nce.h"
#include "ssl/losses/ntxent.h"
#include "ssl/losses/supcon.h"
#include "tests/reference/registry.h"

namespace nagare::reference {
namespace {

float temperature_of(const Case& c) { return static_cast<float>(c.number("tau")); }

void ntxent_case(Case& c) {
  const Tensor z1 = c.activation("z1");
  const Tensor z2 = c.activation("z2");
  const ssl::NtXent options{.temperature = static_cast<float>(c.number("tau")),
                            .normalize = c.flag("normalize")};
  finish_loss(c, ssl::ntxent_loss(concat({z1, z2}, 0), options), {{"z1", z1}, {"z2", z2}});
}

void ntxent_multiview_case(Case& c) {
  const Tensor z = c.activation("z");
  const ssl::NtXent options{.views = c.integer("views"), .temperature = static_cast<float>(c.number("tau"))};
  finish_loss(c, ssl::ntxent_loss(z, options), {{"z", z}});
}

void moco_v2_case(Case& c) {
  const Tensor q = c.activation("q");
  finish_loss(c, ssl::queue_info_nce(q, c.activation("k"), c.activation("queue"), temperature_of(c)),
              {{"q", q}});
}

void moco_v3_case(Case& c) {
  const Tensor q1 = c.activation("q1");
  const Tensor q2 = c.activation("q2");
  finish_loss(c, ssl::moco_v3_loss({q1, c.activation("k1")}, {q2, c.activation("k2")}, temperature_of(c)),
              {{"q1", q1}, {"q2", q2}});
}

// The row of the queue with the largest cosine to each row of z.
Tensor neighbours(Case& c, const std::string& z, const std::string& name) {
  const Tensor queue = cast(c.activation("queue").detach(), DType::f32);
  const Tensor unit = l2_normalize(cast(c.activation(z).detach(), DType::f32));
  const Tensor index = nearest(unit, l2_normalize(queue), 1).index.reshaped({unit.shape()[0]});
  c.check("out." + name, index);
  return gather_rows(queue, index);
}

void nnclr_case(Case& c) {
  const Tensor p1 = c.activation("p1");
  const Tensor p2 = c.activation("p2");
  const Tensor nn1 = neighbours(c, "z1", "nn1");
  const Tensor nn2 = neighbours(c, "z2", "nn2");
  const Tensor loss = scale(
      add(ssl::paired_info_nce(nn1, p2, temperature_of(c)), ssl::paired_info_nce(nn2, p1, temperature_of(c))),
      0.5F);
  finish_loss(c, loss, {{"p1", p1}, {"p2", p2}});
}

void cassle_simclr_case(Case& c) {
  const Tensor p1 = c.activation("p1");
  const Tensor p2 = c.activation("p2");
  const Tensor p = concat({p1, p2}, 0);
  const Tensor z = concat({c.activation("z1").detach(), c.activation("z2").detach()}, 0);
  const Tensor loss = ssl::cassle_contrastive_loss({.prediction = p, .projection = z}, temperature_of(c));
  finish_loss(c, loss, {{"p1", p1}, {"p2", p2}});
}

void supcon_case(Case& c) {
  const Tensor z = c.activation("z");
  const ssl::SupCon options{.temperature = temperature_of(c),
                            .base_temperature = static_cast<float>(c.number("base_tau"))};
  finish_loss(c, ssl::supcon_loss(z, {c.input("labels")}, options), {{"z", z}});
}

// The last keys that were seen: batches pushed one after the other into a queue that starts as the file's.
void moco_queue_case(Case& c) {
  const Tensor rows = c.input("queue");
  ssl::FeatureQueue queue(rows.shape(), 0, c.device());
  nn::StateList state;
  queue.list_state(state);
  state.find("queue")->tensor.copy_from(rows);
  const Tensor next = state.find("queue_ptr")->tensor;
  next.copy_from(c.input("ptr").to(next.device()));
  for (int batch = 0; c.has_input("keys" + std::to_string(batch)); ++batch) {
    queue.push(c.input("keys" + std::to_string(batch)));
  }
  c.check("out.queue", queue.rows());
  c.check("out.ptr", next);
  c.not_exposed("out.queue_lightly");  // lightly drops the keys that reach beyond the end
  c.not_exposed("out.ptr_lightly");
}

constexpr Handler kHandlers[] = {
    {"cassle_simclr", cassle_simclr_case},
    {"moco_queue", moco_queue_case},
    {"moco_v2", moco_v2_case},
    {"moco_v3", moco_v3_case},
    {"nnclr", nnclr_case},
    {"ntxent", ntxent_case},
    {"ntxent_multiview", ntxent_multiview_case},
    {"supcon", supcon_case},
};

}  // namespace

std::span<const Handler> contrastive_cases() { return kHandlers; }

}  // namespace nagare::reference
