#include "ssl/methods/common.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "engine/device/errors.h"
#include "engine/nn/init.h"
#include "engine/ops/broadcast.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/normalize.h"
#include "engine/ops/reduce.h"
#include "engine/optim/schedule.h"
#include "kernels/philox.h"

namespace nagare::ssl {

std::uint64_t head_seed(std::uint64_t seed, std::uint32_t head) {
  Philox random({.seed = seed, .purpose = Purpose::init, .step = 1, .sample = head});
  const std::uint64_t high = random.next();
  return high << 32 | random.next();
}

std::vector<std::int64_t> projector_widths(const models::Backbone& backbone, std::int64_t layers,
                                           ProjectorWidths widths) {
  std::vector<std::int64_t> list{backbone.feature_dim()};
  for (std::int64_t layer = 1; layer < layers; ++layer) list.push_back(widths.hidden);
  list.push_back(widths.dim);
  return list;
}

Tensor initial_prototypes(std::int64_t count, std::int64_t dim, const MethodContext& context) {
  constexpr std::uint32_t kHead = 1;  // beside the projector's 0
  return nn::Initializer(head_seed(context.seed, kHead), context.device)
      .uniform({count, dim}, 1.0 / std::sqrt(static_cast<double>(dim)));
}

ViewPlan plan_of(std::vector<ViewRecipe> recipes, const MethodContext& context) {
  for (ViewRecipe& recipe : recipes) {
    recipe.mean = context.mean;
    recipe.std = context.std;
  }
  return {.views = std::move(recipes)};
}

ViewPlan plan_of(ViewRecipe recipe, std::int64_t views, const MethodContext& context) {
  return plan_of(std::vector<ViewRecipe>(static_cast<std::size_t>(views), recipe), context);
}

double momentum_at(float first, const Progress& progress) {
  return optim::ema_decay({.first = first, .steps = std::max<std::int64_t>(progress.total_steps, 1)},
                          progress.since_start());
}

void check_views(const char* who, const Views& views, std::int64_t wanted) {
  const bool fits = views.images.shape().rank() == 4 && views.batch >= 1 &&
                    views.images.shape()[0] == views.views * views.batch;
  if (views.views != wanted || !fits) {
    throw std::invalid_argument(std::string(who) + ": " + std::to_string(views.views) + " views of " +
                                std::to_string(views.batch) + " images in " +
                                to_string(views.images.shape()) + ", need " + std::to_string(wanted) +
                                " views, (views * batch, S, S, 3)");
  }
}

void check_queue(const QueueUse& use, const UpdateSize& largest) {
  const std::int64_t needed = use.rows * largest.total();
  if (needed <= use.queue) return;
  const auto text = [](std::int64_t number) { return std::to_string(number); };
  const std::string replayed =
      largest.replayed == 0 ? "" : " and " + text(largest.replayed) + " replayed ones";
  throw BadConfig(std::string(use.who) + ": " + text(largest.arriving) + " arriving images" + replayed +
                  " in an update" + (use.rows > 1 ? ", " + text(use.rows) + " " + use.what + " each," : "") +
                  " do not go into a queue of " + text(use.queue) + " " + use.what +
                  ": need --method.queue " + text(needed) + " or more" + use.instead +
                  ", or fewer images (--stream-batch" + (largest.replayed == 0 ? ")" : ", --replay)"));
}

Tensor view_images(const Views& views, std::int64_t v) {
  return views.images.rows(v * views.batch, views.batch);
}

Tensor joint_embedding(const std::vector<Tensor>& projections) {
  Tensor sum = cast(projections.front().detach(), DType::f32);
  for (std::size_t v = 1; v < projections.size(); ++v) {
    sum = add(sum, cast(projections[v].detach(), DType::f32));
  }
  return l2_normalize(sum);
}

StepOutput joint_output(const Tensor& loss, const EncodedViews& encoded) {
  const Tensor embedding = joint_embedding(encoded.projections);
  return {.loss = loss,
          .embedding = embedding,
          .features = {encoded.features},
          .projections = {encoded.projections},
          .metrics = {{"collapse_std", collapse_std(embedding)}}};
}

double collapse_std(const Tensor& unit_rows) {
  const std::int64_t batch = unit_rows.shape()[0];
  if (batch < 2) return 0.0;
  const Tensor rows = unit_rows.detach();
  const Tensor centred = add_row(rows, scale(mean_rows(rows), -1.0F));
  const double biased = mean(sqrt(mean_rows(square(centred)))).item();
  return biased * std::sqrt(static_cast<double>(batch) / static_cast<double>(batch - 1));
}

}  // namespace nagare::ssl
