#include "engine/io/clock.h"

#include <chrono>

namespace nagare::io {

std::int64_t monotonic_nanoseconds() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

double seconds_since(std::int64_t start) {
  return static_cast<double>(monotonic_nanoseconds() - start) * 1e-9;
}

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace nagare::io
