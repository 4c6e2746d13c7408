#include "kernels/nearest.h"

#include <algorithm>
#include <array>
#include <limits>
#include <stdexcept>
#include <string>

#include "kernels/nearest_cuda.h"
#include "kernels/nearest_list.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"
#include "kernels/tile_product.h"

namespace nagare::kernels {

void Nearest::check() const {
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
  if (queries < 0 || bank < 1 || bank > kMost || dim < 1 || dim > kMost || k < 1 || k > bank) {
    throw std::invalid_argument("nearest: " + std::to_string(queries) + " queries, bank (" +
                                std::to_string(bank) + ", " + std::to_string(dim) + "), k " +
                                std::to_string(k) +
                                ": need queries >= 0, 1 .. 2^31 - 1 rows and columns, and k in 1 .. rows");
  }
}

namespace cpu {
namespace {

constexpr std::int64_t kBankTile = 512;  // with 256 queries: 512 KiB of keys, in the second-level cache
constexpr std::int64_t kMostQueries = 256;

// Queries that one thread takes at a time. Depends on the sizes alone, never on the threads.
std::int64_t query_tile(const Nearest& p) {
  const std::int64_t tile = p.queries >= 2048 && p.k <= 2048 ? kMostQueries : 64;
  return std::min(tile, std::max<std::int64_t>(p.queries, 1));
}

std::int64_t list_capacity(const Nearest& p) {
  const auto k = static_cast<std::int32_t>(p.k);
  return p.through_bf16 ? 3 * p.k + 4 * growth_for(k) : p.k + growth_for(k);
}

std::int64_t workers(const Nearest& p) {
  const std::int64_t tile = query_tile(p);
  return std::min<std::int64_t>(threads(), (p.queries + tile - 1) / tile);
}

// Of one thread.
struct Workspace {
  float* products;
  std::int32_t* keys;
  std::int32_t* rows;
  std::uint64_t* order;
};

Workspace take_workspace(const Nearest& p, ScratchParts& parts) {
  const std::int64_t lists = query_tile(p) * list_capacity(p);
  return {.products = parts.take<float>(query_tile(p) * kBankTile),
          .keys = parts.take<std::int32_t>(lists),
          .rows = parts.take<std::int32_t>(lists),
          .order = parts.take<std::uint64_t>(p.k)};
}

// For through_bf16: copies of the rows less a common centre m, which changes no neighbours:
//   q . f = (q - m) . (f - m) + m . (f - m) + what is the same for every f
// Features share a large part (after ReLU their cosines are near 1), and shorter rows lose less when they are rounded.
struct Rounded {
  bf16* query;
  bf16* bank;
  float* centre;     // (dim)
  float* penalty;    // (bank) the caller's, less m . (f - m)
  float* norm;       // of a query's row less the centre
  float* lost;       // norm of what rounding took from it
  float* bank_norm;  // the same of the bank's rows
  float* bank_lost;
};

Rounded take_rounded(const Nearest& p, ScratchParts& parts) {
  return {.query = parts.take<bf16>(p.queries * p.dim),
          .bank = parts.take<bf16>(p.bank * p.dim),
          .centre = parts.take<float>(p.dim),
          .penalty = parts.take<float>(p.bank),
          .norm = parts.take<float>(p.queries),
          .lost = parts.take<float>(p.queries),
          .bank_norm = parts.take<float>(p.bank),
          .bank_lost = parts.take<float>(p.bank)};
}

// The mean of about a thousand rows: any centre is right, and this is near enough to the best.
void find_centre(const Nearest& p, const float* bank, float* centre) {
  const std::int64_t step = (p.bank + 1023) / 1024;
  std::fill_n(centre, p.dim, 0.0F);
  for (std::int64_t n = 0; n < p.bank; n += step) {
    for (std::int64_t d = 0; d < p.dim; ++d) centre[d] += bank[n * p.dim + d];
  }
  const auto rows = static_cast<float>((p.bank + step - 1) / step);
  for (std::int64_t d = 0; d < p.dim; ++d) centre[d] /= rows;
}

// y = x - centre in bf16; returns the norm of x - centre, that of what rounding took, and centre . (x - centre).
struct RowNorms {
  float norm, lost, along;
};
NAGARE_SIMD RowNorms round_row(const float* x, const float* centre, std::int64_t n, bf16* y) {
  simd::Vector squares{};
  simd::Vector lost_squares{};
  simd::Vector products{};
  for (std::int64_t i = 0; i < n; i += simd::kLanes) {
    const std::int64_t left = n - i;
    simd::Vector v;
    simd::Vector m;
    simd::Vector rounded;
    if (left >= simd::kLanes) {
      simd::load(x + i, v);
      simd::load(centre + i, m);
      v -= m;
      simd::store(y + i, v);
      simd::load(y + i, rounded);
    } else {
      simd::load_first(x + i, left, 0.0F, v);
      simd::load_first(centre + i, left, 0.0F, m);
      v -= m;
      simd::store_first(y + i, left, v);
      simd::load_first(y + i, left, 0.0F, rounded);
    }
    squares += v * v;
    lost_squares += (v - rounded) * (v - rounded);
    products += m * v;
  }
  return {std::sqrt(simd::sum(squares)), std::sqrt(simd::sum(lost_squares)), simd::sum(products)};
}

void round_rows(const Nearest& p, const float* query, const float* bank, const float* penalty,
                const Rounded& r) {
  find_centre(p, bank, r.centre);
  for_each_block(p.queries, 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t q = begin; q < end; ++q) {
      const RowNorms row = round_row(query + q * p.dim, r.centre, p.dim, r.query + q * p.dim);
      r.norm[q] = row.norm;
      r.lost[q] = row.lost;
    }
  });
  for_each_block(p.bank, 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t n = begin; n < end; ++n) {
      const RowNorms row = round_row(bank + n * p.dim, r.centre, p.dim, r.bank + n * p.dim);
      r.bank_norm[n] = row.norm;
      r.bank_lost[n] = row.lost;
      r.penalty[n] = (penalty == nullptr ? 0.0F : penalty[n]) - row.along;
    }
  });
}

NAGARE_SIMD float dot(const float* a, const float* b, std::int64_t n) {
  simd::Vector sums[4] = {};
  std::int64_t i = 0;
  for (; i + 4 * simd::kLanes <= n; i += 4 * simd::kLanes) {
    for (int part = 0; part < 4; ++part) {
      simd::Vector x;
      simd::Vector y;
      simd::load(a + i + part * simd::kLanes, x);
      simd::load(b + i + part * simd::kLanes, y);
      sums[part] += x * y;
    }
  }
  float tail = 0.0F;
  for (; i < n; ++i) tail += a[i] * b[i];
  return simd::sum((sums[0] + sums[1]) + (sums[2] + sums[3])) + tail;
}

template <class T>
struct Operands {
  const T* query;
  const T* bank;
  const float* penalty;
};

// The lists of queries [begin, begin + count), offered all of the bank.
template <class T>
void search(const Nearest& p, const Operands<T>& in, std::int64_t begin, std::int64_t count,
            const Workspace& space, CandidateList* lists) {
  for (std::int64_t first = 0; first < p.bank; first += kBankTile) {
    const std::int64_t cols = std::min(kBankTile, p.bank - first);
    const TileProduct tile{.rows = count,
                           .cols = cols,
                           .inner = p.dim,
                           .stride_a = p.dim,
                           .stride_b = p.dim,
                           .stride_c = cols,
                           .transpose_b = true};
    tile_product(tile, in.query + begin * p.dim, in.bank + first * p.dim, space.products);
    const float* penalty = in.penalty == nullptr ? nullptr : in.penalty + first;
    for (std::int64_t q = 0; q < count; ++q) {
      offer(lists[q], space.products + q * cols, penalty, static_cast<std::int32_t>(cols),
            static_cast<std::int32_t>(first));
    }
  }
}

using Lists = std::array<CandidateList, kMostQueries>;

void start_list(const Nearest& p, const Workspace& space, std::int64_t q, float margin, CandidateList& list) {
  const auto k = static_cast<std::int32_t>(p.k);
  const auto capacity = static_cast<std::int32_t>(list_capacity(p));
  list = {.keys = space.keys + q * capacity,
          .rows = space.rows + q * capacity,
          .capacity = capacity,
          .limit = k + growth_for(k),
          .k = k,
          .margin = margin};
}

// Scores the candidates again in f32.
void score_again(const Operands<float>& in, std::int64_t dim, std::int64_t q, CandidateList& list) {
  constexpr std::int32_t kAhead = 4;  // rows to fetch in advance: the candidates are scattered over the bank
  compact(list);
  for (std::int32_t i = 0; i < list.count; ++i) {
    if (i + kAhead < list.count) {
      const auto* next = reinterpret_cast<const char*>(in.bank + list.rows[i + kAhead] * dim);
      for (std::int64_t byte = 0; byte < dim * 4; byte += 64) __builtin_prefetch(next + byte);
    }
    const std::int64_t row = list.rows[i];
    const float key = dot(in.query + q * dim, in.bank + row * dim, dim);
    list.keys[i] = sortable(in.penalty == nullptr ? key : key - in.penalty[row]);
  }
}

void finish(CandidateList& list, std::uint64_t* order, float* similarity, std::int64_t* index) {
  if (list.has_nan) {
    std::fill_n(similarity, list.k, NAN);
    std::fill_n(index, list.k, -1);
    return;
  }
  list.margin = 0.0F;
  compact(list);
  constexpr std::uint32_t kSign = 0x80000000U;
  for (std::int32_t i = 0; i < list.k; ++i) {  // one number that is larger for the nearer row
    const std::uint32_t key = static_cast<std::uint32_t>(list.keys[i]) ^ kSign;
    order[i] = std::uint64_t{key} << 32 | ~static_cast<std::uint32_t>(list.rows[i]);
  }
  std::sort(order, order + list.k, std::greater{});
  for (std::int32_t i = 0; i < list.k; ++i) {
    similarity[i] = value_of(static_cast<std::int32_t>(static_cast<std::uint32_t>(order[i] >> 32) ^ kSign));
    index[i] = static_cast<std::uint32_t>(~order[i]);
  }
}

// How far below the k-th largest key of the rounded rows a row may be and still be one of the k nearest.
struct Margins {
  const Rounded& rounded;
  double largest = 0.0;  // norm of a row of the bank, less the centre
  double lost = 0.0;     // largest norm of what rounding took from one
  double penalty = 0.0;  // largest, without its sign
  double centre = 0.0;   // norm
  double sum_error = 0.0;

  Margins(const Nearest& p, const Rounded& r)
      : rounded(r), sum_error(static_cast<double>(p.dim + 8) * 0x1p-23) {
    // !(a <= b), so that a NaN stays and no margin is finite.
    const auto raise = [](double& most, double value) {
      if (!(value <= most)) most = value;
    };
    for (std::int64_t n = 0; n < p.bank; ++n) {
      raise(largest, r.bank_norm[n]);
      raise(lost, r.bank_lost[n]);
      raise(penalty, std::abs(r.penalty[n]));
    }
    for (std::int64_t d = 0; d < p.dim; ++d) centre += static_cast<double>(r.centre[d]) * r.centre[d];
    centre = std::sqrt(centre);
  }

  // Infinite where the bound does not hold: squares that overflow or vanish.
  float of(std::int64_t q) const {
    const double norm = rounded.norm[q];
    const double error = rounded.lost[q] * largest + (norm + rounded.lost[q]) * lost;
    const double sums = sum_error * (norm + centre) * (largest + centre) + 0x1p-22 * penalty;
    const auto margin = static_cast<float>(2.0 * 1.001 * (error + sums));
    constexpr double kTiny = 1e-15;
    return norm > kTiny && largest > kTiny && std::isfinite(margin) ? margin : INFINITY;
  }
};

// One block of queries by way of their rounded rows; those that this does not suit in f32.
void search_through_bf16(const Nearest& p, const Operands<float>& in, const Margins& margins,
                         std::int64_t begin, std::int64_t count, const Workspace& space, Lists& lists) {
  for (std::int64_t q = 0; q < count; ++q) {
    const float margin = margins.of(begin + q);
    start_list(p, space, q, margin, lists[static_cast<std::size_t>(q)]);
    lists[static_cast<std::size_t>(q)].overflow = margin == INFINITY;
  }
  const Operands<bf16> rounded{margins.rounded.query, margins.rounded.bank, margins.rounded.penalty};
  search(p, rounded, begin, count, space, lists.data());
  std::int64_t first = count;
  std::int64_t last = 0;
  for (std::int64_t q = 0; q < count; ++q) {
    CandidateList& list = lists[static_cast<std::size_t>(q)];
    if (!list.has_nan) score_again(in, p.dim, begin + q, list);
    if (!list.overflow && !list.has_nan) continue;
    first = std::min(first, q);
    last = q + 1;
  }
  if (first >= last) return;
  for (std::int64_t q = first; q < last; ++q) {
    start_list(p, space, q, 0.0F, lists[static_cast<std::size_t>(q)]);
  }
  search(p, in, begin + first, last - first, space, &lists[static_cast<std::size_t>(first)]);
}

std::int64_t workspace_bytes(const Nearest& p) {
  ScratchParts parts(nullptr);
  take_workspace(p, parts);
  return parts.used();
}

}  // namespace

template <class T>
void nearest(const Nearest& p, const T* query, const T* bank, const float* penalty, void* scratch,
             float* similarity, std::int64_t* index, Stream /*stream*/) {
  p.check();
  constexpr bool kFloat = std::is_same_v<T, float>;
  check_rounding<T>(p);
  if (p.queries == 0) return;
  ScratchParts parts(scratch);
  char* spaces = parts.take<char>(workers(p) * workspace_bytes(p));
  const Rounded rounded = p.through_bf16 ? take_rounded(p, parts) : Rounded{};
  if constexpr (kFloat) {
    if (p.through_bf16) round_rows(p, query, bank, penalty, rounded);
  }
  const Margins margins(p.through_bf16 ? p : Nearest{}, rounded);
  const Operands<T> in{query, bank, penalty};
  const std::int64_t tile = query_tile(p);
  parallel_for(workers(p), [&](std::int64_t worker) {
    ScratchParts own(spaces + worker * workspace_bytes(p));
    const Workspace space = take_workspace(p, own);
    Lists lists;
    for (std::int64_t begin = worker * tile; begin < p.queries; begin += workers(p) * tile) {
      const std::int64_t count = std::min(tile, p.queries - begin);
      if constexpr (kFloat) {
        if (p.through_bf16) search_through_bf16(p, in, margins, begin, count, space, lists);
      }
      if (!p.through_bf16) {
        for (std::int64_t q = 0; q < count; ++q) {
          start_list(p, space, q, 0.0F, lists[static_cast<std::size_t>(q)]);
        }
        search(p, in, begin, count, space, lists.data());
      }
      for (std::int64_t q = 0; q < count; ++q) {
        finish(lists[static_cast<std::size_t>(q)], space.order, similarity + (begin + q) * p.k,
               index + (begin + q) * p.k);
      }
    }
  });
}

template void nearest<float>(const Nearest&, const float*, const float*, const float*, void*, float*,
                             std::int64_t*, Stream);
template void nearest<bf16>(const Nearest&, const bf16*, const bf16*, const float*, void*, float*,
                            std::int64_t*, Stream);

}  // namespace cpu

std::int64_t Nearest::scratch_bytes(Device device) const {
  check();
  if (device == Device::cuda) return nearest_lists(*this, nullptr).bytes(queries);
  ScratchParts parts(nullptr);
  parts.take<char>(cpu::workers(*this) * cpu::workspace_bytes(*this));
  if (through_bf16) cpu::take_rounded(*this, parts);
  return parts.used();
}

}  // namespace nagare::kernels
