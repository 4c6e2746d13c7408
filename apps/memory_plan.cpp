#include "apps/memory_plan.h"

#include <fmt/format.h>

#include "engine/device/errors.h"

namespace nagare::apps {
namespace {

std::uint64_t bytes_of(const Tensor& tensor) { return tensor.defined() ? tensor.bytes() : 0; }

std::string mebibytes(std::uint64_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
}

}  // namespace

MemoryPlan plan_memory(const Session& session) {
  MemoryPlan plan;
  for (const ssl::Split* split : {&session.dataset->train, &session.dataset->test})
    plan.data += bytes_of(split->images);
  nn::StateList state;
  session.trainer->list_state(state);
  for (const nn::StateEntry& entry : state.entries()) plan.state += bytes_of(entry.tensor);
  plan.checkpoint = plan.state;
  return plan;
}

std::string describe(const MemoryPlan& plan, const MemoryLimit& limit) {
  return fmt::format(
      "memory: images {}, state {}, a checkpoint's copy {}, activations on top; {} may be taken, set by {}",
      mebibytes(plan.data), mebibytes(plan.state), mebibytes(plan.checkpoint), mebibytes(limit.bytes),
      limit.source);
}

void check_memory(const MemoryPlan& plan, const MemoryLimit& limit) {
  if (plan.checkpoint <= limit.bytes) return;
  throw OutOfMemory(fmt::format(
      "out of memory before the first update: a checkpoint needs a copy of the run's state, {}, and {} may "
      "be taken, set by {}\n--buffer and the model's width lower it",
      mebibytes(plan.checkpoint), mebibytes(limit.bytes), limit.source));
}

}  // namespace nagare::apps
