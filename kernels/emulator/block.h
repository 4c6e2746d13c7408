#pragma once
// Runs the threads of one block as fibers of one CPU thread; what they wait for, and who may go on. See scheduler.h.
#include <cstdint>
#include <exception>
#include <memory>
#include <source_location>
#include <string>
#include <utility>
#include <vector>

#include "kernels/emulator/fiber.h"
#include "kernels/emulator/scheduler.h"
#include "kernels/emulator/shared_memory.h"

namespace nagare::emulator {

// 0 ... n-1 in the order that the seed asks for; (step, sample) tells one draw of a seed from another.
void draw_order(std::vector<unsigned>& order, std::size_t n, std::uint32_t step, std::uint32_t sample);

// "(1, 2, 3)", and "file.cu:12".
std::string text_of(unsigned x, unsigned y, unsigned z);
std::string text_of(const std::source_location& where);

// Runs one block after the other; there is one per CPU thread.
class BlockRunner {
 public:
  static BlockRunner& here() {
    thread_local BlockRunner runner;
    return runner;
  }

  void run(const Launch& launch, unsigned block, void (*body)(const void*), const void* context);

  // ---- Called by the running thread of the block ----
  int barrier(const char* operation, bool predicate, const std::source_location& where);
  std::uint64_t warp(const char* operation, std::uint32_t mask, LaneInput input, WarpResolve resolve,
                     const std::source_location& where);
  void* shared(const void* site, const char* name, std::size_t bytes);
  void* dynamic_shared();
  [[noreturn]] void fault(const std::string& text) const;

  // Whether a thread has asked for the dynamic shared memory since the last call.
  bool take_dynamic_named() { return std::exchange(dynamic_named_, false); }
  // "row_softmax: block (0, 0, 0), thread (5, 0, 0)" of the thread that runs now; "" between blocks.
  std::string position() const { return launch_ == nullptr ? "" : position(running_); }

 private:
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
  struct Warp {
    std::uint32_t alive = 0;    // exist and have not ended
    std::uint32_t waiting = 0;  // stand at a warp operation
  };

  static void fiber_main();
  void begin(const Launch& launch, unsigned block);
  void resume(unsigned t);
  void wait() { threads_[running_].fiber->leave(); }
  void end_thread();
  bool complete_warp(unsigned leader);
  void abandon();
  std::string position(unsigned thread) const;
  std::string thread_text(unsigned thread) const;
  std::string waits(unsigned thread) const;
  std::string deadlock() const;
  unsigned first_in(State state) const;

  const Launch* launch_ = nullptr;
  void (*body_)(const void*) = nullptr;
  const void* context_ = nullptr;
  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  std::vector<unsigned> order_;
  SharedMemory shared_;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> idle_fibers_;
  std::exception_ptr error_;
  bool dynamic_named_ = false;
  unsigned running_ = 0;
  unsigned ended_ = 0;
  unsigned at_barrier_ = 0;
  int barrier_true_ = 0;
  int barrier_result_ = 0;
};

}  // namespace nagare::emulator
