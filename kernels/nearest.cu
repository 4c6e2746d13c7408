#include "kernels/nearest.h"

#include <cmath>

#include "kernels/nearest_cuda.h"
#include "kernels/product_tile.cuh"
#include "kernels/warp.cuh"

namespace nagare::kernels::cuda {
namespace {

// A candidate as one number that is larger for the nearer row: the key's bits in the order of the floats, then the row.
using Candidate = unsigned long long;

__device__ Candidate candidate(float key, std::int64_t row) {
  const unsigned bits = __float_as_uint(key + 0.0F);  // -0 counts as 0
  const unsigned ordered = (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
  return Candidate{ordered} << 32 | (0xffffffffU - static_cast<unsigned>(row));
}
__device__ float key_of(Candidate c) {
  const auto ordered = static_cast<unsigned>(c >> 32);
  return __uint_as_float((ordered & 0x80000000U) != 0 ? ordered & 0x7fffffffU : ~ordered);
}
__device__ std::int64_t row_of(Candidate c) { return 0xffffffffU - static_cast<unsigned>(c); }

// Of one warp: keeps the k largest of `count` >= k candidates in place, and returns the smallest of them.
__device__ Candidate keep_largest(Candidate* list, std::int64_t count, std::int64_t k, int lane) {
  Candidate edge = 0;  // the k-th largest, bit by bit from the top
  for (int bit = 63; bit >= 0; --bit) {
    const Candidate trial = edge | Candidate{1} << bit;
    int at_least = 0;
    for (std::int64_t i = lane; i < count; i += kWarp) at_least += list[i] >= trial ? 1 : 0;
    if (__reduce_add_sync(kAllLanes, at_least) >= k) edge = trial;
  }
  std::int64_t kept = 0;
  for (std::int64_t first = 0; first < count; first += kWarp) {
    const Candidate mine = first + lane < count ? list[first + lane] : 0;
    const unsigned stays = __ballot_sync(kAllLanes, mine >= edge && first + lane < count);
    if ((stays >> lane & 1U) != 0) list[kept + __popc(stays & ((1U << lane) - 1U))] = mine;
    kept += __popc(stays);
    __syncwarp();
  }
  return edge;
}

// A block takes 128 queries and one segment of the bank, tile by tile. What is above its query's threshold goes to the
// query's list, in any order: the candidates' own order is total, so the k largest do not depend on it. A list that
// another tile might overfill is cut down to its k largest by a warp, and its threshold rises to the smallest of them;
// rows come in rising order, so a later row of the same key is behind them.
template <class T>
__global__ void __launch_bounds__(kTileThreads, 2)
    search_segment(Nearest p, NearestLists lists, const T* query, const T* bank, const float* penalty) {
  NAGARE_SHARED(float, threshold, [kTile]);
  NAGARE_SHARED(int, count, [kTile]);
  NAGARE_SHARED(int, has_nan, [kTile]);
  const std::int64_t first_query = static_cast<std::int64_t>(blockIdx.x) * kTile;
  const std::int64_t segment = blockIdx.y;
  const int queries = static_cast<int>(min(p.queries - first_query, std::int64_t{kTile}));
  const std::int64_t stride = lists.segments * lists.capacity;  // from a query's list to the next
  Candidate* const first_list = lists.candidates + first_query * stride + segment * lists.capacity;
  if (threadIdx.x < kTile) {
    threshold[threadIdx.x] = NAN;  // refuses nothing
    count[threadIdx.x] = 0;
    has_nan[threadIdx.x] = 0;
  }
  __syncthreads();
  const std::int64_t end = min(p.bank, (segment + 1) * lists.segment_rows);
  for (std::int64_t first = segment * lists.segment_rows; first < end; first += kTile) {
    float key[8][8];
    product_tile(TileRows<T>{query, first_query, p.queries}, TileRows<T>{bank, first, end}, p.dim, key);
    const int rows = static_cast<int>(min(end - first, std::int64_t{kTile}));
#pragma unroll
    for (int j = 0; j < 8; ++j) {
      const int row = tile_col(j);
      const float subtract = penalty != nullptr && row < rows ? penalty[first + row] : 0.0F;
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        const float value = key[i][j] - subtract;
        const int q = tile_row(i);
        if (!(value <= threshold[q]) && row < rows && q < queries) {
          if (isnan(value)) atomicOr(&has_nan[q], 1);
          first_list[q * stride + atomicAdd(&count[q], 1)] = candidate(value, first + row);
        }
      }
    }
    __syncthreads();
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    const bool last = first + kTile >= end;
    for (int q = static_cast<int>(threadIdx.x) / kWarp; q < kTile; q += kTileThreads / kWarp) {
      const int held = count[q];
      if (held <= p.k || (held + kTile <= lists.capacity && !last)) continue;
      const Candidate edge = keep_largest(first_list + q * stride, held, p.k, lane);
      __syncwarp();
      if (lane == 0) {
        count[q] = static_cast<int>(p.k);
        threshold[q] = key_of(edge);
      }
    }
    __syncthreads();
  }
  if (static_cast<int>(threadIdx.x) < queries) {
    lists.count[(first_query + threadIdx.x) * lists.segments + segment] =
        has_nan[threadIdx.x] != 0 ? -1 : count[threadIdx.x];
  }
}

// One warp per query: the segments' lists become one, its k largest are put in order by counting the larger ones.
__global__ void merge_segments(Nearest p, NearestLists lists, float* similarity, std::int64_t* index) {
  for_each_row_of_this_warp(p.queries, [=](std::int64_t q, int lane) {
    Candidate* list = lists.candidates + q * lists.segments * lists.capacity;
    const int* counts = lists.count + q * lists.segments;
    std::int64_t count = 0;
    bool has_nan = false;
    for (std::int64_t s = 0; s < lists.segments; ++s) {
      has_nan = has_nan || counts[s] < 0;
      for (std::int64_t first = 0; first < counts[s]; first += kWarp) {
        const bool mine = first + lane < counts[s];
        const Candidate moved = mine ? list[s * lists.capacity + first + lane] : 0;
        __syncwarp();
        if (mine) list[count + first + lane] = moved;
        __syncwarp();
      }
      count += counts[s];
    }
    if (!has_nan && count > p.k) keep_largest(list, count, p.k, lane);
    __syncwarp();
    for (std::int64_t i = lane; i < p.k; i += kWarp) {
      std::int64_t rank = i;
      if (!has_nan) {
        rank = 0;
        for (std::int64_t other = 0; other < p.k; ++other) rank += list[other] > list[i] ? 1 : 0;
      }
      similarity[q * p.k + rank] = has_nan ? NAN : key_of(list[i]);
      index[q * p.k + rank] = has_nan ? -1 : row_of(list[i]);
    }
  });
}

}  // namespace

template <class T>
void nearest(const Nearest& p, const T* query, const T* bank, const float* penalty, void* scratch,
             float* similarity, std::int64_t* index, Stream stream) {
  p.check();
  check_rounding<T>(p);
  if (p.queries == 0) return;
  const NearestLists lists = nearest_lists(p, scratch);
  const dim3 grid(static_cast<unsigned>((p.queries + kTile - 1) / kTile),
                  static_cast<unsigned>(lists.segments));
  launch("nearest_search", search_segment<T>, grid, kTileThreads, 0, stream, p, lists, query, bank, penalty);
  launch_warp_per_row("nearest_merge", merge_segments, p.queries, stream, p, lists, similarity, index);
}

template void nearest<float>(const Nearest&, const float*, const float*, const float*, void*, float*,
                             std::int64_t*, Stream);
template void nearest<bf16>(const Nearest&, const bf16*, const bf16*, const float*, void*, float*,
                            std::int64_t*, Stream);

}  // namespace nagare::kernels::cuda
