// Cases of the losses/ group.

#include "engine/autograd/tape.h"
#include "engine/ops/coding_rate.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/normalize.h"
#include "engine/ops/shape_ops.h"
#include "ssl/losses/emp_contrastive.h"
#include "ssl/losses/emp_ssl.h"
#include "tests/reference/registry.h"

namespace nagare::reference {
namespace {

ssl::CodingRate rate_of(const Case& c, bool squared) {
  return {.epsilon = static_cast<float>(c.number("eps")), .epsilon_squared = squared};
}

// The rates of all patches, for files that hold them.
void check_rates(Case& c, const Tensor& z, float alpha) {
  if (c.has_result("out.rate")) c.check("out.rate", coding_rate(z.detach(), alpha));
}

void tcr_case(Case& c) {
  const Tensor z = c.activation("z");
  const ssl::CodingRate rate = rate_of(c, c.flag("eps_squared"));
  check_rates(c, z, rate.alpha(z.shape()[1], z.shape()[2]));
  finish_loss(c, ssl::tcr_loss(z, rate), {{"z", z}});
}

// With normalize, the input is the head's output, and rows are made unit vectors first, as the method does.
void empssl_case(Case& c) {
  const bool raw = c.flag("normalize");
  const Tensor leaf = c.activation(raw ? "h" : "z");
  const Shape shape{c.integer("n_patches"), c.integer("batch"), c.integer("dim")};
  const Tensor z = raw ? reshape(l2_normalize(cast(leaf, DType::f32)), shape) : leaf;
  const ssl::EmpSsl options{.similarity_weight = static_cast<float>(c.number("lambda")),
                            .tcr_weight = static_cast<float>(c.number("tcr_weight")),
                            .rate = rate_of(c, false)};
  check_rates(c, z, options.rate.alpha(shape[1], shape[2]));
  const ssl::EmpLoss parts = ssl::emp_ssl_loss(z, options);
  c.check("out.sim", parts.invariance);
  c.check("out.tcr", parts.tcr);
  finish_loss(c, parts.loss, {{raw ? "h" : "z", leaf}});
}

void emp_contrastive_case(Case& c) {
  const Tensor z = c.activation("z");
  const ssl::EmpContrastive options{.form = ssl::EmpContrast::patches,
                                    .contrastive_weight = static_cast<float>(c.number("lambda")),
                                    .tcr_weight = 1.0F,
                                    .temperature = static_cast<float>(c.number("tau")),
                                    .detach_mean = c.flag("detach_mean"),
                                    .normalize_mean = c.flag("normalize_mean"),
                                    .rate = rate_of(c, true)};
  const ssl::EmpLoss parts = ssl::emp_contrastive_loss(z, options);
  c.check("out.cont", parts.invariance);
  c.check("out.tcr", parts.tcr);
  finish_loss(c, parts.loss, {{"z", z}});
}

constexpr Handler kHandlers[] = {
    {"emp_contrastive", emp_contrastive_case},
    {"empssl", empssl_case},
    {"tcr", tcr_case},
};

}  // namespace

std::span<const Handler> loss_cases() { return kHandlers; }

}  // namespace nagare::reference
