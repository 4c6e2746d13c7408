#pragma once
// Cuts the one block of scratch memory that a kernel is given into its parts. On a null base it only measures them, so
// that the size and the layout are written once:
//
//   Space take_space(const Shape& p, ScratchParts& parts) { return {.a = parts.take<float>(p.n), ...}; }
//   bytes:  ScratchParts parts(nullptr); take_space(p, parts); parts.used()
#include <cstddef>
#include <cstdint>

namespace nagare::kernels {

class ScratchParts {
 public:
  explicit ScratchParts(void* base) : base_(static_cast<char*>(base)) {}

  // `count` elements on a cache line's boundary.
  template <class T>
  T* take(std::int64_t count) {
    char* at = base_ == nullptr ? nullptr : base_ + used_;
    used_ += (count * static_cast<std::int64_t>(sizeof(T)) + kLine - 1) / kLine * kLine;
    return reinterpret_cast<T*>(at);
  }
  std::int64_t used() const { return used_; }

 private:
  static constexpr std::int64_t kLine = 64;
  char* base_;
  std::int64_t used_ = 0;
};

}  // namespace nagare::kernels
