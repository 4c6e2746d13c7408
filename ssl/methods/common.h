#pragma once
// What several methods do alike.
#include <cstdint>
#include <vector>

#include "ssl/augment/view_plan.h"
#include "ssl/core/batch.h"
#include "ssl/core/method.h"
#include "ssl/methods/context.h"
#include "ssl/methods/encoder.h"

namespace nagare::ssl {

// A seed for head number `head` (from 0): heads and backbone must not start from the same numbers.
std::uint64_t head_seed(std::uint64_t seed, std::uint32_t head);

// A projector's widths from the backbone's features on: `layers` - 1 hidden ones and `dim`.
struct ProjectorWidths {
  std::int64_t hidden;
  std::int64_t dim;
};
std::vector<std::int64_t> projector_widths(const models::Backbone& backbone, std::int64_t layers,
                                           ProjectorWidths widths);

// Prototypes as torch's Linear begins: (count, dim), uniform in +-1 / sqrt(dim), of head number 1.
Tensor initial_prototypes(std::int64_t count, std::int64_t dim, const MethodContext& context);

// `views` views of one recipe, normalised with the data set's statistics.
ViewPlan plan_of(ViewRecipe recipe, std::int64_t views, const MethodContext& context);

// One view of each recipe, normalised with the data set's statistics.
ViewPlan plan_of(std::vector<ViewRecipe> recipes, const MethodContext& context);

// Share that a momentum network keeps at this step: `first` where schedules begin, grown to 1 at their end as a cosine (BYOL).
double momentum_at(float first, const Progress& progress);

// std::invalid_argument when there are not `wanted` views, or the images are not views * batch.
void check_views(const char* who, const Views& views, std::int64_t wanted);

// Images of view v: (B, S, S, 3).
Tensor view_images(const Views& views, std::int64_t v);

// normalise(sum over views of their projections): (B, D) f32 without history.
Tensor joint_embedding(const std::vector<Tensor>& projections);

// A method's queue, which a whole update must go into.
// errors  BadConfig: the largest update brings more than the queue holds
struct QueueUse {
  const char* who;
  const char* what;  // the rows: "keys"
  std::int64_t queue;
  std::int64_t rows = 1;     // of every image
  const char* instead = "";  // said behind the length that it needs
};
void check_queue(const QueueUse& use, const UpdateSize& largest);

// What a method of joint embeddings gives the training loop: its loss, the joint embedding, its collapse_std.
StepOutput joint_output(const Tensor& loss, const EncodedViews& encoded);

// Mean over the dimensions of the standard deviation over the batch (unbiased) of unit rows (B, D): about
// 1 / sqrt(D) in a healthy network, 0 after a collapse. 0 for B = 1.
double collapse_std(const Tensor& unit_rows);

}  // namespace nagare::ssl
