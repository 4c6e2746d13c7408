#include "kernels/emulator/scheduler.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "kernels/emulator/fiber.h"
#include "kernels/parallel.h"
#include "kernels/philox.h"

namespace nagare::emulator {
namespace {

constexpr unsigned kLanes = 32;
constexpr std::size_t kSharedLimit = 227 * 1024;  // of one block on sm_90
constexpr std::size_t kRedZone =
    kAddressSanitizer ? 0 : 64;  // bytes behind a shared array that must stay as they are

std::atomic<std::uint64_t> global_seed{0};

std::string text_of(unsigned x, unsigned y, unsigned z) {
  return std::string("(") + std::to_string(x) + ", " + std::to_string(y) + ", " + std::to_string(z) + ")";
}

std::string text_of(const std::source_location& where) {
  const std::string file = where.file_name();
  return file.substr(file.find_last_of('/') + 1) + ":" + std::to_string(where.line());
}

bool same_place(const std::source_location& a, const std::source_location& b) {
  return a.line() == b.line() && a.column() == b.column() && std::strcmp(a.file_name(), b.file_name()) == 0;
}

// 0 ... n-1 in the order that the seed asks for.
void draw_order(std::vector<unsigned>& order, std::size_t n, std::uint32_t step, std::uint32_t sample) {
  const std::uint64_t seed = global_seed;
  order.resize(n);
  std::iota(order.begin(), order.end(), 0U);
  if (seed == 1) std::reverse(order.begin(), order.end());
  if (seed < 2) return;
  Philox random({.seed = seed, .purpose = Purpose::synthetic, .step = step, .sample = sample});
  for (std::size_t i = n; i > 1; --i)
    std::swap(order[i - 1], order[random.below(static_cast<std::uint32_t>(i))]);
}

// Memory of one shared array: exact size under AddressSanitizer, else with a red zone behind it.
class SharedArray {
 public:
  SharedArray(const void* site, const char* name, std::size_t bytes)
      : site_(site), name_(name), bytes_(bytes) {
    void* memory = nullptr;
    if (posix_memalign(&memory, 128, bytes + kRedZone) != 0) throw std::bad_alloc();
    memory_.reset(static_cast<std::byte*>(memory));
    std::memset(memory, 0xFF, bytes);
    std::memcpy(memory_.get() + bytes, red_zone().data(), kRedZone);
  }

  const void* site() const { return site_; }
  const char* name() const { return name_; }
  std::size_t bytes() const { return bytes_; }
  void* data() const { return memory_.get(); }
  bool intact() const { return std::memcmp(memory_.get() + bytes_, red_zone().data(), kRedZone) == 0; }

 private:
  static const std::array<std::byte, kRedZone>& red_zone() {
    static const auto bytes = [] {
      std::array<std::byte, kRedZone> made{};
      made.fill(std::byte{0xA5});
      return made;
    }();
    return bytes;
  }
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  const void* site_;
  const char* name_;
  std::size_t bytes_;
  std::unique_ptr<std::byte, Free> memory_;
};

enum class State : std::uint8_t { fresh, ready, at_barrier, at_warp, ended };

struct Thread {
  State state = State::fresh;
  Fiber* fiber = nullptr;
  // What it waits for.
  const char* operation = "";
  std::source_location where;
  std::uint32_t mask = 0;
  LaneInput input{};
  WarpResolve resolve = nullptr;
  std::uint64_t result = 0;
};

// Lanes as bits.
struct WarpState {
  std::uint32_t alive = 0;    // exist and have not ended
  std::uint32_t waiting = 0;  // stand at a warp operation
};

// Runs one block after the other; there is one per CPU thread.
class Worker {
 public:
  static Worker& here() {
    thread_local Worker worker;
    return worker;
  }

  void run_block(const Launch& launch, unsigned block, void (*body)(const void*), const void* context);

  int barrier(const char* operation, bool predicate, const std::source_location& where);
  std::uint64_t warp(const char* operation, std::uint32_t mask, LaneInput input, WarpResolve resolve,
                     const std::source_location& where);
  void* shared(const void* site, const char* name, std::size_t bytes);
  // "row_softmax: block (0, 0, 0), thread (5, 0, 0)".
  std::string position(unsigned thread) const;
  // The same of the thread that runs now; "" between blocks.
  std::string position() const { return launch_ == nullptr ? "" : position(running_); }

 private:
  static void fiber_main();
  void resume(unsigned t);
  void wait();
  void end_thread();
  bool complete_warp(unsigned leader);
  void check_shared();
  void abandon();
  std::string waiting(unsigned t) const;
  std::string deadlock() const;
  unsigned first_in(State state) const;
  [[noreturn]] void fault(const std::string& text) const {
    throw KernelFault(position(running_) + ": " + text);
  }

  const Launch* launch_ = nullptr;
  void (*body_)(const void*) = nullptr;
  const void* context_ = nullptr;
  std::vector<Thread> threads_;
  std::vector<WarpState> warps_;
  std::vector<unsigned> order_;
  std::vector<SharedArray> shared_;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> idle_fibers_;
  std::exception_ptr error_;
  unsigned running_ = 0;
  unsigned ended_ = 0;
  unsigned at_barrier_ = 0;
  int barrier_true_ = 0;
  int barrier_result_ = 0;
};

std::string Worker::position(unsigned t) const {
  const dim3 b = launch_->block;
  return std::string(launch_->name) + ": block " + text_of(blockIdx.x, blockIdx.y, blockIdx.z) + ", thread " +
         text_of(t % b.x, t / b.x % b.y, t / (b.x * b.y));
}

std::string Worker::waiting(unsigned t) const {
  const dim3 b = launch_->block;
  return std::string("thread ") + text_of(t % b.x, t / b.x % b.y, t / (b.x * b.y)) + " waits at " +
         threads_[t].operation + " (" + text_of(threads_[t].where) + ")";
}

unsigned Worker::first_in(State state) const {
  const auto found =
      std::find_if(threads_.begin(), threads_.end(), [=](const Thread& t) { return t.state == state; });
  return static_cast<unsigned>(found - threads_.begin());
}

void Worker::run_block(const Launch& launch, unsigned block, void (*body)(const void*), const void* context) {
  launch_ = &launch;
  body_ = body;
  context_ = context;
  const dim3 g = launch.grid;
  blockIdx = {block % g.x, block / g.x % g.y, block / (g.x * g.y)};
  blockDim = launch.block;
  gridDim = launch.grid;
  threads_.assign(std::size_t{launch.block.x} * launch.block.y * launch.block.z, Thread{});
  warps_.assign((threads_.size() + kLanes - 1) / kLanes, WarpState{.alive = 0xffffffffU});
  if (threads_.size() % kLanes != 0) warps_.back().alive = (1U << threads_.size() % kLanes) - 1;
  error_ = nullptr;
  ended_ = at_barrier_ = 0;
  barrier_true_ = 0;
  for (std::uint32_t pass = 0; ended_ < threads_.size() && !error_; ++pass) {
    draw_order(order_, threads_.size(), pass, block);
    bool progress = false;
    for (const unsigned t : order_) {
      if (threads_[t].state != State::fresh && threads_[t].state != State::ready) continue;
      progress = true;
      resume(t);
      if (error_) break;
    }
    if (!progress) error_ = std::make_exception_ptr(KernelFault(deadlock()));
  }
  if (error_) abandon();
  shared_.clear();
  launch_ = nullptr;
  if (error_) std::rethrow_exception(error_);
}

// No thread can run. A barrier alone cannot hang (see barrier() and end_thread()), so a warp operation does.
std::string Worker::deadlock() const {
  const unsigned stuck = first_in(State::at_warp);
  std::string text = position(stuck) + ": " + waiting(stuck) + ", which not all lanes of its mask reach";
  const unsigned first = stuck / kLanes * kLanes;
  for (unsigned t = first; t < std::min<unsigned>(first + kLanes, static_cast<unsigned>(threads_.size()));
       ++t) {
    const Thread& other = threads_[t];
    const bool named = (threads_[stuck].mask >> (t - first) & 1U) != 0;
    const bool same = other.resolve == threads_[stuck].resolve && other.mask == threads_[stuck].mask;
    if (named && (other.state == State::at_barrier || (other.state == State::at_warp && !same))) {
      return text + ": " + waiting(t);
    }
  }
  return text;
}

// Fibers stopped in the middle of a faulty block are taken back as they are.
void Worker::abandon() {
  for (Thread& thread : threads_) {
    if (thread.fiber == nullptr) continue;
    thread.fiber->restart();
    idle_fibers_.push_back(thread.fiber);
    thread.fiber = nullptr;
  }
}

void Worker::resume(unsigned t) {
  Thread& thread = threads_[t];
  if (thread.fiber == nullptr) {
    if (idle_fibers_.empty()) {
      fibers_.push_back(std::make_unique<Fiber>(&Worker::fiber_main));
      idle_fibers_.push_back(fibers_.back().get());
    }
    thread.fiber = idle_fibers_.back();
    idle_fibers_.pop_back();
  }
  running_ = t;
  const dim3 b = launch_->block;
  threadIdx = {t % b.x, t / b.x % b.y, t / (b.x * b.y)};
  thread.fiber->enter();
  if (thread.state == State::ended) {
    idle_fibers_.push_back(thread.fiber);
    thread.fiber = nullptr;
  }
  check_shared();
}

void Worker::check_shared() {
  if (error_) return;
  for (const SharedArray& array : shared_) {
    if (array.intact()) continue;
    error_ = std::make_exception_ptr(KernelFault(position(running_) +
                                                 ": wrote past the end of shared array " + array.name() +
                                                 " of " + std::to_string(array.bytes()) + " bytes"));
    return;
  }
}

// A fiber serves one thread after the other; what a thread throws belongs to the launch.
void Worker::fiber_main() {
  Worker& self = here();
  for (;;) {
    try {
      self.body_(self.context_);
      self.end_thread();
    } catch (...) {
      self.error_ = std::current_exception();
    }
    Thread& thread = self.threads_[self.running_];
    thread.state = State::ended;
    thread.fiber->leave();
  }
}

void Worker::wait() { threads_[running_].fiber->leave(); }

void Worker::end_thread() {
  if (at_barrier_ > 0) fault("ended, while " + waiting(first_in(State::at_barrier)));
  ++ended_;
  threads_[running_].state = State::ended;
  WarpState& warp = warps_[running_ / kLanes];
  warp.alive &= ~(1U << running_ % kLanes);
  for (unsigned lane = 0; lane < kLanes; ++lane) {  // who waited for this one may now go on
    if ((warp.waiting >> lane & 1U) != 0) complete_warp(lane);
  }
}

int Worker::barrier(const char* operation, bool predicate, const std::source_location& where) {
  Thread& self = threads_[running_];
  self.operation = operation;
  self.where = where;
  if (ended_ > 0) {
    const unsigned other = first_in(State::ended);
    fault(waiting(running_) + ", but another thread has ended: " + position(other));
  }
  if (at_barrier_ > 0) {
    const unsigned other = first_in(State::at_barrier);
    if (!same_place(threads_[other].where, where)) {
      fault("divergent barrier: " + waiting(running_) + ", " + waiting(other));
    }
  }
  ++at_barrier_;
  barrier_true_ += predicate ? 1 : 0;
  if (at_barrier_ == threads_.size()) {
    for (Thread& thread : threads_) thread.state = State::ready;
    at_barrier_ = 0;
    barrier_result_ = std::exchange(barrier_true_, 0);
  } else {
    self.state = State::at_barrier;
    wait();
  }
  return barrier_result_;  // the next barrier cannot complete before every thread has read this
}

std::uint64_t Worker::warp(const char* operation, std::uint32_t mask, LaneInput input, WarpResolve resolve,
                           const std::source_location& where) {
  Thread& self = threads_[running_];
  self.operation = operation;
  self.where = where;
  self.mask = mask;
  self.input = input;
  self.resolve = resolve;
  const unsigned lane = running_ % kLanes;
  if ((mask >> lane & 1U) == 0) {
    fault(waiting(running_) + " as lane " + std::to_string(lane) + ", which its own mask leaves out");
  }
  self.state = State::at_warp;
  warps_[running_ / kLanes].waiting |= 1U << lane;
  if (!complete_warp(lane)) wait();
  return self.result;
}

// Ends the operation that lane `leader` of the running thread's warp waits for, if all lanes of its mask wait for it.
bool Worker::complete_warp(unsigned leader) {
  const unsigned first = running_ / kLanes * kLanes;
  WarpState& warp = warps_[running_ / kLanes];
  const Thread& wanted = threads_[first + leader];
  const std::uint32_t lanes = wanted.mask & warp.alive;
  if ((lanes & ~warp.waiting) != 0) return false;
  LaneInput in[kLanes] = {};
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    if ((lanes >> lane & 1U) == 0) continue;
    const Thread& thread = threads_[first + lane];
    if (thread.resolve != wanted.resolve || thread.mask != wanted.mask) return false;
    in[lane] = thread.input;
    if (in[lane].source >= 0 && (lanes >> in[lane].source & 1U) == 0) {
      fault(waiting(first + lane) + " and reads lane " + std::to_string(in[lane].source) +
            ", which takes no part");
    }
  }
  std::uint64_t out[kLanes] = {};
  wanted.resolve(lanes, in, out);
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    if ((lanes >> lane & 1U) == 0) continue;
    threads_[first + lane].result = out[lane];
    threads_[first + lane].state = State::ready;
  }
  warp.waiting &= ~lanes;
  return true;
}

void* Worker::shared(const void* site, const char* name, std::size_t bytes) {
  std::size_t total = bytes;
  for (const SharedArray& array : shared_) {
    if (array.site() == site) return array.data();
    total += array.bytes();
  }
  if (total > kSharedLimit) {
    fault("shared arrays of " + std::to_string(total) + " bytes with " + name + ", a block has " +
          std::to_string(kSharedLimit));
  }
  return shared_.emplace_back(site, name, bytes).data();
}

void check_launch(const Launch& launch) {
  const dim3 g = launch.grid;
  const dim3 b = launch.block;
  const std::uint64_t threads = std::uint64_t{b.x} * b.y * b.z;
  const bool good = g.x >= 1 && g.x <= 0x7fffffffU && g.y >= 1 && g.y <= 65535 && g.z >= 1 && g.z <= 65535 &&
                    threads >= 1 && threads <= 1024 && b.z <= 64 && launch.shared_bytes <= kSharedLimit;
  if (!good) {
    throw KernelFault(
        std::string(launch.name) + ": grid " + text_of(g.x, g.y, g.z) + ", block " + text_of(b.x, b.y, b.z) +
        ", " + std::to_string(launch.shared_bytes) +
        " shared bytes: need grid from (1, 1, 1) to (2147483647, 65535, 65535), 1 to 1024 threads with "
        "z <= 64, and at most " +
        std::to_string(kSharedLimit) + " shared bytes");
  }
}

#if defined(__SANITIZE_ADDRESS__)
void print_position(const char*) {
  std::fprintf(stderr, "in emulated kernel %s\n", Worker::here().position().c_str());
}
#endif

}  // namespace

void set_seed(std::uint64_t seed) { global_seed = seed; }
std::uint64_t seed() { return global_seed; }

void run_grid(const Launch& launch, void (*body)(const void*), const void* context) {
  check_launch(launch);
#if defined(__SANITIZE_ADDRESS__)
  __asan_set_error_report_callback(&print_position);
#endif
  std::vector<unsigned> order;
  draw_order(order, std::size_t{launch.grid.x} * launch.grid.y * launch.grid.z, 0, 0xFFFFFFFFU);
  std::mutex mutex;
  std::exception_ptr fault;
  std::atomic<bool> failed{false};
  parallel_for(static_cast<std::int64_t>(order.size()), [&](std::int64_t i) {
    if (failed) return;
    try {
      Worker::here().run_block(launch, order[static_cast<std::size_t>(i)], body, context);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failed.exchange(true)) fault = std::current_exception();
    }
  });
  if (fault) std::rethrow_exception(fault);
}

int block_barrier(const char* operation, bool predicate, const std::source_location& where) {
  return Worker::here().barrier(operation, predicate, where);
}

std::uint64_t warp_operation(const char* operation, std::uint32_t mask, LaneInput input, WarpResolve resolve,
                             const std::source_location& where) {
  return Worker::here().warp(operation, mask, input, resolve, where);
}

void* shared_array(const void* site, const char* name, std::size_t bytes) {
  return Worker::here().shared(site, name, bytes);
}

}  // namespace nagare::emulator
