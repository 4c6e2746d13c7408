// Cases of the losses/ group that are the rules of continual-learning strategies.

#include "engine/ops/elementwise.h"
#include "ssl/augment/mixup.h"
#include "ssl/losses/der.h"
#include "ssl/strategies/flat_parameters.h"
#include "ssl/strategies/si.h"
#include "tests/reference/registry.h"

namespace nagare::reference {
namespace {

void der_mse_case(Case& c) {
  const Tensor out = c.activation("out");
  finish_loss(c, ssl::der_loss(out, c.input("stored"), static_cast<float>(c.number("alpha"))),
              {{"out", out}});
}

void lump_mixup_case(Case& c) {
  const auto share = static_cast<float>(c.number("lam"));
  for (const std::string view : {"1", "2"}) {
    const Tensor x = c.image("x" + view).detach();
    const Tensor stored = c.image("buf" + view).detach();
    c.check("out.mix" + view, ssl::mixup(x, stored.rows(0, x.shape()[0]), share), Layout::channels_last);
  }
}

void si_case(Case& c) {
  const Tensor start = c.input("theta0");
  const auto rate = static_cast<float>(c.number("lr"));
  Tensor theta = start;
  Tensor path = Tensor::zeros(start.shape(), start.options());
  Tensor ucl = path;
  for (const std::string g : {"g0", "g1", "g2"}) {
    const Tensor gradient = c.input(g);
    const Tensor next = subtract(theta, scale(gradient, rate));
    path = add(path, multiply(gradient, subtract(theta, next)));
    ucl = add(ucl, scale(square(gradient), rate));
    theta = next;
  }
  c.check("out.theta_end", theta);
  const Tensor importance = ssl::si_importance(path, theta, start, c.number("xi"));
  c.check("out.omega_path", importance);
  c.check("out.omega_ucl", ssl::si_importance(ucl, theta, start, c.number("xi")));
  const Tensor at = c.parameter("theta");
  const ssl::FlatParameters parameters({{"theta", at, nn::Role::weight}});
  finish_loss(c, ssl::quadratic_penalty(parameters, importance, theta, c.number("c")).value, {{"theta", at}});
}

constexpr Handler kHandlers[] = {
    {"der_mse", der_mse_case},
    {"lump_mixup", lump_mixup_case},
    {"si", si_case},
};

}  // namespace

std::span<const Handler> strategy_cases() { return kHandlers; }

}  // namespace nagare::reference
