#pragma once
// Tensor-core tiles of bf16 with f32 sums, one warp each: index logic around them runs under the emulator too.
//
//   mma_16x8x16(c, a, b)      c += a b;  a is 16 x 16, b 16 x 8, c 16 x 8; all 32 lanes call it together
//   load_matrices(r, row)     four 8 x 8 tiles of bf16 from shared memory; lane l gives the address of row l % 8 of
//                             tile l / 8, 16-byte aligned
//   load_transposed(r, row)   the same, each tile transposed on the way
//
// What a lane holds, with g = lane / 4 and t = lane % 4 (two bf16 a register, the lower column or row in the low half):
//
//   a[0] a[1] a[2] a[3]   (row g, cols 2t 2t+1)  (g + 8, 2t 2t+1)  (g, 2t+8 2t+9)  (g + 8, 2t+8 2t+9)
//   b[0] b[1]             (rows 2t 2t+1, col g)  (2t+8 2t+9, g)
//   c[0] c[1] c[2] c[3]   (g, 2t)  (g, 2t+1)  (g + 8, 2t)  (g + 8, 2t+1)
//   r[j]                  tile j: (row g, cols 2t 2t+1); transposed: (rows 2t 2t+1, col g)
//
// So a row-major `a` comes from load_matrices with tiles in the order (top left, bottom left, top right, bottom right),
// b from load_transposed of a row-major b (upper, lower), or from load_matrices where b's columns are the rows in memory.
// accuracy  products exact, sums in f32; a GPU adds in an order of its own, so compare within tolerances
// source    PTX ISA, "Warp Level Matrix Instructions": mma.sync m16n8k16, ldmatrix
#include <cstdint>

#include "kernels/warp.cuh"
#if defined(NAGARE_EMULATOR)
#include "kernels/emulator/tensor_core.h"
#endif

namespace nagare::kernels::cuda {

#if defined(NAGARE_EMULATOR)
inline void mma_16x8x16(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                        const std::source_location& where = std::source_location::current()) {
  emulator::warp_mma(c, a, b, where);
}
inline void load_matrices(std::uint32_t (&r)[4], const void* row,
                          const std::source_location& where = std::source_location::current()) {
  emulator::warp_load_matrices<false>(r, row, where);
}
inline void load_transposed(std::uint32_t (&r)[4], const void* row,
                            const std::source_location& where = std::source_location::current()) {
  emulator::warp_load_matrices<true>(r, row, where);
}
#else
__device__ inline void mma_16x8x16(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
__device__ inline void load_matrices(std::uint32_t (&r)[4], const void* row) {
  const auto address = static_cast<std::uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
}
__device__ inline void load_transposed(std::uint32_t (&r)[4], const void* row) {
  const auto address = static_cast<std::uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
}
#endif

}  // namespace nagare::kernels::cuda
