#pragma once
// The one place that asks for the time, so that a test can later put its own clock here.
#include <cstdint>

namespace nagare::io {

// Nanoseconds since an arbitrary start; never goes backwards. For durations.
std::int64_t monotonic_nanoseconds();
// Seconds from `start`, an earlier monotonic_nanoseconds(), until now.
double seconds_since(std::int64_t start);
// Seconds since 1970-01-01 UTC. For the records a person reads; no result depends on it.
double wall_seconds();

}  // namespace nagare::io
