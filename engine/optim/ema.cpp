#include "engine/optim/ema.h"

#include <stdexcept>

#include "kernels/dispatch.h"
#include "kernels/multi_tensor.h"

namespace nagare::optim {
namespace {

const Tensor& partner(const char* who, const nn::StateEntry& target, const nn::StateList& online) {
  const nn::StateEntry* found = online.find(target.name);
  if (found == nullptr)
    throw std::invalid_argument(std::string(who) + ": the source has no '" + target.name + "'");
  const Tensor& source = found->tensor;
  if (source.shape() != target.tensor.shape() || source.dtype() != target.tensor.dtype() ||
      source.device() != target.tensor.device()) {
    throw std::invalid_argument(std::string(who) + ": '" + target.name + "' is " + to_string(source.shape()) +
                                " " + to_string(source.dtype()) + " on " + to_string(source.device()) +
                                " in the source, " + to_string(target.tensor.shape()) + " " +
                                to_string(target.tensor.dtype()) + " on " +
                                to_string(target.tensor.device()) + " in the target");
  }
  return source;
}

}  // namespace

void ema_update(const nn::StateList& target, const nn::StateList& online, double decay) {
  if (!(decay >= 0.0 && decay <= 1.0)) {
    throw std::invalid_argument("ema_update: decay " + std::to_string(decay) + ", need 0 <= decay <= 1");
  }
  std::vector<kernels::PairSegment> segments;
  for (const nn::StateEntry& p : target.parameters()) {
    const Tensor& source = partner("ema_update", p, online);
    segments.push_back({p.tensor.data<float>(), source.data<float>(), p.tensor.numel()});
  }
  if (segments.empty()) return;
  const Tensor any = target.parameters().front().tensor;
  const kernels::EmaStep p{.keep = static_cast<float>(decay), .take = static_cast<float>(1.0 - decay)};
  NAGARE_DISPATCH(any.device(), multi_tensor_ema(p, segments, any.stream()));
}

void copy_state(const nn::StateList& target, const nn::StateList& online) {
  for (const nn::StateEntry& entry : target.entries()) partner("copy_state", entry, online);
  for (const nn::StateEntry& entry : target.entries())
    entry.tensor.copy_from(online.find(entry.name)->tensor);
}

}  // namespace nagare::optim
