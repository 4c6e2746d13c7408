#pragma once
// Where a step's time goes: named spans, written as a Chrome trace (chrome://tracing, Perfetto) and, in a build with
// CUDA, shown to Nsight as NVTX ranges.
//
//   profile::start(device);
//   { const profile::Range range("augment"); ... }
//   std::string json = profile::trace_json();
//
// off       a Range costs one relaxed load (and an NVTX call, itself a no-op without a profiler)
// on        on a GPU the stream is drained at both ends of a span, so that it measures the work and not the launches;
//           a profiled run is therefore slower than a free one
// limit     the first kMaxSpans spans are kept; trace_json() says how many came after
// threads   spans may open on any thread and must close on the same one
// format    Trace Event Format document: one "X" (complete) event per span, microseconds since start()
#include <cstddef>
#include <string>

#include "kernels/device.h"

namespace nagare::profile {

inline constexpr std::size_t kMaxSpans = 400'000;

// Forgets earlier spans and records from now on.
void start(Device device);
// Stops recording and gives everything recorded since start().
std::string trace_json();

class Range {
 public:
  // name  a string literal: it is kept by address
  explicit Range(const char* name);
  ~Range();
  Range(const Range&) = delete;
  Range& operator=(const Range&) = delete;

 private:
  const char* name_ = nullptr;
  double begin_ = 0.0;
};

}  // namespace nagare::profile
