#include "kernels/redundancy.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "kernels/parallel.h"
#include "kernels/redundancy_cuda.h"
#include "kernels/redundancy_lists.h"
#include "kernels/scratch.h"
#include "kernels/simd.h"
#include "kernels/tile_product.h"

namespace nagare::kernels {

void Redundancy::check() const {
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
  if (slots < 1 || slots > kMost || dim < 1 || dim > kMost) {
    throw std::invalid_argument("redundancy: features (" + std::to_string(slots) + ", " +
                                std::to_string(dim) + "): need 1 .. 2^31 - 1 slots and columns");
  }
}

namespace cpu {
namespace {

constexpr std::int64_t kRows = 256;  // rows scanned at a time
constexpr std::int64_t kColumns =
    512;  // slots of one task: a tile of 512 KiB stays in the second-level cache

// The similarity: sixteen partial sums, then a tree. The order is the same for (a, b) and (b, a).
template <class T>
NAGARE_INLINE float dot_loop(const T* a, const T* b, std::int64_t n) {
  simd::Vector sums[2] = {};
  std::int64_t i = 0;
  for (; i + 2 * simd::kLanes <= n; i += 2 * simd::kLanes) {
    for (int part = 0; part < 2; ++part) {
      simd::Vector x;
      simd::Vector y;
      simd::load(a + i + part * simd::kLanes, x);
      simd::load(b + i + part * simd::kLanes, y);
      sums[part] += x * y;
    }
  }
  float tail = 0.0F;
  for (; i < n; ++i) tail += load(a + i) * load(b + i);
  return simd::sum(sums[0] + sums[1]) + tail;
}
NAGARE_SIMD float dot(const float* a, const float* b, std::int64_t n) { return dot_loop(a, b, n); }
NAGARE_SIMD float dot(const bf16* a, const bf16* b, std::int64_t n) { return dot_loop(a, b, n); }

std::int64_t blocks(const Redundancy& p) { return (p.slots + kColumns - 1) / kColumns; }
std::int64_t workers(const Redundancy& p) { return std::min<std::int64_t>(threads(), blocks(p)); }

struct Space {
  char* packed;              // T (kRows, dim): the rows that are scanned
  float* products;           // (workers, kRows, kColumns)
  RedundancyLists partial;   // of kRows rows for each block of slots
  float* mask;               // (slots) 0 for an entry, else -inf: added to products
  float* column_bound;       // (slots) a changed row's product is offered to the slot's list only if above
  std::uint8_t* is_changed;  // (slots)
  std::int64_t* rows;        // (slots) to scan
  float* redundancy;         // (slots) for evict
};

Space take_space(const Redundancy& p, ScratchParts& parts) {
  const std::int64_t partial = blocks(p) * kRows;
  return {.packed = parts.take<char>(kRows * p.dim * static_cast<std::int64_t>(sizeof(float))),
          .products = parts.take<float>(workers(p) * kRows * kColumns),
          .partial = {.similarity = parts.take<float>(partial * kPartners),
                      .partner = parts.take<std::int32_t>(partial * kPartners),
                      .floor = parts.take<float>(partial),
                      .norm = nullptr},
          .mask = parts.take<float>(p.slots),
          .column_bound = parts.take<float>(p.slots),
          .is_changed = parts.take<std::uint8_t>(p.slots),
          .rows = parts.take<std::int64_t>(p.slots),
          .redundancy = parts.take<float>(p.slots)};
}

// A tile product of two rows is this times their norms from their similarity at the most: both are sums of dim + 1 terms
// rounded to 2^-24, in some order.
double product_error(const Redundancy& p) { return static_cast<double>(p.dim + 16) * 0x1p-23; }

template <class T>
struct Scan {
  const Redundancy& p;
  const T* feature;
  const RedundancyLists& lists;
  const Space& space;
  float largest_norm = 0.0F;

  const T* row(std::int64_t slot) const { return feature + slot * p.dim; }
  float error(std::int64_t slot) const {
    return static_cast<float>(product_error(p) * lists.norm[slot] * largest_norm);
  }
};

using Integers = std::int32_t __attribute__((vector_size(64)));
using Bytes = std::int8_t __attribute__((vector_size(16)));

// Whether a comparison holds in no lane.
NAGARE_INLINE bool none_of(const Integers& lanes) {
  const Bytes narrow = __builtin_convertvector(lanes, Bytes);
  std::uint64_t bits[2];
  std::memcpy(bits, &narrow, sizeof bits);
  return (bits[0] | bits[1]) == 0;
}

// A lower bound on the kPartners-th largest of n values: the kPartners-th largest of sixteen of them, each the largest of
// its own sixteenth.
NAGARE_SIMD float bound_of_largest(const float* values, std::int64_t n) {
  simd::Vector most = simd::Vector{} - INFINITY;
  std::int64_t i = 0;
  for (; i + simd::kLanes <= n; i += simd::kLanes) {
    simd::Vector v;
    simd::load(values + i, v);
    most = v > most ? v : most;
  }
  float largest[kPartners];
  std::fill_n(largest, kPartners, -INFINITY);
  for (int lane = 0; lane < simd::kLanes; ++lane) {
    float value = most[lane];
    for (float& place : largest) {
      if (value > place) std::swap(value, place);
    }
  }
  return largest[kPartners - 1];
}

// Places of the values above the bound (above their own bound if `bounds` is not null), in order; returns how many.
NAGARE_SIMD std::int32_t find_above(const float* values, const float* bounds, float bound, std::int64_t n,
                                    std::int32_t* places) {
  std::int32_t found = 0;
  std::int64_t i = 0;
  for (; i + simd::kLanes <= n; i += simd::kLanes) {
    simd::Vector v;
    simd::Vector least = simd::Vector{} + bound;
    simd::load(values + i, v);
    if (bounds != nullptr) simd::load(bounds + i, least);
    const Integers above = v > least;
    if (none_of(above)) continue;
    for (std::int32_t lane = 0; lane < simd::kLanes; ++lane) {
      places[found] = static_cast<std::int32_t>(i) + lane;
      found += above[lane] != 0 ? 1 : 0;
    }
  }
  for (; i < n; ++i) {
    places[found] = static_cast<std::int32_t>(i);
    found += values[i] > (bounds != nullptr ? bounds[i] : bound) ? 1 : 0;
  }
  return found;
}

NAGARE_SIMD void add(const float* mask, std::int64_t n, float* values) {
  for (std::int64_t i = 0; i < n; ++i) values[i] += mask[i];
}

// What is above it is at least x: rows of zeros have no rounding errors.
float just_below(float x) { return std::nextafter(x, -INFINITY); }

// One row against a block of slots whose products with it are given: its list there, and (if it changed) the lists of the
// slots. What a product cannot rule out is summed in the order of dot().
template <class T>
void scan_row(const Scan<T>& s, std::int64_t slot, std::int64_t list, std::int64_t first, std::int64_t cols,
              bool offer_back, float* products) {
  const Space& space = s.space;
  std::int32_t places[kColumns + 1];
  add(space.mask + first, cols, products);
  if (slot >= first && slot < first + cols) products[slot - first] = -INFINITY;
  const float error = s.error(slot);
  clear_list(space.partial, list);
  const float bound = just_below(bound_of_largest(products, cols) - 2.0F * error);
  raise_floor(space.partial, list, bound + error);
  const std::int32_t found = find_above(products, nullptr, bound, cols, places);
  for (std::int32_t i = 0; i < found; ++i) {
    const std::int64_t other = first + places[i];
    offer_partner(space.partial, list, dot(s.row(slot), s.row(other), s.p.dim),
                  static_cast<std::int32_t>(other));
  }
  if (!offer_back) return;
  const std::int32_t back = find_above(products, space.column_bound + first, 0.0F, cols, places);
  for (std::int32_t i = 0; i < back; ++i) {
    const std::int64_t other = first + places[i];
    offer_partner(s.lists, other, dot(s.row(slot), s.row(other), s.p.dim), static_cast<std::int32_t>(slot));
    space.column_bound[other] = just_below(s.lists.floor[other] - s.error(other));
  }
}

// New lists for `count` rows. offer_back: they changed, so the other slots' lists hear of them.
template <class T>
void scan_rows(const Scan<T>& s, const std::int64_t* slots, std::int64_t count, bool offer_back) {
  const Redundancy& p = s.p;
  auto* packed = reinterpret_cast<T*>(s.space.packed);
  for (std::int64_t begin = 0; begin < count; begin += kRows) {
    const std::int64_t rows = std::min(kRows, count - begin);
    for (std::int64_t r = 0; r < rows; ++r) std::copy_n(s.row(slots[begin + r]), p.dim, packed + r * p.dim);
    parallel_for(workers(p), [&](std::int64_t worker) {
      float* products = s.space.products + worker * kRows * kColumns;
      for (std::int64_t block = worker; block < blocks(p); block += workers(p)) {
        const std::int64_t first = block * kColumns;
        const std::int64_t cols = std::min(kColumns, p.slots - first);
        const TileProduct tile{.rows = rows,
                               .cols = cols,
                               .inner = p.dim,
                               .stride_a = p.dim,
                               .stride_b = p.dim,
                               .stride_c = cols,
                               .transpose_b = true};
        tile_product(tile, packed, s.row(first), products);
        for (std::int64_t r = 0; r < rows; ++r) {
          scan_row(s, slots[begin + r], block * kRows + r, first, cols, offer_back, products + r * cols);
        }
      }
    });
    parallel_for(rows, [&](std::int64_t r) {
      const std::int64_t slot = slots[begin + r];
      clear_list(s.lists, slot);
      for (std::int64_t block = 0; block < blocks(p); ++block) {
        const std::int64_t list = block * kRows + r;
        raise_floor(s.lists, slot, s.space.partial.floor[list]);
      }
      for (std::int64_t at = r * kPartners; at < blocks(p) * kRows * kPartners; at += kRows * kPartners) {
        for (std::int64_t i = at; i < at + kPartners && s.space.partial.partner[i] >= 0; ++i) {
          offer_partner(s.lists, slot, s.space.partial.similarity[i], s.space.partial.partner[i]);
        }
      }
    });
  }
}

// Which slots are entries; the largest norm among them.
template <class T>
void begin_scan(Scan<T>& s, const std::int64_t* age) {
  for (std::int64_t slot = 0; slot < s.p.slots; ++slot) {
    s.space.mask[slot] = age[slot] >= 0 ? 0.0F : -INFINITY;
    if (age[slot] >= 0) s.largest_norm = std::max(s.largest_norm, s.lists.norm[slot]);
  }
}

// The oldest of the slots that attain the largest value; -1 if all are -inf.
NAGARE_SIMD std::int64_t oldest_of_largest(const float* values, const std::int64_t* age, std::int64_t n) {
  const std::int64_t whole = n - n % simd::kLanes;
  simd::Vector maxima = simd::Vector{} - INFINITY;
  simd::Vector v;
  for (std::int64_t i = 0; i < whole; i += simd::kLanes) {
    simd::load(values + i, v);
    maxima = v > maxima ? v : maxima;
  }
  float most = simd::max(maxima);
  for (std::int64_t i = whole; i < n; ++i) most = values[i] > most ? values[i] : most;
  std::int64_t found = -1;
  if (most == -INFINITY) return found;
  for (std::int64_t i = 0; i < n; i += simd::kLanes) {
    if (i < whole) {
      simd::load(values + i, v);
      if (none_of(v == most)) continue;
    }
    for (std::int64_t at = i; at < n && at < i + simd::kLanes; ++at) {
      if (values[at] == most && (found < 0 || age[at] < age[found])) found = at;
    }
  }
  return found;
}

}  // namespace

void redundancy_clear(const Redundancy& p, const RedundancyLists& lists, Stream /*stream*/) {
  p.check();
  for (std::int64_t slot = 0; slot < p.slots; ++slot) {
    clear_list(lists, slot);
    lists.norm[slot] = 0.0F;
  }
}

template <class T>
void redundancy_update(const Redundancy& p, const T* feature, const std::int64_t* age,
                       const std::int64_t* changed, std::int64_t count, const RedundancyLists& lists,
                       void* scratch, Stream /*stream*/) {
  p.check();
  ScratchParts parts(scratch);
  const Space space = take_space(p, parts);
  Scan<T> s{p, feature, lists, space};
  std::fill_n(space.is_changed, p.slots, std::uint8_t{0});
  std::int64_t to_scan = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    space.is_changed[changed[i]] = 1;
    if (age[changed[i]] >= 0) space.rows[to_scan++] = changed[i];
  }
  parallel_for(to_scan, [&](std::int64_t i) {
    const std::int64_t slot = space.rows[i];
    lists.norm[slot] = std::sqrt(dot(s.row(slot), s.row(slot), p.dim)) * 1.001F;
  });
  begin_scan(s, age);
  parallel_for(p.slots, [&](std::int64_t slot) {
    const bool stays = age[slot] >= 0 && space.is_changed[slot] == 0;
    if (stays) {
      keep_partners(lists, slot, [&](std::int32_t partner) {
        return age[partner] >= 0 && space.is_changed[partner] == 0;
      });
    } else {
      clear_list(lists, slot);
    }
    space.column_bound[slot] = stays ? just_below(lists.floor[slot] - s.error(slot)) : INFINITY;
  });
  scan_rows(s, space.rows, to_scan, true);
  std::int64_t bereft = 0;
  for (std::int64_t slot = 0; slot < p.slots; ++slot) {
    if (age[slot] >= 0 && needs_scan(lists, slot)) space.rows[bereft++] = slot;
  }
  scan_rows(s, space.rows, bereft, false);
}

template <class T>
void redundancy_evict(const Redundancy& p, const T* feature, const std::int64_t* age, std::int64_t count,
                      const RedundancyLists& lists, std::int64_t* victim, void* scratch, Stream /*stream*/) {
  p.check();
  ScratchParts parts(scratch);
  const Space space = take_space(p, parts);
  Scan<T> s{p, feature, lists, space};
  begin_scan(s, age);
  for (std::int64_t slot = 0; slot < p.slots; ++slot) {
    space.redundancy[slot] = age[slot] >= 0 ? redundancy_of(lists, slot) : -INFINITY;
  }
  const auto gone = [&](std::int64_t slot) { return space.redundancy[slot] == -INFINITY; };
  for (std::int64_t done = 0; done < count;) {
    const std::int64_t slot = oldest_of_largest(space.redundancy, age, p.slots);
    if (slot < 0) {
      victim[done++] = -1;
      continue;
    }
    const std::int32_t partner = lists.partner[slot * kPartners];
    if (partner >= 0 && gone(partner)) {
      // What it had was an upper bound: its partner is gone. Whatever it has now, the choice is made again.
      keep_partners(lists, slot, [&](std::int32_t other) { return !gone(other); });
      if (needs_scan(lists, slot)) scan_rows(s, &slot, 1, false);
      space.redundancy[slot] = redundancy_of(lists, slot);
      continue;
    }
    space.mask[slot] = -INFINITY;
    space.redundancy[slot] = -INFINITY;
    victim[done++] = slot;
  }
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

}  // namespace cpu

std::int64_t Redundancy::scratch_bytes(Device device) const {
  check();
  if (device == Device::cuda) return redundancy_space(*this, nullptr).bytes;
  ScratchParts parts(nullptr);
  cpu::take_space(*this, parts);
  return parts.used();
}

}  // namespace nagare::kernels
