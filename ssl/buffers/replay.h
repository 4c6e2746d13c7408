#pragma once
// What every replay buffer does: draw entries, and put their images behind those that arrived.
#include <cstdint>
#include <span>
#include <vector>

#include "engine/nn/state.h"
#include "kernels/philox.h"
#include "ssl/core/batch.h"

namespace nagare::ssl {

// `count` different numbers of [0, n), every subset and order equally likely; all n when count >= n.
std::vector<std::int64_t> draw_without_replacement(std::int64_t n, std::int64_t count, const RandomKey& key);

// `count` entries of `list`, drawn like that; all of them when count >= its length.
std::vector<std::int64_t> draw_from(std::span<const std::int64_t> list, std::int64_t count,
                                    const RandomKey& key);

// The key of the replay drawn for update `step`: no counter to keep, the same after a resume.
RandomKey replay_key(std::uint64_t seed, std::int64_t step);

// A buffer's storage: image s is images.rows(s, 1), its data-set index ids[s].
struct StoredImages {
  Tensor images;  // (slots, H, W, 3) u8
  Tensor ids;     // (slots) i64, on the CPU
};
inline constexpr nn::IntegerRange kStoredIds = {.min = -1, .max = nn::kCount.max};  // -1: the slot is empty

// `arriving` followed by the stored images of `slots`. Only position and task of `arriving` are used when its
// images are undefined.
Batch with_replay(const Batch& arriving, const StoredImages& stored, std::span<const std::int64_t> slots);

// The data-set indices of `slots`.
std::vector<std::int64_t> ids_of(const StoredImages& stored, std::span<const std::int64_t> slots);

}  // namespace nagare::ssl
