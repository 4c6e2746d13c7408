#include "kernels/redundancy.h"

#include <climits>
#include <cmath>

#include "kernels/product_tile.cuh"
#include "kernels/redundancy_cuda.h"
#include "kernels/redundancy_lists.h"
#include "kernels/warp.cuh"

namespace nagare::kernels::cuda {
namespace {

using Offer = unsigned long long;  // similarity and slot

__device__ Offer pack(float s, std::int64_t slot) {
  return Offer{__float_as_uint(s)} << 32 | static_cast<unsigned>(slot);
}
__device__ float similarity_of(Offer offer) { return __uint_as_float(static_cast<unsigned>(offer >> 32)); }
__device__ int slot_of(Offer offer) { return static_cast<int>(static_cast<unsigned>(offer)); }

__global__ void clear_lists(Redundancy p, RedundancyLists lists) {
  for_each_index_of_this_thread(p.slots, [=](std::int64_t slot) {
    clear_list(lists, slot);
    lists.norm[slot] = 0.0F;
  });
}

__global__ void begin_update(Redundancy p, RedundancySpace space) {
  for_each_index_of_this_thread(p.slots, [=](std::int64_t slot) {
    space.is_changed[slot] = 0;
    space.offer_count[slot] = 0;
    if (slot == 0) space.row_count[0] = space.row_count[1] = 0;
  });
}

// Rows are scanned independently of one another, so the order in which they come to stand in the list is of no interest.
__global__ void list_changed(std::int64_t count, const std::int64_t* changed, const std::int64_t* age,
                             RedundancySpace space) {
  for_each_index_of_this_thread(count, [=](std::int64_t i) {
    const std::int64_t slot = changed[i];
    space.is_changed[slot] = 1;
    if (age[slot] >= 0) space.rows[atomicAdd(&space.row_count[0], 1)] = static_cast<int>(slot);
  });
}

__global__ void forget_changed(Redundancy p, const std::int64_t* age, RedundancyLists lists,
                               RedundancySpace space) {
  for_each_index_of_this_thread(p.slots, [=](std::int64_t slot) {
    if (age[slot] < 0 || space.is_changed[slot] != 0) {
      clear_list(lists, slot);
    } else {
      keep_partners(lists, slot,
                    [=](std::int32_t other) { return age[other] >= 0 && space.is_changed[other] == 0; });
    }
  });
}

// A block takes 128 of the listed rows and one segment of the slots, tile by tile. Rows: what is not below a row's floor
// waits in shared memory until the tile is done; then the row's own thread puts it into its list. Columns: a slot that did
// not change gets what is not below its floor as an offer.
constexpr std::size_t kWaitingBytes = sizeof(Offer) * kTile * kTile;
template <class T>
__global__ void __launch_bounds__(kTileThreads)
    scan_segment(Redundancy p, RedundancySpace space, RedundancyLists lists, int which,
                 std::int64_t segment_slots, const T* feature, const std::int64_t* age) {
  NAGARE_DYNAMIC_SHARED(Offer, waiting);  // (kTile, kTile)
  NAGARE_SHARED(int, waiting_count, [kTile]);
  NAGARE_SHARED(int, row_slot, [kTile]);
  NAGARE_SHARED(float, best, [kTile * kPartners]);
  NAGARE_SHARED(std::int32_t, partner, [kTile * kPartners]);
  NAGARE_SHARED(float, floor, [kTile]);
  const RedundancyLists own{best, partner, floor, nullptr};
  const int mine = static_cast<int>(threadIdx.x);
  const std::int64_t rows = space.row_count[which];
  const std::int64_t first_row = static_cast<std::int64_t>(blockIdx.x) * kTile;
  if (first_row >= rows) return;
  if (mine < kTile) {
    clear_list(own, mine);
    waiting_count[mine] = 0;
    row_slot[mine] = first_row + mine < rows ? space.rows[first_row + mine] : -1;
  }
  __syncthreads();
  const std::int64_t begin = blockIdx.y * segment_slots;
  const std::int64_t end = min(p.slots, begin + segment_slots);
  for (std::int64_t first = begin; first < end; first += kTile) {
    float s[8][8];
    product_tile(TileRows<T>{feature, first_row, rows, space.rows}, TileRows<T>{feature, first, end}, p.dim,
                 s);
#pragma unroll
    for (int j = 0; j < 8; ++j) {
      const std::int64_t slot = first + tile_col(j);
      if (slot < end && age[slot] >= 0) {
        const bool hears = which == 0 && space.is_changed[slot] == 0;
        const float least = lists.floor[slot];
#pragma unroll
        for (int i = 0; i < 8; ++i) {
          const int row = tile_row(i);
          if (row_slot[row] < 0 || row_slot[row] == slot) continue;
          if (s[i][j] >= floor[row])
            waiting[row * kTile + atomicAdd(&waiting_count[row], 1)] = pack(s[i][j], slot);
          if (hears && s[i][j] >= least) {
            const int at = atomicAdd(&space.offer_count[slot], 1);
            if (at < kOffers) space.offers[slot * kOffers + at] = pack(s[i][j], row_slot[row]);
          }
        }
      }
    }
    __syncthreads();
    if (mine < kTile) {
      for (int i = 0; i < waiting_count[mine]; ++i) {
        const Offer offer = waiting[mine * kTile + i];
        offer_partner(own, mine, similarity_of(offer), slot_of(offer));
      }
      waiting_count[mine] = 0;
    }
    __syncthreads();
  }
  if (mine < kTile && row_slot[mine] >= 0) {
    const std::int64_t list = (first_row + mine) * gridDim.y + blockIdx.y;
    for (int i = 0; i < kPartners; ++i) {
      space.partial.similarity[list * kPartners + i] = best[mine * kPartners + i];
      space.partial.partner[list * kPartners + i] = partner[mine * kPartners + i];
    }
    space.partial.floor[list] = floor[mine];
  }
}

__global__ void merge_segments(RedundancySpace space, RedundancyLists lists, int which,
                               std::int64_t segments) {
  for_each_index_of_this_thread(space.row_count[which], [=](std::int64_t row) {
    const std::int64_t slot = space.rows[row];
    clear_list(lists, slot);
    for (std::int64_t list = row * segments; list < (row + 1) * segments; ++list) {
      raise_floor(lists, slot, space.partial.floor[list]);
    }
    for (std::int64_t i = row * segments * kPartners; i < (row + 1) * segments * kPartners; ++i) {
      if (space.partial.partner[i] >= 0) {
        offer_partner(lists, slot, space.partial.similarity[i], space.partial.partner[i]);
      }
    }
  });
}

// Slots take up their offers; with more of them than were kept, the list is made anew.
__global__ void take_offers(Redundancy p, RedundancySpace space, RedundancyLists lists,
                            const std::int64_t* age) {
  for_each_index_of_this_thread(p.slots, [=](std::int64_t slot) {
    const int count = space.offer_count[slot];
    for (int i = 0; i < count && count <= kOffers; ++i) {
      const Offer offer = space.offers[slot * kOffers + i];
      offer_partner(lists, slot, similarity_of(offer), slot_of(offer));
    }
    if (age[slot] >= 0 && (count > kOffers || needs_scan(lists, slot))) {
      space.rows[atomicAdd(&space.row_count[1], 1)] = static_cast<int>(slot);
    }
  });
}

// Something that is chosen: the largest value, among equals the least number.
struct Choice {
  float value;
  long long number;
  int slot;
};
__device__ Choice better(const Choice& a, const Choice& b) {
  return a.value > b.value || (a.value == b.value && a.number <= b.number) ? a : b;
}

constexpr int kEvictThreads = 512;

// The best of the block's choices, in every thread.
__device__ Choice block_best(Choice mine) {
  NAGARE_SHARED(Choice, of_warp, [kEvictThreads / kWarp]);
  for (int step = kWarp / 2; step > 0; step /= 2) {
    const Choice other{__shfl_xor_sync(kAllLanes, mine.value, step),
                       __shfl_xor_sync(kAllLanes, mine.number, step),
                       __shfl_xor_sync(kAllLanes, mine.slot, step)};
    mine = better(mine, other);
  }
  __syncthreads();  // the last call's result has been read by all
  if (threadIdx.x % kWarp == 0) of_warp[threadIdx.x / kWarp] = mine;
  __syncthreads();
  mine = of_warp[0];
  for (int warp = 1; warp < kEvictThreads / kWarp; ++warp) mine = better(mine, of_warp[warp]);
  return mine;
}

// The most similar entry of a slot, by all threads of the block; the sum is product_tile's.
template <class T>
__device__ Choice most_similar(const Redundancy& p, const T* feature, const float* redundancy, int slot) {
  Choice best{-INFINITY, LLONG_MAX, -1};
  for (std::int64_t other = threadIdx.x; other < p.slots; other += kEvictThreads) {
    if (redundancy[other] == -INFINITY || other == slot) continue;
    float s = 0.0F;
    for (std::int64_t d = 0; d < p.dim; ++d) {
      s = fmaf(load(feature + slot * p.dim + d), load(feature + other * p.dim + d), s);
    }
    if (s > -INFINITY) best = better(best, {s, other, static_cast<int>(other)});
  }
  return block_best(best);
}

// One block: each choice depends on the one before. A slot's redundancy is an upper bound while its first partner is gone;
// when it comes to be chosen, its list is put right, and the choice is made again.
template <class T>
__global__ void __launch_bounds__(kEvictThreads)
    evict(Redundancy p, RedundancySpace space, RedundancyLists lists, const T* feature,
          const std::int64_t* age, std::int64_t count, std::int64_t* victim) {
  for (std::int64_t slot = threadIdx.x; slot < p.slots; slot += kEvictThreads) {
    space.redundancy[slot] = age[slot] >= 0 ? redundancy_of(lists, slot) : -INFINITY;
  }
  __syncthreads();
  const auto gone = [=](std::int64_t slot) { return space.redundancy[slot] == -INFINITY; };
  for (std::int64_t done = 0; done < count;) {
    Choice mine{-INFINITY, LLONG_MAX, -1};
    for (std::int64_t slot = threadIdx.x; slot < p.slots; slot += kEvictThreads) {
      if (!gone(slot)) mine = better(mine, {space.redundancy[slot], age[slot], static_cast<int>(slot)});
    }
    const int slot = block_best(mine).slot;
    const int partner = slot < 0 ? -1 : lists.partner[slot * kPartners];
    const bool stale = partner >= 0 && gone(partner);
    __syncthreads();  // all have read what one of them writes now
    if (!stale) {
      if (threadIdx.x == 0) {
        victim[done] = slot;
        if (slot >= 0) space.redundancy[slot] = -INFINITY;
      }
      ++done;
      __syncthreads();
      continue;
    }
    if (threadIdx.x == 0) keep_partners(lists, slot, [=](std::int32_t other) { return !gone(other); });
    __syncthreads();
    if (needs_scan(lists, slot)) {
      const Choice found = most_similar(p, feature, space.redundancy, slot);
      __syncthreads();
      if (threadIdx.x == 0) {
        clear_list(lists, slot);
        if (found.slot >= 0) offer_partner(lists, slot, found.value, found.slot);
        raise_floor(lists, slot, found.value);  // the others are not above it
      }
    }
    __syncthreads();
    if (threadIdx.x == 0) space.redundancy[slot] = redundancy_of(lists, slot);
    __syncthreads();
  }
}

template <class T>
void scan(const Redundancy& p, const RedundancySpace& space, const RedundancyLists& lists, int which,
          std::int64_t most_rows, const T* feature, const std::int64_t* age, Stream stream) {
  const std::int64_t wanted = redundancy_segments(p, most_rows);
  const std::int64_t tiles = (p.slots + kTile - 1) / kTile;
  const std::int64_t segment_slots = (tiles + wanted - 1) / wanted * kTile;
  const dim3 grid(static_cast<unsigned>((most_rows + kTile - 1) / kTile), static_cast<unsigned>(wanted));
  launch("redundancy_scan", scan_segment<T>, grid, kTileThreads, kWaitingBytes, stream, p, space, lists,
         which, segment_slots, feature, age);
  launch("redundancy_merge", merge_segments, grid_for(most_rows), kBlock, 0, stream, space, lists, which,
         wanted);
}

}  // namespace

void redundancy_clear(const Redundancy& p, const RedundancyLists& lists, Stream stream) {
  p.check();
  launch("redundancy_clear", clear_lists, grid_for(p.slots), kBlock, 0, stream, p, lists);
}

template <class T>
void redundancy_update(const Redundancy& p, const T* feature, const std::int64_t* age,
                       const std::int64_t* changed, std::int64_t count, const RedundancyLists& lists,
                       void* scratch, Stream stream) {
  p.check();
  const RedundancySpace space = redundancy_space(p, scratch);
  launch("redundancy_begin", begin_update, grid_for(p.slots), kBlock, 0, stream, p, space);
  if (count > 0)
    launch("redundancy_list", list_changed, grid_for(count), kBlock, 0, stream, count, changed, age, space);
  launch("redundancy_forget", forget_changed, grid_for(p.slots), kBlock, 0, stream, p, age, lists, space);
  if (count > 0) scan(p, space, lists, 0, count, feature, age, stream);
  launch("redundancy_offers", take_offers, grid_for(p.slots), kBlock, 0, stream, p, space, lists, age);
  scan(p, space, lists, 1, p.slots, feature, age, stream);
}

template <class T>
void redundancy_evict(const Redundancy& p, const T* feature, const std::int64_t* age, std::int64_t count,
                      const RedundancyLists& lists, std::int64_t* victim, void* scratch, Stream stream) {
  p.check();
  if (count <= 0) return;
  const RedundancySpace space = redundancy_space(p, scratch);
  launch("redundancy_evict", evict<T>, 1, kEvictThreads, 0, stream, p, space, lists, feature, age, count,
         victim);
}

template void redundancy_update<float>(const Redundancy&, const float*, const std::int64_t*,
                                       const std::int64_t*, std::int64_t, const RedundancyLists&, void*,
                                       Stream);
template void redundancy_update<bf16>(const Redundancy&, const bf16*, const std::int64_t*,
                                      const std::int64_t*, std::int64_t, const RedundancyLists&, void*,
                                      Stream);
template void redundancy_evict<float>(const Redundancy&, const float*, const std::int64_t*, std::int64_t,
                                      const RedundancyLists&, std::int64_t*, void*, Stream);
template void redundancy_evict<bf16>(const Redundancy&, const bf16*, const std::int64_t*, std::int64_t,
                                     const RedundancyLists&, std::int64_t*, void*, Stream);

}  // namespace nagare::kernels::cuda
