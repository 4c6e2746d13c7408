#pragma once
// SwAV: each view foretells which prototypes another view of the image was assigned. docs/methods/swav.md
#include <cstdint>
#include <memory>

#include "ssl/core/method.h"
#include "ssl/core/options.h"
#include "ssl/losses/swav.h"
#include "ssl/methods/context.h"

namespace nagare::ssl {

struct SwavOptions {
  std::int64_t hidden = 2048;  // of the projector
  std::int64_t dim = 128;
  std::int64_t prototypes = 3000;
  Swav loss;                      // temperature, epsilon, iterations
  std::int64_t local_views = 0;   // of small crops, which are assigned nothing
  std::int64_t queue = 0;         // embeddings of earlier batches that are assigned too, for either view
  std::int64_t queue_start = 0;   // updates without a queue, counted from where schedules begin
  std::int64_t freeze_steps = 0;  // updates in which the prototypes stand still, counted likewise

  OptionSet bind();
};

std::unique_ptr<Method> make_swav(MethodContext context);

}  // namespace nagare::ssl
