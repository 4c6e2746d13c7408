#pragma once
// What a run is known to take before it starts: said under --log-level debug, and compared with what may be taken.
// Activations come on top; how much they take is known after the first update (memory_bytes in metrics.jsonl).
#include <cstdint>
#include <string>

#include "apps/limits.h"
#include "apps/session.h"

namespace nagare::apps {

struct MemoryPlan {
  std::uint64_t data = 0;        // images and labels, in memory by now
  std::uint64_t state = 0;       // weights, optimiser, buffer, queues: allocated by now
  std::uint64_t checkpoint = 0;  // the copy of the state while it is stored, still to be taken
};

MemoryPlan plan_memory(const Session& session);
std::string describe(const MemoryPlan& plan, const MemoryLimit& limit);
// errors  OutOfMemory when what is still to be taken is more than may be
void check_memory(const MemoryPlan& plan, const MemoryLimit& limit);

}  // namespace nagare::apps
