#pragma once
// What the system lets this process have.
#include <cstdint>
#include <string>

namespace nagare::apps {

struct MemoryLimit {
  std::uint64_t bytes = 0;  // that may still be taken
  std::string source;       // what sets it: "free memory", "ulimit -v", "the container (cgroup memory.max)"
};

// The tightest of free memory, RLIMIT_AS and the control group.
MemoryLimit memory_limit();

// Processors that the control group pays for, of cpu.max: 0.5, 4; 0: no limit.
double cpu_quota();

}  // namespace nagare::apps
