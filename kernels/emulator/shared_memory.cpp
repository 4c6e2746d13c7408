#include "kernels/emulator/shared_memory.h"

#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>

#include "kernels/emulator/fiber.h"

namespace nagare::emulator {
namespace {

constexpr std::size_t kAlignment = 128;
// Bytes before and behind an array that must stay as they are; AddressSanitizer brings its own.
constexpr std::size_t kRedZone = kAddressSanitizer ? 0 : 128;

using RedZone = std::array<std::uint16_t, 64>;
static_assert(kRedZone <= sizeof(RedZone));
// Not the pattern of unwritten memory: a stray write of 0xFF must show. A NaN all the same, in every type.
const RedZone kUntouched = [] {
  RedZone zone{};
  zone.fill(0xFFF5);
  return zone;
}();

bool untouched(const std::byte* zone) {
  return kRedZone == 0 || std::memcmp(zone, kUntouched.data(), kRedZone) == 0;
}

}  // namespace

SharedArray::SharedArray(const void* site, const char* name, std::size_t bytes)
    : site_(site), name_(name), bytes_(bytes) {
  void* memory = nullptr;
  if (posix_memalign(&memory, kAlignment, kRedZone + bytes + kRedZone) != 0) throw std::bad_alloc();
  memory_.reset(static_cast<std::byte*>(memory));
  std::memset(data(), 0xFF, bytes);
  if (kRedZone > 0) {
    std::memcpy(memory_.get(), kUntouched.data(), kRedZone);
    std::memcpy(memory_.get() + kRedZone + bytes, kUntouched.data(), kRedZone);
  }
}

void* SharedArray::data() const { return memory_.get() + kRedZone; }

std::string SharedArray::damage() const {
  const bool before = !untouched(memory_.get());
  if (!before && untouched(memory_.get() + kRedZone + bytes_)) return "";
  return std::string("wrote ") + (before ? "before the beginning" : "past the end") + " of shared array " +
         name_ + " of " + std::to_string(bytes_) + " bytes";
}

void SharedArray::Free::operator()(std::byte* memory) const { std::free(memory); }

void SharedMemory::begin(std::size_t dynamic_bytes) {
  arrays_.clear();
  arrays_.emplace_back(nullptr, "(dynamic)", dynamic_bytes);
}

void* SharedMemory::at(const void* site, const char* name, std::size_t bytes) {
  std::size_t of_sites = bytes;
  for (const SharedArray& array : arrays_) {
    if (array.site() == site) return array.data();
    if (array.site() != nullptr) of_sites += array.bytes();
  }
  const std::size_t total = arrays_.front().bytes() + of_sites;
  if (of_sites > kStaticSharedLimit || total > kSharedLimit) {
    throw std::length_error("static shared arrays of " + std::to_string(of_sites) + " bytes with " + name +
                            ", " + std::to_string(total) + " with the dynamic one: a block has " +
                            std::to_string(kStaticSharedLimit) + ", and " + std::to_string(kSharedLimit));
  }
  return arrays_.emplace_back(site, name, bytes).data();
}

std::string SharedMemory::damage() const {
  for (const SharedArray& array : arrays_) {
    if (std::string text = array.damage(); !text.empty()) return text;
  }
  return "";
}

}  // namespace nagare::emulator
