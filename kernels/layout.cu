#include "kernels/layout.h"

#include "kernels/warp.cuh"

namespace nagare::kernels::cuda {
namespace {

template <class Word>
__global__ void permute_words(Permute p, std::int64_t n, const Word* x, Word* y) {
  for_each_index_of_this_thread(n, [=](std::int64_t i) {
    std::int64_t offset = 0;
    std::int64_t rest = i;
    for (int a = p.rank - 1; a >= 0; --a) {
      offset += rest % p.sizes[a] * p.strides[a];
      rest /= p.sizes[a];
    }
    y[i] = x[offset];
  });
}

// Strides and lengths in words.
template <class Word>
__global__ void copy_words(CopyBlocks p, const Word* x, Word* y) {
  for_each_index_of_this_thread(p.blocks * p.bytes, [=](std::int64_t i) {
    const std::int64_t block = i / p.bytes;
    const std::int64_t within = i % p.bytes;
    y[block * p.to_stride + within] = x[block * p.from_stride + within];
  });
}

// `cols` in words.
template <class Word>
__global__ void gather_words(GatherRows p, const Word* x, const std::int64_t* index, Word* y) {
  for_each_index_of_this_thread(p.rows * p.cols, [=](std::int64_t i) {
    const std::int64_t source = index[i / p.cols];
    const bool inside = source >= 0 && source < p.source_rows;
    y[i] = inside ? x[source * p.cols + i % p.cols] : static_cast<Word>(~Word{0});
  });
}

// One warp per source row looks through all indices, 32 at a time, and adds the rows that match, in their order.
template <class T>
__global__ void add_matching_rows(GatherRows p, const T* y, const std::int64_t* index, T* x) {
  for_each_row_of_this_warp(p.source_rows, [=](std::int64_t s, int lane) {
    for (std::int64_t panel = 0; panel < p.cols; panel += kWarp) {
      const std::int64_t c = panel + lane;
      float sum = 0.0F;
      for (std::int64_t first = 0; first < p.rows; first += kWarp) {
        const bool match = first + lane < p.rows && index[first + lane] == s;
        for (unsigned matches = __ballot_sync(kAllLanes, match); matches != 0; matches &= matches - 1) {
          const std::int64_t r = first + __ffs(static_cast<int>(matches)) - 1;
          if (c < p.cols) sum += load(y + r * p.cols + c);
        }
      }
      if (c < p.cols) store(x + s * p.cols + c, sum);
    }
  });
}

// body(Word{}) with the widest word that divides `bits`, the or of all sizes, strides and addresses in bytes.
template <class Body>
void for_word(std::uint64_t bits, const Body& body) {
  if (bits % 8 == 0) return body(std::uint64_t{});
  if (bits % 4 == 0) return body(std::uint32_t{});
  if (bits % 2 == 0) return body(std::uint16_t{});
  body(std::uint8_t{});
}

std::uint64_t address(const void* p) { return reinterpret_cast<std::uintptr_t>(p); }

}  // namespace

void permute(const Permute& p, const void* x, void* y, Stream stream) {
  const std::int64_t n = p.numel();
  if (n == 0) return;
  for_word(static_cast<std::uint64_t>(p.element_bytes), [&]<class Word>(Word) {
    launch("permute", permute_words<Word>, grid_for(n), kBlock, 0, stream, p, n, static_cast<const Word*>(x),
           static_cast<Word*>(y));
  });
}

void copy_blocks(const CopyBlocks& p, const void* x, void* y, Stream stream) {
  if (p.blocks == 0 || p.bytes == 0) return;
  const auto bits =
      static_cast<std::uint64_t>(p.bytes | p.from_stride | p.to_stride) | address(x) | address(y);
  for_word(bits, [&]<class Word>(Word) {
    const auto size = static_cast<std::int64_t>(sizeof(Word));
    const CopyBlocks words{p.blocks, p.bytes / size, p.from_stride / size, p.to_stride / size};
    launch("copy_blocks", copy_words<Word>, grid_for(words.blocks * words.bytes), kBlock, 0, stream, words,
           static_cast<const Word*>(x), static_cast<Word*>(y));
  });
}

void gather_rows(const GatherRows& p, std::size_t element_bytes, const void* x, const std::int64_t* index,
                 void* y, Stream stream) {
  const std::int64_t bytes = p.cols * static_cast<std::int64_t>(element_bytes);
  if (p.rows == 0 || bytes == 0) return;
  for_word(static_cast<std::uint64_t>(bytes) | address(x) | address(y), [&]<class Word>(Word) {
    const GatherRows words{p.rows, bytes / static_cast<std::int64_t>(sizeof(Word)), p.source_rows};
    launch("gather_rows", gather_words<Word>, grid_for(words.rows * words.cols), kBlock, 0, stream, words,
           static_cast<const Word*>(x), index, static_cast<Word*>(y));
  });
}

template <class T>
void scatter_add_rows(const GatherRows& p, const T* y, const std::int64_t* index, T* x, Stream stream) {
  launch_warp_per_row("scatter_add_rows", add_matching_rows<T>, p.source_rows, stream, p, y, index, x);
}

template void scatter_add_rows(const GatherRows&, const float*, const std::int64_t*, float*, Stream);
template void scatter_add_rows(const GatherRows&, const bf16*, const std::int64_t*, bf16*, Stream);

}  // namespace nagare::kernels::cuda
