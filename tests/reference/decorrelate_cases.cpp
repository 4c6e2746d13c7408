// Cases of the losses/ group that compare rows or make dimensions independent: cosines, cross-correlation, covariance.

#include "engine/autograd/tape.h"
#include "engine/ops/cross_correlation.h"
#include "ssl/losses/barlow.h"
#include "ssl/losses/byol.h"
#include "ssl/losses/cassle.h"
#include "ssl/losses/simsiam.h"
#include "ssl/losses/vicreg.h"
#include "tests/reference/registry.h"

namespace nagare::reference {
namespace {

// loss(first view, second view) of predictions p1, p2 and constant projections z1, z2.
template <class Loss>
void predicted_views(Case& c, const Loss& loss) {
  const ssl::PredictedView first{.prediction = c.activation("p1"), .projection = c.activation("z1")};
  const ssl::PredictedView second{.prediction = c.activation("p2"), .projection = c.activation("z2")};
  finish_loss(c, loss(first, second), {{"p1", first.prediction}, {"p2", second.prediction}});
}

void simsiam_case(Case& c) { predicted_views(c, ssl::simsiam_loss); }
void byol_case(Case& c) { predicted_views(c, ssl::byol_loss); }

void cassle_byol_case(Case& c) { predicted_views(c, ssl::cassle_byol_loss); }

ssl::Barlow barlow_of(const Case& c) {
  const bool published = c.text("variant") == "bn";  // else UCL's: unbiased deviation without epsilon
  return {.lambda = static_cast<float>(c.number("lambda")),
          .scale = static_cast<float>(c.number("scale")),
          .epsilon = published ? static_cast<float>(c.number("eps")) : 0.0F,
          .unbiased = !published};
}

void barlow_case(Case& c) {
  const Tensor z1 = c.activation("z1");
  const Tensor z2 = c.activation("z2");
  const ssl::Barlow options = barlow_of(c);
  c.check("out.C", cross_correlation(z1, z2, {.epsilon = options.epsilon, .unbiased = options.unbiased}));
  finish_loss(c, ssl::barlow_loss(z1, z2, options), {{"z1", z1}, {"z2", z2}});
}

void cassle_barlow_case(Case& c) {
  const ssl::Barlow options{.lambda = static_cast<float>(c.number("lambda")),
                            .scale = static_cast<float>(c.number("scale")),
                            .epsilon = static_cast<float>(c.number("eps"))};
  predicted_views(c, [&](const ssl::PredictedView& first, const ssl::PredictedView& second) {
    return ssl::cassle_barlow_loss(first, second, options);
  });
}

void cassle_mse_case(Case& c) { predicted_views(c, ssl::cassle_mse_loss); }

void vicreg_case(Case& c) {
  const Tensor z1 = c.activation("z1");
  const Tensor z2 = c.activation("z2");
  const ssl::VicRegLoss parts = ssl::vicreg_loss(z1, z2,
                                                 {.similarity_weight = static_cast<float>(c.number("sim")),
                                                  .deviation_weight = static_cast<float>(c.number("std")),
                                                  .covariance_weight = static_cast<float>(c.number("cov")),
                                                  .epsilon = static_cast<float>(c.number("eps")),
                                                  .halved = c.flag("var_half")});
  c.check("out.inv", parts.similarity);
  c.check("out.var", parts.deviation);
  c.check("out.cov", parts.covariance);
  finish_loss(c, parts.loss, {{"z1", z1}, {"z2", z2}});
}

constexpr Handler kHandlers[] = {
    {"barlow", barlow_case},
    {"byol", byol_case},
    {"cassle_barlow", cassle_barlow_case},
    {"cassle_byol", cassle_byol_case},
    {"cassle_mse", cassle_mse_case},
    {"simsiam", simsiam_case},
    {"vicreg", vicreg_case},
};

}  // namespace

std::span<const Handler> decorrelate_cases() { return kHandlers; }

}  // namespace nagare::reference
