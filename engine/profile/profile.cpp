#include "engine/profile/profile.h"

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <vector>

#include "engine/device/device_context.h"
#include "engine/io/clock.h"
#include "engine/vendor/nvtx.h"

namespace nagare::profile {
namespace {

struct Span {
  const char* name;
  int thread;
  double begin;  // seconds since start()
  double end;
};

struct Recorder {
  std::atomic<bool> on{false};
  Device device = Device::cpu;
  std::int64_t origin = 0;  // monotonic nanoseconds
  std::mutex mutex;         // guards the two below
  std::vector<Span> spans;
  std::size_t dropped = 0;
};

Recorder& recorder() {
  static Recorder instance;
  return instance;
}

// Small numbers in the order in which threads first opened a span.
int thread_number() {
  static std::atomic<int> count{0};
  thread_local const int number = count++;
  return number;
}

double now_on_device(const Recorder& r) {
  synchronize(r.device);
  return static_cast<double>(io::monotonic_nanoseconds() - r.origin) * 1e-9;
}

}  // namespace

void start(Device device) {
  Recorder& r = recorder();
  const std::lock_guard lock(r.mutex);
  r.spans.clear();
  r.dropped = 0;
  r.device = device;
  r.origin = io::monotonic_nanoseconds();
  r.on = true;
}

Range::Range(const char* name) {
  if constexpr (kBuiltWithCuda) vendor::nvtx::push(name);
  if (!recorder().on.load(std::memory_order_relaxed)) return;
  name_ = name;
  begin_ = now_on_device(recorder());
}

Range::~Range() {
  if constexpr (kBuiltWithCuda) vendor::nvtx::pop();
  if (name_ == nullptr) return;
  Recorder& r = recorder();
  Span span{.name = name_, .thread = thread_number(), .begin = begin_, .end = begin_};
  try {
    span.end = now_on_device(r);
  } catch (...) {
    return;  // a failed device reports the same error to the next call, which may throw
  }
  const std::lock_guard lock(r.mutex);
  if (r.spans.size() < kMaxSpans) {
    r.spans.push_back(span);
  } else {
    ++r.dropped;
  }
}

std::string trace_json() {
  Recorder& r = recorder();
  r.on = false;
  const std::lock_guard lock(r.mutex);
  std::string json = "{\"displayTimeUnit\":\"ms\",\"otherData\":{\"device\":\"" +
                     std::string(to_string(r.device)) + "\",\"spans_dropped\":\"" +
                     std::to_string(r.dropped) + "\"},\"traceEvents\":[\n" +
                     R"({"name":"process_name","ph":"M","pid":0,"tid":0,"args":{"name":"nagare"}})";
  char line[256];
  for (const Span& span : r.spans) {
    std::snprintf(
        line, sizeof line,
        ",\n{\"name\":\"%s\",\"cat\":\"step\",\"ph\":\"X\",\"pid\":0,\"tid\":%d,\"ts\":%.3f,\"dur\":%.3f}",
        span.name, span.thread, span.begin * 1e6, (span.end - span.begin) * 1e6);
    json += line;
  }
  return json + "\n]}\n";
}

}  // namespace nagare::profile
