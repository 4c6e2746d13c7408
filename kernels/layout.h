#pragma once
// Moves elements without looking at them. Sizes are in elements or bytes as named; any element type.
//
//   permute           y[i0, i1, ...] = x at offset sum_a i_a stride_a            (y dense, sizes of y)
//   copy_blocks       `blocks` runs of `bytes` bytes: run b from x + b from_stride to y + b to_stride
//   gather_rows       y[r, :] = x[index[r], :]
//   scatter_add_rows  x[s, :] = sum over r with index[r] = s of y[r, :], r rising   (gradient of gather_rows)
//
// aliasing     none
// special      an index outside [0, source_rows): the CPU twin throws std::out_of_range before writing;
//              on CUDA its row of y has all bits set (NaN in f32 and bf16) and scatter_add_rows leaves it out
// determinism  scatter_add_rows adds in a fixed order, in f32: bit-identical on every run and device
// cost         one read and one write per element; scatter_add_rows on CUDA reads all indices for every source row
#include <cstddef>
#include <cstdint>

#include "kernels/bf16.h"
#include "kernels/stream.h"

namespace nagare::kernels {

struct Permute {
  static constexpr int kMaxRank = 6;
  int rank;
  int element_bytes;               // 1, 2, 4 or 8
  std::int64_t sizes[kMaxRank];    // of y, outermost first
  std::int64_t strides[kMaxRank];  // in x, in elements, one per axis of y

  std::int64_t numel() const;
};

struct CopyBlocks {
  std::int64_t blocks;
  std::int64_t bytes;
  std::int64_t from_stride;
  std::int64_t to_stride;
};

struct GatherRows {
  std::int64_t rows;         // of y, and indices
  std::int64_t cols;         // elements in a row
  std::int64_t source_rows;  // of x
};

#define NAGARE_DECLARE_TWIN                                                                                  \
  void permute(const Permute& p, const void* x, void* y, Stream stream);                                     \
  void copy_blocks(const CopyBlocks& p, const void* x, void* y, Stream stream);                              \
  void gather_rows(const GatherRows& p, std::size_t element_bytes, const void* x, const std::int64_t* index, \
                   void* y, Stream stream);                                                                  \
  template <class T>                                                                                         \
  void scatter_add_rows(const GatherRows& p, const T* y, const std::int64_t* index, T* x, Stream stream);

namespace cpu {
NAGARE_DECLARE_TWIN
}
namespace cuda {
NAGARE_DECLARE_TWIN
}
#undef NAGARE_DECLARE_TWIN

}  // namespace nagare::kernels
