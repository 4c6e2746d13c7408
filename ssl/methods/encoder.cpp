#include "ssl/methods/encoder.h"

#include "engine/autograd/tape.h"
#include "engine/optim/ema.h"
#include "ssl/methods/common.h"

namespace nagare::ssl {

Encoder::Encoder(std::unique_ptr<models::Backbone> backbone, models::MlpOptions projector)
    : options_(std::move(projector)), backbone_(std::move(backbone)), projector_(options_) {}

Network::Rows Encoder::forward(const Tensor& images, bool training) const {
  const Tensor features = backbone_->forward(images, training);
  return {.features = features, .projections = projector_.forward(features, training)};
}

EncodedViews Encoder::forward_views(const Views& views, Pass pass) const {
  EncodedViews encoded;
  for (std::int64_t v = 0; v < views.views; ++v) {
    const Rows rows = forward(view_images(views, v), pass != Pass::frozen);
    encoded.features.push_back(rows.features);
    encoded.projections.push_back(rows.projections);
  }
  return encoded;
}

void Encoder::list_state(nn::StateList& list) const {
  {
    const nn::StateList::Scope scope(list, "backbone");
    backbone_->list_state(list);
  }
  const nn::StateList::Scope scope(list, "projector");
  projector_.list_state(list);
}

Encoder Encoder::copy() const {
  Encoder copy(backbone_->clone(), options_);
  nn::StateList to;
  nn::StateList from;
  copy.projector_.list_state(to);
  projector_.list_state(from);
  optim::copy_state(to, from);
  return copy;
}

Encoder encoder_of(MethodContext& context, const models::MlpOptions& projector) {
  return {std::move(context.backbone), projector};
}

Tensor Teacher::forward(const Tensor& images, Pass pass) const {
  const tape::NoGrad guard;
  return encoder_.forward(images, pass != Pass::frozen).projections;
}

std::vector<Tensor> Teacher::forward_views(const Views& views, Pass pass) const {
  const tape::NoGrad guard;
  return encoder_.forward_views(views, pass).projections;
}

void Teacher::follow(const Encoder& student, double decay) {
  nn::StateList target;
  nn::StateList online;
  encoder_.list_state(target);
  student.list_state(online);
  optim::ema_update(target, online, decay);
}

void Teacher::list_state(nn::StateList& list) const {
  nn::StateList own;
  encoder_.list_state(own);
  const nn::StateList::Scope scope(list, "teacher");
  for (nn::StateEntry entry : own.entries()) {
    entry.role = nn::Role::buffer;
    list.add(std::move(entry));
  }
}

}  // namespace nagare::ssl
