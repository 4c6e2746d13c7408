#include "kernels/emulator/block.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace nagare::emulator {
namespace {

constexpr unsigned kLanes = 32;

bool same_place(const std::source_location& a, const std::source_location& b) {
  return a.line() == b.line() && a.column() == b.column() && std::strcmp(a.file_name(), b.file_name()) == 0;
}

bool same_text(const char* a, const char* b) { return std::strcmp(a, b) == 0; }

bool has(std::uint32_t lanes, unsigned lane) { return (lanes >> lane & 1U) != 0; }

}  // namespace

std::string BlockRunner::thread_text(unsigned t) const {
  const dim3 b = launch_->block;
  return "thread " + text_of(t % b.x, t / b.x % b.y, t / (b.x * b.y));
}

std::string BlockRunner::position(unsigned t) const {
  return std::string(launch_->name) + ": block " + text_of(blockIdx.x, blockIdx.y, blockIdx.z) + ", " +
         thread_text(t);
}

std::string BlockRunner::waits(unsigned t) const {
  return std::string("waits at ") + threads_[t].operation + " (" + text_of(threads_[t].where) + ")";
}

unsigned BlockRunner::first_in(State state) const {
  const auto found =
      std::find_if(threads_.begin(), threads_.end(), [=](const Thread& t) { return t.state == state; });
  return static_cast<unsigned>(found - threads_.begin());
}

void BlockRunner::begin(const Launch& launch, unsigned block) {
  launch_ = &launch;
  const dim3 g = launch.grid;
  blockIdx = {block % g.x, block / g.x % g.y, block / (g.x * g.y)};
  blockDim = launch.block;
  gridDim = launch.grid;
  threads_.assign(std::size_t{launch.block.x} * launch.block.y * launch.block.z, Thread{});
  warps_.assign((threads_.size() + kLanes - 1) / kLanes, Warp{.alive = 0xffffffffU});
  if (threads_.size() % kLanes != 0) warps_.back().alive = (1U << threads_.size() % kLanes) - 1;
  shared_.begin(launch.shared_bytes);
  error_ = nullptr;
  running_ = ended_ = at_barrier_ = 0;
  barrier_true_ = 0;
}

void BlockRunner::run(const Launch& launch, unsigned block, void (*body)(const void*), const void* context) {
  begin(launch, block);
  body_ = body;
  context_ = context;
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
  shared_.end();
  launch_ = nullptr;
  if (error_) std::rethrow_exception(error_);
}

// No thread can run. A barrier alone cannot hang (see barrier() and end_thread()), so a warp operation does.
std::string BlockRunner::deadlock() const {
  const unsigned stuck = first_in(State::at_warp);
  std::string text = position(stuck) + ": " + waits(stuck) + ", which not all lanes of its mask reach";
  const unsigned first = stuck / kLanes * kLanes;
  for (unsigned t = first; t < std::min<unsigned>(first + kLanes, static_cast<unsigned>(threads_.size()));
       ++t) {
    const Thread& other = threads_[t];
    const bool named = has(threads_[stuck].mask, t - first);
    const bool same =
        same_text(other.operation, threads_[stuck].operation) && other.mask == threads_[stuck].mask;
    if (named && (other.state == State::at_barrier || (other.state == State::at_warp && !same))) {
      return text + ": " + thread_text(t) + " " + waits(t);
    }
  }
  return text;
}

// Fibers stopped in the middle of a faulty block are taken back as they are.
void BlockRunner::abandon() {
  for (Thread& thread : threads_) {
    if (thread.fiber == nullptr) continue;
    thread.fiber->restart();
    idle_fibers_.push_back(thread.fiber);
    thread.fiber = nullptr;
  }
}

void BlockRunner::resume(unsigned t) {
  Thread& thread = threads_[t];
  if (thread.fiber == nullptr) {
    if (idle_fibers_.empty()) {
      fibers_.push_back(std::make_unique<Fiber>(&BlockRunner::fiber_main));
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
  if (error_) return;
  if (const std::string damage = shared_.damage(); !damage.empty()) {
    error_ = std::make_exception_ptr(KernelFault(position(t) + ": " + damage));
  }
}

// A fiber serves one thread after the other; what a thread throws belongs to the launch.
void BlockRunner::fiber_main() {
  BlockRunner& self = here();
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

void BlockRunner::end_thread() {
  if (at_barrier_ > 0) {
    const unsigned other = first_in(State::at_barrier);
    fault("ended, while " + thread_text(other) + " " + waits(other));
  }
  ++ended_;
  threads_[running_].state = State::ended;
  Warp& warp = warps_[running_ / kLanes];
  warp.alive &= ~(1U << running_ % kLanes);
  for (unsigned lane = 0; lane < kLanes; ++lane) {  // who waited for this one may now go on
    if (has(warp.waiting, lane)) complete_warp(lane);
  }
}

int BlockRunner::barrier(const char* operation, bool predicate, const std::source_location& where) {
  Thread& self = threads_[running_];
  self.operation = operation;
  self.where = where;
  if (ended_ > 0) {
    fault(waits(running_) + ", but " + thread_text(first_in(State::ended)) + " has ended");
  }
  if (at_barrier_ > 0) {
    const unsigned other = first_in(State::at_barrier);
    if (!same_place(threads_[other].where, where)) {
      fault("divergent barrier: " + waits(running_) + ", " + thread_text(other) + " " + waits(other));
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

std::uint64_t BlockRunner::warp(const char* operation, std::uint32_t mask, LaneInput input,
                                WarpResolve resolve, const std::source_location& where) {
  Thread& self = threads_[running_];
  self.operation = operation;
  self.where = where;
  self.mask = mask;
  self.input = input;
  self.resolve = resolve;
  const unsigned lane = running_ % kLanes;
  if (!has(mask, lane)) {
    fault(waits(running_) + " as lane " + std::to_string(lane) + ", which its own mask leaves out");
  }
  self.state = State::at_warp;
  warps_[running_ / kLanes].waiting |= 1U << lane;
  if (!complete_warp(lane)) wait();
  return self.result;
}

// Ends the operation that lane `leader` of the running thread's warp waits for, if all lanes of its mask wait for it.
bool BlockRunner::complete_warp(unsigned leader) {
  const unsigned first = running_ / kLanes * kLanes;
  Warp& warp = warps_[running_ / kLanes];
  const Thread& wanted = threads_[first + leader];
  const std::uint32_t lanes = wanted.mask & warp.alive;
  if ((lanes & ~warp.waiting) != 0) return false;
  LaneInput in[kLanes] = {};
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    if (!has(lanes, lane)) continue;
    const Thread& thread = threads_[first + lane];
    if (!same_text(thread.operation, wanted.operation) || thread.mask != wanted.mask) return false;
    in[lane] = thread.input;
    if (in[lane].source >= 0 && !has(lanes, static_cast<unsigned>(in[lane].source))) {
      fault(thread_text(first + lane) + " " + waits(first + lane) + " and reads lane " +
            std::to_string(in[lane].source) + ", which takes no part");
    }
  }
  std::uint64_t out[kLanes] = {};
  wanted.resolve(lanes, in, out);
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    if (!has(lanes, lane)) continue;
    threads_[first + lane].result = out[lane];
    threads_[first + lane].state = State::ready;
  }
  warp.waiting &= ~lanes;
  return true;
}

void* BlockRunner::shared(const void* site, const char* name, std::size_t bytes) {
  try {
    return shared_.at(site, name, bytes);
  } catch (const std::length_error& error) {
    fault(error.what());
  }
}

void* BlockRunner::dynamic_shared() {
  dynamic_named_ = true;
  return shared_.at(nullptr, "", 0);
}

void BlockRunner::fault(const std::string& text) const {
  throw KernelFault(position(running_) + ": " + text);
}

}  // namespace nagare::emulator
