#pragma once
// The warp-wide tiles of kernels/tensor_core.cuh, which says what a lane holds.
#include <bit>
#include <cstdint>
#include <cstring>
#include <source_location>
#include <string>

#include "kernels/emulator/scheduler.h"

namespace nagare::emulator {

// A lane's registers lie on its fiber's stack, where the lane that comes last reads and writes them for all.
template <class Lane>
Lane& lane_at(const LaneInput& in) {
  return *std::bit_cast<Lane*>(in.value);
}

inline float low_bf16(std::uint32_t pair) { return std::bit_cast<float>(pair << 16); }
inline float high_bf16(std::uint32_t pair) { return std::bit_cast<float>(pair & 0xffff0000U); }

inline void need_whole_warp(const char* operation, std::uint32_t lanes) {
  if (lanes != 0xffffffffU) fault(std::string(operation) + " by a warp that has not all of its 32 lanes");
}

struct MmaLane {
  float* c;
  const std::uint32_t* a;
  const std::uint32_t* b;
};

inline void resolve_mma(std::uint32_t lanes, const LaneInput (&in)[32], std::uint64_t (&)[32]) {
  need_whole_warp("mma_16x8x16", lanes);
  float a[16][16];
  float b[16][8];
  for (int lane = 0; lane < 32; ++lane) {
    const auto& self = lane_at<MmaLane>(in[lane]);
    const int g = lane / 4;
    const int t = 2 * (lane % 4);
    for (int i = 0; i < 4; ++i) {
      const int row = g + 8 * (i % 2);
      const int col = t + 8 * (i / 2);
      a[row][col] = low_bf16(self.a[i]);
      a[row][col + 1] = high_bf16(self.a[i]);
    }
    for (int i = 0; i < 2; ++i) {
      b[t + 8 * i][g] = low_bf16(self.b[i]);
      b[t + 8 * i + 1][g] = high_bf16(self.b[i]);
    }
  }
  for (int lane = 0; lane < 32; ++lane) {
    for (int i = 0; i < 4; ++i) {
      const int row = lane / 4 + 8 * (i / 2);
      const int col = 2 * (lane % 4) + i % 2;
      float sum = 0.0F;
      for (int k = 0; k < 16; ++k) sum += a[row][k] * b[k][col];
      lane_at<MmaLane>(in[lane]).c[i] += sum;
    }
  }
}

inline void warp_mma(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                     const std::source_location& where) {
  MmaLane self{c, a, b};
  warp_operation("mma_16x8x16", 0xffffffffU, {std::bit_cast<std::uint64_t>(&self), -1}, &resolve_mma, where);
}

struct MatrixLane {
  std::uint32_t* r;
  const void* row;
};

template <bool transposed>
void resolve_load_matrices(std::uint32_t lanes, const LaneInput (&in)[32], std::uint64_t (&)[32]) {
  need_whole_warp("load_matrices", lanes);
  for (int tile = 0; tile < 4; ++tile) {
    std::uint16_t values[8][8];
    for (int row = 0; row < 8; ++row) {
      const void* address = lane_at<MatrixLane>(in[8 * tile + row]).row;
      if (std::bit_cast<std::uintptr_t>(address) % 16 != 0) {
        fault("load_matrices: row " + std::to_string(row) + " of tile " + std::to_string(tile) +
              " is at an address that is not a multiple of 16");
      }
      std::memcpy(values[row], address, sizeof values[row]);
    }
    for (int lane = 0; lane < 32; ++lane) {
      const int g = lane / 4;
      const int t = 2 * (lane % 4);
      const std::uint32_t low = transposed ? values[t][g] : values[g][t];
      const std::uint32_t high = transposed ? values[t + 1][g] : values[g][t + 1];
      lane_at<MatrixLane>(in[lane]).r[tile] = low | high << 16;
    }
  }
}

template <bool transposed>
void warp_load_matrices(std::uint32_t (&r)[4], const void* row, const std::source_location& where) {
  MatrixLane self{r, row};
  warp_operation(transposed ? "load_transposed" : "load_matrices", 0xffffffffU,
                 {std::bit_cast<std::uint64_t>(&self), -1}, &resolve_load_matrices<transposed>, where);
}

}  // namespace nagare::emulator
