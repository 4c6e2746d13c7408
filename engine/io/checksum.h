#pragma once
// XXH3-128 of bytes: finds damage, does not withstand forgery. As 32 lower-case hexadecimal digits, most significant first
// (what `xxhsum -H2` prints): of no bytes 99aa06d3014798d86001c324468d497f.
//
// source  xxHash, XXH3_128bits with seed 0
#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "engine/io/file.h"

namespace nagare::io {

class Checksum {
 public:
  Checksum();
  ~Checksum();
  Checksum(const Checksum&) = delete;
  Checksum& operator=(const Checksum&) = delete;

  void add(const void* data, std::size_t bytes);
  // Of all that was added until now.
  std::string text() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string checksum(std::span<const std::byte> bytes);

}  // namespace nagare::io
