// Cases of the losses/ group that compare rows or make dimensions independent: cosines, cross-correlation, covariance.

#include "engine/autograd/tape.h"
#include "ssl/losses/byol.h"
#include "ssl/losses/simsiam.h"
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

constexpr Handler kHandlers[] = {
    {"byol", byol_case},
    {"simsiam", simsiam_case},
};

}  // namespace

std::span<const Handler> decorrelate_cases() { return kHandlers; }

}  // namespace nagare::reference
