#include "ssl/strategies/buffer_only.h"

#include <string>

#include "engine/device/errors.h"

namespace nagare::ssl {

void check_buffer_only(const char* who, const StrategyContext& context) {
  if (context.capacity >= context.stream_batch) return;
  throw BadConfig(std::string(who) + ": the buffer-only variant draws its batches of " +
                  std::to_string(context.stream_batch) + " from the buffer, which holds " +
                  std::to_string(context.capacity) +
                  ": need a buffer at least as large as an arriving batch");
}

Batch nothing_of(const Batch& arriving) {
  return {.images = {}, .ids = {}, .position = arriving.position, .task = arriving.task};
}

}  // namespace nagare::ssl
