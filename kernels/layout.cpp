#include "kernels/layout.h"

#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/parallel.h"

namespace nagare::kernels {

std::int64_t Permute::numel() const {
  std::int64_t n = 1;
  for (int a = 0; a < rank; ++a) n *= sizes[a];
  return n;
}

namespace cpu {
namespace {

template <class Word>
void permute_words(const Permute& p, const Word* x, Word* y) {
  const std::int64_t width = p.sizes[p.rank - 1];
  const std::int64_t step = p.strides[p.rank - 1];
  parallel_for(p.numel() / width, [=](std::int64_t row) {
    std::int64_t offset = 0;
    for (std::int64_t rest = row, a = p.rank - 2; a >= 0; --a) {
      offset += rest % p.sizes[a] * p.strides[a];
      rest /= p.sizes[a];
    }
    const Word* from = x + offset;
    Word* to = y + row * width;
    if (step == 1) {
      std::memcpy(to, from, static_cast<std::size_t>(width) * sizeof(Word));
    } else {
      for (std::int64_t i = 0; i < width; ++i) to[i] = from[i * step];
    }
  });
}

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
    T* to = x + s * p.cols;
    const std::int64_t begin = start[static_cast<std::size_t>(s)];
    const std::int64_t end = start[static_cast<std::size_t>(s) + 1];
    for (std::int64_t c = 0; c < p.cols; ++c) {
      float sum = 0.0F;
      for (std::int64_t k = begin; k < end; ++k)
        sum += load(y + order[static_cast<std::size_t>(k)] * p.cols + c);
      store(to + c, sum);
    }
  });
}

template void scatter_add_rows(const GatherRows&, const float*, const std::int64_t*, float*, Stream);
template void scatter_add_rows(const GatherRows&, const bf16*, const std::int64_t*, bf16*, Stream);

}  // namespace cpu
}  // namespace nagare::kernels
