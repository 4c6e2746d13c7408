#include "ssl/methods/emp_network.h"

#include "engine/ops/elementwise.h"
#include "engine/ops/normalize.h"
#include "engine/ops/reduce.h"
#include "engine/ops/shape_ops.h"
#include "engine/optim/ema.h"
#include "ssl/augment/recipes.h"
#include "ssl/methods/common.h"

namespace nagare::ssl {
namespace {

// The recipe's mean and deviation of 0.5 stay, whatever the data set's are.
ViewPlan patch_plan(const EmpNetworkOptions& options, std::int64_t size) {
  ViewRecipe recipe = emp_ssl_recipe(size);
  recipe.crop_scale_min = recipe.crop_scale_max = options.patch_scale;
  return {.views = std::vector<ViewRecipe>(static_cast<std::size_t>(options.patches), recipe)};
}

models::MlpOptions head(const EmpNetworkOptions& options, const MethodContext& context) {
  std::vector<std::int64_t> widths{context.backbone->feature_dim()};
  widths.insert(widths.end(), static_cast<std::size_t>(options.hidden_layers), options.hidden);
  widths.push_back(options.dim);
  return {.widths = widths,
          .hidden_bias = true,  // as published, though the batch norm behind takes them out again
          .seed = head_seed(context.seed, 0),
          .device = context.device};
}

}  // namespace

EmpNetwork::EmpNetwork(const EmpNetworkOptions& options, MethodContext context)
    : options_(options),
      plan_(patch_plan(options, context.image_size)),
      head_(head(options, context)),
      projector_(head_),
      backbone_(std::move(context.backbone)) {}

EmpNetwork::EmpNetwork(const EmpNetwork& other, std::unique_ptr<models::Backbone> backbone)
    : options_(other.options_),
      plan_(other.plan_),
      head_(other.head_),
      projector_(other.head_),
      backbone_(std::move(backbone)) {
  nn::StateList to;
  nn::StateList from;
  projector_.list_state(to);
  other.projector_.list_state(from);
  optim::copy_state(to, from);
}

Network::Rows EmpNetwork::forward(const Tensor& images, bool training) const {
  const Tensor features = backbone_->forward(images, training);
  const Tensor h = projector_.forward(features, training);  // (N, d)
  return {.features = features, .projections = l2_normalize(cast(h, DType::f32))};
}

Network::Rows EmpNetwork::embed(const char* who, const Views& views, Pass pass) const {
  check_views(who, views, options_.patches);
  return forward(views.images, pass != Pass::frozen);
}

Tensor EmpNetwork::patches(const Rows& rows, const Views& views) {
  return reshape(rows.projections, {views.views, views.batch, rows.projections.shape()[1]});
}

std::unique_ptr<Network> EmpNetwork::clone() const {
  return std::unique_ptr<Network>(new EmpNetwork(*this, backbone_->clone()));
}

Tensor EmpNetwork::image_embedding(const Tensor& z) { return l2_normalize(mean_outer(z.detach())); }

void EmpNetwork::list_state(nn::StateList& list) const {
  {
    const nn::StateList::Scope scope(list, "backbone");
    backbone_->list_state(list);
  }
  const nn::StateList::Scope scope(list, "projector");
  projector_.list_state(list);
}

void EmpNetworkOptions::bind(OptionSet& set) {
  set.integer("patches", patches, {.low = 1, .high = 1000}, "patches of each image");
  set.integer("hidden", hidden, {.low = 1, .high = 65536}, "width of the head's hidden layers");
  set.integer("hidden-layers", hidden_layers, {.low = 0, .high = 8}, "hidden layers of the head");
  set.integer("dim", dim, {.low = 1, .high = 65536}, "width of the embedding");
  set.number("patch-scale", patch_scale, {.low = 0.01, .high = 1.0},
             "area of a patch, fraction of the image's");
}

}  // namespace nagare::ssl
