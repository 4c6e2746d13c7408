#pragma once
// The shared memory of one emulated block: arrays of exact size, filled with NaN, with red zones on both sides.
//
// Without AddressSanitizer a read just past either end of an array gives NaN (as float, bf16, half or double), and a
// write there is found when the thread that wrote waits or ends. With it every array is a heap block of its own.
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace nagare::emulator {

inline constexpr std::size_t kSharedLimit = 227 * 1024;  // of one block on sm_90
inline constexpr std::size_t kStaticSharedLimit =
    48 * 1024;  // of the arrays that are not dynamic: ptxas refuses more

class SharedArray {
 public:
  SharedArray(const void* site, const char* name, std::size_t bytes);

  const void* site() const { return site_; }
  const char* name() const { return name_; }
  std::size_t bytes() const { return bytes_; }
  void* data() const;
  // "" or what is wrong with the red zones: "wrote past the end of shared array tile of 40 bytes".
  std::string damage() const;

 private:
  struct Free {
    void operator()(std::byte* memory) const;
  };
  const void* site_;
  const char* name_;
  std::size_t bytes_;
  std::unique_ptr<std::byte, Free> memory_;
};

class SharedMemory {
 public:
  // The launch's dynamic shared memory, 0: none. Site nullptr finds it.
  void begin(std::size_t dynamic_bytes);
  void end() { arrays_.clear(); }

  // The array of this site, made when it is new. Throws std::length_error with the figures when a block has less.
  void* at(const void* site, const char* name, std::size_t bytes);
  // The first damage found, or "".
  std::string damage() const;

 private:
  std::vector<SharedArray> arrays_;
};

}  // namespace nagare::emulator
