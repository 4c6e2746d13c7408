#pragma once
// A stack that runs a function, left and entered again at will: Boost.Context with a guard page below each
// stack and AddressSanitizer's notes on every switch.
#include <sys/mman.h>
#include <unistd.h>

#include <boost/context/detail/fcontext.hpp>
#include <cstddef>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace nagare::emulator {

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kAddressSanitizer = true;
#else
inline constexpr bool kAddressSanitizer = false;
#endif

class Fiber {
 public:
  using Main = void (*)();  // never returns: it calls leave() where it is done

  explicit Fiber(Main main) : main_(main) {
    guard_ = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    bytes_ = guard_ + kStackBytes;
    void* memory =
        mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    base_ = static_cast<std::byte*>(memory);
    mprotect(base_, guard_, PROT_NONE);  // a kernel that overruns its stack stops there
    restart();
  }
  ~Fiber() { munmap(base_, bytes_); }
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Forgets whatever it was doing: the next enter() begins main.
  void restart() {
#if defined(__SANITIZE_ADDRESS__)
    ASAN_UNPOISON_MEMORY_REGION(base_ + guard_, kStackBytes);
#endif
    context_ = boost::context::detail::make_fcontext(base_ + bytes_, kStackBytes, &Fiber::start);
  }

  // Runs it until it leaves.
  void enter() {
#if defined(__SANITIZE_ADDRESS__)
    void* fake_stack = nullptr;
    __sanitizer_start_switch_fiber(&fake_stack, base_ + guard_, kStackBytes);
#endif
    context_ = boost::context::detail::jump_fcontext(context_, this).fctx;
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
#endif
  }

  // Called inside it: back to enter()'s caller, until it is entered again.
  void leave() {
#if defined(__SANITIZE_ADDRESS__)
    void* fake_stack = nullptr;
    __sanitizer_start_switch_fiber(&fake_stack, caller_stack_, caller_stack_bytes_);
#endif
    caller_ = boost::context::detail::jump_fcontext(caller_, nullptr).fctx;
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fake_stack, &caller_stack_, &caller_stack_bytes_);
#endif
  }

 private:
  static constexpr std::size_t kStackBytes = std::size_t{kAddressSanitizer ? 256 : 64} << 10;

  static void start(boost::context::detail::transfer_t from) {
    auto* self = static_cast<Fiber*>(from.data);
    self->caller_ = from.fctx;
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(nullptr, &self->caller_stack_, &self->caller_stack_bytes_);
#endif
    self->main_();
  }

  Main main_;
  std::byte* base_ = nullptr;
  std::size_t guard_ = 0;
  std::size_t bytes_ = 0;
  boost::context::detail::fcontext_t context_ = nullptr;
  boost::context::detail::fcontext_t caller_ = nullptr;
#if defined(__SANITIZE_ADDRESS__)
  const void* caller_stack_ = nullptr;
  std::size_t caller_stack_bytes_ = 0;
#endif
};

}  // namespace nagare::emulator
