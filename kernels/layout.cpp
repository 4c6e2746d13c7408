#include "kernels/layout.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/parallel.h"
#include "kernels/simd.h"

namespace nagare::kernels {

std::int64_t Permute::numel() const {
  std::int64_t n = 1;
  for (int a = 0; a < rank; ++a) n *= sizes[a];
  return n;
}

namespace cpu {
namespace {

// Where the last two of the axes of a transposition stand: y's last axis has stride `step` in x, and x's own neighbours
// are y's axis `across`.
struct Transposition {
  int across;
  std::int64_t width;   // of y's last axis
  std::int64_t height;  // of the axis `across`
  std::int64_t step;    // of the last axis, in x
  std::int64_t pitch;   // of the axis `across`, in y
};

// Offsets in x and y of entry `index` of the axes but the last and `without`.
struct Offsets {
  std::int64_t x = 0;
  std::int64_t y = 0;
};
Offsets offsets_of(const Permute& p, int without, std::int64_t index) {
  Offsets at;
  std::int64_t pitch = p.sizes[p.rank - 1];  // of axis a in y
  for (int a = p.rank - 2; a >= 0; --a) {
    if (a != without) {
      at.x += index % p.sizes[a] * p.strides[a];
      at.y += index % p.sizes[a] * pitch;
      index /= p.sizes[a];
    }
    pitch *= p.sizes[a];
  }
  return at;
}

constexpr std::int64_t kTile = 16;

// Sixteen words in registers.
template <class Word>
struct RowOf;
template <>
struct RowOf<std::uint8_t> {
  using Type = std::uint8_t __attribute__((vector_size(kTile)));
};
template <>
struct RowOf<std::uint16_t> {
  using Type = std::uint16_t __attribute__((vector_size(2 * kTile)));
};
template <>
struct RowOf<std::uint32_t> {
  using Type = std::uint32_t __attribute__((vector_size(4 * kTile)));
};
template <>
struct RowOf<std::uint64_t> {
  using Type = std::uint64_t __attribute__((vector_size(8 * kTile)));
};

// out: lane i is lane lanes[i] of a and b, one behind the other.
template <class Row>
NAGARE_INLINE void shuffle(const Row& a, const Row& b, const Row& lanes, Row& out) {
#ifdef __clang__  // which has no shuffle by a vector
  for (int l = 0; l < kTile; ++l) {
    const auto from = static_cast<int>(lanes[l]);
    out[l] = from < kTile ? a[from] : b[from - kTile];
  }
#else
  out = __builtin_shuffle(a, b, lanes);
#endif
}

// Sixteen rows of sixteen words exchanged in registers: after the stages 8, 4, 2, 1 lane l of row r is lane r of row l.
template <class Word>
NAGARE_INLINE void transpose_tile(const Word* x, std::int64_t step, Word* y, std::int64_t pitch) {
  using Row = typename RowOf<Word>::Type;
  Row rows[kTile];
  for (int r = 0; r < kTile; ++r) std::memcpy(&rows[r], x + r * step, sizeof(Row));
#pragma GCC unroll 4
  for (int stage = 8; stage > 0; stage /= 2) {
    Row low;
    Row high;
    for (int l = 0; l < kTile; ++l) {
      low[l] = static_cast<Word>((l & stage) != 0 ? kTile + l - stage : l);
      high[l] = static_cast<Word>((l & stage) != 0 ? kTile + l : l + stage);
    }
#pragma GCC unroll 16
    for (int r = 0; r < kTile; ++r) {
      if ((r & stage) != 0) continue;
      const Row a = rows[r];
      const Row b = rows[r + stage];
      shuffle(a, b, low, rows[r]);
      shuffle(a, b, high, rows[r + stage]);
    }
  }
  for (int r = 0; r < kTile; ++r) std::memcpy(y + r * pitch, &rows[r], sizeof(Row));
}

// y[i pitch + j] = x[j step + i] for i < height, j < width.
template <class Word>
NAGARE_INLINE void transpose_body(const Transposition& t, std::int64_t height, const Word* x, Word* y) {
  std::int64_t j = 0;
  if (height == kTile) {
    for (; j + kTile <= t.width; j += kTile) transpose_tile(x + j * t.step, t.step, y + j, t.pitch);
  }
  for (std::int64_t i = 0; i < height; ++i) {
    for (std::int64_t k = j; k < t.width; ++k) y[i * t.pitch + k] = x[k * t.step + i];
  }
}

// Overloads, not templates, because each is compiled for several vector widths.
#define NAGARE_DEFINE_TRANSPOSE(Word)                                                               \
  NAGARE_SIMD void transpose(const Transposition& t, std::int64_t height, const Word* x, Word* y) { \
    transpose_body(t, height, x, y);                                                                \
  }
NAGARE_DEFINE_TRANSPOSE(std::uint8_t)
NAGARE_DEFINE_TRANSPOSE(std::uint16_t)
NAGARE_DEFINE_TRANSPOSE(std::uint32_t)
NAGARE_DEFINE_TRANSPOSE(std::uint64_t)
#undef NAGARE_DEFINE_TRANSPOSE

template <class Word>
void permute_words(const Permute& p, const Word* x, Word* y) {
  const int last = p.rank - 1;
  const std::int64_t width = p.sizes[last];
  if (p.strides[last] != 1) {
    Transposition t{.across = -1, .width = width, .height = 1, .step = p.strides[last], .pitch = width};
    for (int a = last - 1; a >= 0 && t.across < 0; --a) {
      if (p.strides[a] == 1) {
        t.across = a;
        t.height = p.sizes[a];
      } else {
        t.pitch *= p.sizes[a];
      }
    }
    const std::int64_t tiles = (t.height + kTile - 1) / kTile;
    parallel_for(p.numel() / (width * t.height) * tiles, [&](std::int64_t task) {
      const Offsets at = offsets_of(p, t.across, task / tiles);
      const std::int64_t i = task % tiles * kTile;
      transpose(t, std::min(kTile, t.height - i), x + at.x + i, y + at.y + i * t.pitch);
    });
    return;
  }
  parallel_for(p.numel() / width, [=](std::int64_t row) {
    std::memcpy(y + row * width, x + offsets_of(p, -1, row).x,
                static_cast<std::size_t>(width) * sizeof(Word));
  });
}

// Row sums of y into one row of x.
struct RowsOf {
  const std::int64_t* order;  // rows of y
  std::int64_t count;
  std::int64_t cols;
};
template <class T>
NAGARE_INLINE void add_rows_body(const RowsOf& rows, const T* y, T* x) {
  std::int64_t c = 0;
  for (; c + simd::kLanes <= rows.cols; c += simd::kLanes) {
    simd::Vector sum{};
    simd::Vector v;
    for (std::int64_t k = 0; k < rows.count; ++k) {
      simd::load(y + rows.order[k] * rows.cols + c, v);
      sum += v;
    }
    simd::store(x + c, sum);
  }
  for (; c < rows.cols; ++c) {
    float sum = 0.0F;
    for (std::int64_t k = 0; k < rows.count; ++k) sum += load(y + rows.order[k] * rows.cols + c);
    store(x + c, sum);
  }
}
NAGARE_SIMD void add_rows(const RowsOf& rows, const float* y, float* x) { add_rows_body(rows, y, x); }
NAGARE_SIMD void add_rows(const RowsOf& rows, const bf16* y, bf16* x) { add_rows_body(rows, y, x); }

void check_indices(const GatherRows& p, const std::int64_t* index) {
  for (std::int64_t r = 0; r < p.rows; ++r) {
    if (index[r] < 0 || index[r] >= p.source_rows) {
      throw std::out_of_range("gather_rows: index " + std::to_string(index[r]) + " at position " +
                              std::to_string(r) + ", the source has " + std::to_string(p.source_rows) +
                              " rows");
    }
  }
}

}  // namespace

void permute(const Permute& p, const void* x, void* y, Stream) {
  if (p.numel() == 0) return;
  if (p.rank == 0) {
    std::memcpy(y, x, static_cast<std::size_t>(p.element_bytes));
    return;
  }
  switch (p.element_bytes) {
    case 1:
      return permute_words(p, static_cast<const std::uint8_t*>(x), static_cast<std::uint8_t*>(y));
    case 2:
      return permute_words(p, static_cast<const std::uint16_t*>(x), static_cast<std::uint16_t*>(y));
    case 4:
      return permute_words(p, static_cast<const std::uint32_t*>(x), static_cast<std::uint32_t*>(y));
    case 8:
      return permute_words(p, static_cast<const std::uint64_t*>(x), static_cast<std::uint64_t*>(y));
    default:
      throw std::invalid_argument("permute: elements of " + std::to_string(p.element_bytes) + " bytes");
  }
}

void copy_blocks(const CopyBlocks& p, const void* x, void* y, Stream) {
  if (p.bytes == 0) return;
  parallel_for(p.blocks, [=](std::int64_t b) {
    std::memcpy(static_cast<std::byte*>(y) + b * p.to_stride,
                static_cast<const std::byte*>(x) + b * p.from_stride, static_cast<std::size_t>(p.bytes));
  });
}

void gather_rows(const GatherRows& p, std::size_t element_bytes, const void* x, const std::int64_t* index,
                 void* y, Stream) {
  check_indices(p, index);
  const std::size_t bytes = static_cast<std::size_t>(p.cols) * element_bytes;
  if (bytes == 0) return;
  parallel_for(p.rows, [=](std::int64_t r) {
    std::memcpy(static_cast<std::byte*>(y) + static_cast<std::size_t>(r) * bytes,
                static_cast<const std::byte*>(x) + static_cast<std::size_t>(index[r]) * bytes, bytes);
  });
}

template <class T>
void scatter_add_rows(const GatherRows& p, const T* y, const std::int64_t* index, T* x, Stream) {
  check_indices(p, index);
  // Which rows go to source row s, rising: order[start[s] .. start[s + 1]).
  std::vector<std::int64_t> start(static_cast<std::size_t>(p.source_rows) + 1, 0);
  for (std::int64_t r = 0; r < p.rows; ++r) ++start[static_cast<std::size_t>(index[r]) + 1];
  for (std::size_t s = 1; s < start.size(); ++s) start[s] += start[s - 1];
  std::vector<std::int64_t> next(start);
  std::vector<std::int64_t> order(static_cast<std::size_t>(p.rows));
  for (std::int64_t r = 0; r < p.rows; ++r) {
    order[static_cast<std::size_t>(next[static_cast<std::size_t>(index[r])]++)] = r;
  }
  parallel_for(p.source_rows, [&](std::int64_t s) {
    const std::int64_t begin = start[static_cast<std::size_t>(s)];
    const std::int64_t end = start[static_cast<std::size_t>(s) + 1];
    add_rows({order.data() + begin, end - begin, p.cols}, y, x + s * p.cols);
  });
}

template void scatter_add_rows(const GatherRows&, const float*, const std::int64_t*, float*, Stream);
template void scatter_add_rows(const GatherRows&, const bf16*, const std::int64_t*, bf16*, Stream);

}  // namespace cpu
}  // namespace nagare::kernels
