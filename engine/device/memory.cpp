#include "engine/device/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <string>
#include <vector>

#include "engine/device/cuda_runtime.h"
#include "engine/device/errors.h"
#include "kernels/device_error.h"
#include "kernels/sanitizer.h"

namespace nagare {
namespace {

struct Usage {
  std::atomic<std::size_t> in_use{0};
  std::atomic<std::size_t> peak{0};

  void add(std::size_t bytes) {
    const std::size_t now = in_use.fetch_add(bytes) + bytes;
    std::size_t seen = peak.load();
    while (now > seen && !peak.compare_exchange_weak(seen, now)) {
    }
  }
  void remove(std::size_t bytes) { in_use.fetch_sub(bytes); }
};

Usage& usage(Device device) {
  static Usage cpu;
  static Usage cuda;
  return device == Device::cpu ? cpu : cuda;
}

// Sizes are rounded up to 1/8 of their power of two, so that a block freed by one layer serves the next and at most
// an eighth of it is unused.
std::size_t rounded(std::size_t bytes) {
  const std::size_t step = std::max<std::size_t>(64, std::bit_floor(std::max<std::size_t>(bytes, 1)) / 8);
  return (bytes + step - 1) / step * step;
}

// Sanitizers shall see the end of each block, and its use after it was freed.
constexpr bool kExactBlocks = kSanitized;
constexpr std::size_t kAlignment = 64;

void* exact_block(std::size_t bytes) {
  void* block = nullptr;
  return posix_memalign(&block, kAlignment, bytes) == 0 ? block : nullptr;
}

// Freed CPU blocks by size. Lives until the process ends: tensors in static storage may outlive any other order.
class BlockCache {
 public:
  void* take(std::size_t bytes) {
    if constexpr (kExactBlocks) return exact_block(bytes);
    {
      const std::lock_guard lock(mutex_);
      const auto found = free_.find(bytes);
      if (found != free_.end() && !found->second.empty()) {
        void* block = found->second.back();
        found->second.pop_back();
        return block;
      }
    }
    void* block = fresh(bytes);
    if (block == nullptr) {
      release_all();
      block = fresh(bytes);
    }
    return block;
  }

  void give(void* block, std::size_t bytes) {
    if constexpr (kExactBlocks) return std::free(block);
    const std::lock_guard lock(mutex_);
    try {
      free_[bytes].push_back(block);
    } catch (const std::bad_alloc&) {  // a destructor waits for us: no memory to keep it in the list
      std::free(block);
    }
  }

 private:
  static void* fresh(std::size_t bytes) {
    // Large blocks on 2 MiB borders can be backed by huge pages: fewer faults and fewer TLB misses.
    constexpr std::size_t kHuge = std::size_t{2} << 20;
    const bool large = bytes >= 2 * kHuge;
    const std::size_t alignment = large ? kHuge : kAlignment;
    void* block = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    if (large && block != nullptr) madvise(block, bytes, MADV_HUGEPAGE);
    return block;
  }

  void release_all() {
    const std::lock_guard lock(mutex_);
    for (auto& [bytes, blocks] : free_) {
      for (void* block : blocks) std::free(block);
    }
    free_.clear();
  }

  std::mutex mutex_;
  std::map<std::size_t, std::vector<void*>> free_;
};

BlockCache& block_cache() {
  static auto* cache = new BlockCache;  // never destroyed, see the class
  return *cache;
}

}  // namespace

std::shared_ptr<void> allocate(Device device, std::size_t bytes) {
  // CUDA's pool rounds by itself; asked for the exact size, memory checkers see the exact end.
  const bool exact = device != Device::cpu || kExactBlocks;
  const std::size_t size = exact ? std::max<std::size_t>(bytes, 1) : rounded(bytes);
  void* block = nullptr;
  if (device == Device::cpu) {
    block = block_cache().take(size);
  } else if constexpr (kBuiltWithCuda) {
    block = cuda_runtime::allocate(size);
  }
  if (block == nullptr) {
    throw OutOfMemory(
        "out of memory on " + std::string(to_string(device)) + ": " + std::to_string(bytes) +
        " bytes asked for, " + std::to_string(usage(device).in_use.load()) +
        " in use; --stream-batch, --replay, --buffer, --eval.batch and the model's width lower it");
  }
  usage(device).add(size);
  return {block, [device, size](void* freed) {
            usage(device).remove(size);
            if (device == Device::cpu) {
              block_cache().give(freed, size);
            } else if constexpr (kBuiltWithCuda) {
              cuda_runtime::release(freed);
            }
          }};
}

void copy_bytes(CopySide to, CopySide from, std::size_t bytes) {
  if (bytes == 0) return;
  if (to.device == Device::cpu && from.device == Device::cpu) {
    std::memmove(to.data, from.data, bytes);
  } else if constexpr (kBuiltWithCuda) {
    check_device_alive();
    cuda_runtime::copy(to.data, from.data, bytes, to.device == Device::cpu);
  }
}

MemoryUse memory_use(Device device) {
  return {.in_use = usage(device).in_use.load(), .peak = usage(device).peak.load()};
}

void reset_peak_memory(Device device) { usage(device).peak = usage(device).in_use.load(); }

}  // namespace nagare
