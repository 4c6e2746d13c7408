// Cases of the losses/ group that assign samples to prototypes or distil one softmax into another.

#include <algorithm>
#include <cmath>

#include "engine/autograd/tape.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/matmul.h"
#include "engine/ops/normalize.h"
#include "engine/ops/reduce.h"
#include "engine/ops/shape_ops.h"
#include "engine/ops/sinkhorn.h"
#include "engine/ops/softmax.h"
#include "engine/ops/view_cross_entropy.h"
#include "ssl/losses/cassle.h"
#include "ssl/losses/ccl.h"
#include "ssl/losses/dino.h"
#include "ssl/losses/swav.h"
#include "tests/reference/registry.h"

namespace nagare::reference {
namespace {

float number(const Case& c, const char* key) { return static_cast<float>(c.number(key)); }

void sinkhorn_case(Case& c) {
  SinkhornSettings settings{.epsilon = number(c, "eps"), .iterations = c.integer("iters")};
  const Tensor scores = c.activation("scores").detach();
  // The linear domain is for cosines; the log domain for these and any others.
  float largest = 0.0F;
  for (const float v : scores.to_vector<float>()) largest = std::max(largest, std::abs(v));
  if (largest / settings.epsilon < 60.0F) c.check("out.Q", sinkhorn(scores, settings));
  settings.log_domain = true;
  c.check("out.Q", sinkhorn(scores, settings));
}

ssl::Swav swav_of(const Case& c) {
  return {.views = c.integer("n_crops"),
          .assigned_views = c.integer("n_assign"),
          .temperature = number(c, "temp"),
          .epsilon = number(c, "eps"),
          .iterations = c.integer("iters")};
}

std::string numbered(const char* name, std::int64_t i) { return name + std::to_string(i); }

void swav_scores_case(Case& c) {
  const ssl::Swav options = swav_of(c);
  std::vector<Tensor> scores;
  std::vector<Tensor> queue;
  for (std::int64_t v = 0; v < options.views; ++v) scores.push_back(c.activation(numbered("scores", v)));
  for (std::int64_t a = 0; a < options.assigned_views && c.has_input(numbered("queue", a)); ++a) {
    queue.push_back(c.activation(numbered("queue", a)).detach());
  }
  const ssl::SwavLoss got =
      ssl::swav_loss(concat(scores, 0), options, queue.empty() ? Tensor() : concat(queue, 0));
  c.check("out.loss", got.loss);
  const std::int64_t batch = scores[0].shape()[0];
  for (std::int64_t a = 0; a < options.assigned_views; ++a) {
    c.check(numbered("out.Q", a), got.codes.rows(a * batch, batch));
  }
  tape::backward(got.loss);
  for (std::size_t v = 0; v < scores.size(); ++v) {
    c.check_gradient(numbered("scores", static_cast<std::int64_t>(v)), scores[v]);
  }
}

Tensor unit(const Tensor& x) { return l2_normalize(cast(x, DType::f32)); }
Tensor similarities(const Tensor& a, const Tensor& b) {
  return matmul(cast(a, DType::f32), cast(b, DType::f32), {.transpose_b = true});
}

void swav_full_case(Case& c) {
  const Tensor z = c.activation("z");
  const Tensor prototypes = c.activation("proto");
  const Tensor loss = ssl::swav_loss(similarities(unit(z), prototypes), swav_of(c)).loss;
  c.check("out.loss", loss);
  tape::backward(loss);
  c.check_gradient("z", z);
  c.check_gradient("proto", prototypes);
}

void dino_case(Case& c) {
  const Tensor student = c.activation("student");
  const Tensor teacher = c.activation("teacher");
  const Tensor center = c.parameter("center").detach();
  const Tensor loss = ssl::dino_loss(student, teacher, center,
                                     {.views = c.integer("n_crops"),
                                      .student_temperature = number(c, "student_temp"),
                                      .teacher_temperature = number(c, "teacher_temp")});
  c.check("out.loss", loss);
  update_center(center, teacher, number(c, "center_momentum"));
  c.check("out.center", center);
  c.not_exposed("out.t");  // probabilities that exist tile by tile only
  tape::backward(loss);    // after the centre has moved, as in training
  c.check_gradient("student", student);
}

void cassle_knowledge_case(Case& c) {
  const float tau = number(c, "tau");
  const Tensor prototypes = c.activation("Pn");
  const Tensor frozen = c.activation("Pf");
  const Tensor p1 = c.activation("p1");
  const Tensor p2 = c.activation("p2");
  const Tensor past = concat(std::vector<Tensor>{c.activation("z1"), c.activation("z2")}, 0);
  const Tensor loss = ssl::cassle_prototype_loss(
      {.prediction = concat(std::vector<Tensor>{p1, p2}, 0), .projection = past},
      {.old = cast(frozen, DType::f32), .learned = cast(prototypes, DType::f32)}, tau);
  c.check("out.loss", loss);
  tape::backward(loss);
  c.check_gradient("p1", p1);
  c.check_gradient("p2", p2);
  c.check_gradient("Pn", prototypes);
}

void ccl_distill_case(Case& c) {
  const Tensor z = c.activation("z_new");
  const Tensor exemplars = c.activation("e_new");
  const Tensor loss =
      ssl::ccl_distillation_loss({.queries = z, .exemplars = exemplars, .temperature = number(c, "tau_new")},
                                 {.queries = c.activation("z_old"),
                                  .exemplars = c.activation("e_old"),
                                  .temperature = number(c, "tau_old")});
  c.check("out.loss", loss);
  tape::backward(loss);
  c.check_gradient("z_new", z);
  c.check_gradient("e_new", exemplars);
}

constexpr Handler kHandlers[] = {
    {"cassle_knowledge", cassle_knowledge_case},
    {"ccl_distill", ccl_distill_case},
    {"dino", dino_case},
    {"sinkhorn", sinkhorn_case},
    {"swav_full", swav_full_case},
    {"swav_scores", swav_scores_case},
};

}  // namespace

std::span<const Handler> assign_cases() { return kHandlers; }

}  // namespace nagare::reference
