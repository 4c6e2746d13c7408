#pragma once
// DINO: every view gives the distribution over prototypes that a slow copy of the network gives another. docs/methods/dino.md
#include <cstdint>
#include <memory>

#include "ssl/core/method.h"
#include "ssl/core/options.h"
#include "ssl/methods/context.h"

namespace nagare::ssl {

struct DinoOptions {
  std::int64_t layers = 3;  // Linear layers of the projector
  std::int64_t hidden = 2048;
  std::int64_t dim = 256;  // of the projection, the bottleneck before the prototypes
  bool hidden_norm = false;
  std::int64_t prototypes = 4096;
  std::int64_t local_views = 0;  // of small crops, which the student alone sees
  float student_temperature = 0.1F;
  float teacher_temperature = 0.04F;
  float warmup_temperature = 0.04F;  // the teacher's where schedules begin
  std::int64_t warmup_steps = 0;     // updates until it is teacher_temperature
  float center_momentum = 0.9F;
  float momentum = 0.996F;        // of the teacher where schedules begin; 1 at their end
  std::int64_t freeze_steps = 0;  // updates in which the prototypes stand still, counted from there

  OptionSet bind();
};

std::unique_ptr<Method> make_dino(MethodContext context);

}  // namespace nagare::ssl
