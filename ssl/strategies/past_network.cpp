#include "ssl/strategies/past_network.h"

#include <stdexcept>
#include <utility>

#include "engine/autograd/tape.h"
#include "engine/ops/shape_ops.h"
#include "engine/optim/ema.h"
#include "ssl/methods/common.h"

namespace nagare::ssl {

PastNetwork::Norm PastNetwork::norm_named(const std::string& name) {
  if (name == "batch") return Norm::batch;
  if (name == "running") return Norm::running;
  throw std::invalid_argument("past network: norm \"" + name + "\", need batch or running");
}

PastNetwork::PastNetwork(const Network& network)
    : network_(network.clone()), times_(Tensor::zeros({}, {.dtype = DType::i64})) {}

void PastNetwork::take(const Network& network) {
  nn::StateList to;
  nn::StateList from;
  network_->list_state(to);
  network.list_state(from);
  optim::copy_state(to, from);
  ++*times_.data<std::int64_t>();
}

void PastNetwork::follow(const Network& network, double decay) {
  nn::StateList to;
  nn::StateList from;
  network_->list_state(to);
  network.list_state(from);
  optim::ema_update(to, from, decay);
}

Network::Rows PastNetwork::forward(const Views& views, Norm norm) const {
  const tape::NoGrad guard;
  if (norm == Norm::running) return network_->forward(views.images, false);
  std::vector<Tensor> features;
  std::vector<Tensor> projections;
  for (std::int64_t v = 0; v < views.views; ++v) {
    const Network::Rows rows = network_->forward(view_images(views, v), true);
    features.push_back(rows.features);
    projections.push_back(rows.projections);
  }
  return {.features = concat(features, 0), .projections = concat(projections, 0)};
}

void PastNetwork::list_state(nn::StateList& list) const {
  nn::StateList own;
  network_->list_state(own);
  const nn::StateList::Scope scope(list, "past");
  list.add("times", times_, nn::kCount);
  for (nn::StateEntry entry : own.entries()) {
    entry.role = nn::Role::buffer;
    list.add(std::move(entry));
  }
}

}  // namespace nagare::ssl
