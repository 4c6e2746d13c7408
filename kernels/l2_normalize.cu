#include "kernels/l2_normalize.h"

#include "kernels/row_team.cuh"

namespace nagare::kernels::cuda {
namespace {

// ||x|| of a row whose squares leave f32's range: squares of x / largest neither overflow nor underflow.
template <class T, int kTeam>
__device__ float scaled_length(std::int64_t cols, const T* x, int lane) {
  float largest = 0.0F;
  for (std::int64_t c = lane; c < cols; c += kTeam) largest = fmaxf(largest, fabsf(load(x + c)));
  largest = team_max<kTeam>(largest);
  const float unit = largest > 0.0F ? largest : 1.0F;
  Sums<1> sum;
  for (std::int64_t c = lane; c < cols; c += kTeam) {
    const float v = load(x + c) / unit;
    sum.values[0] += v * v;
  }
  return unit * sqrtf(team_sum<kTeam>(sum).values[0]);
}

template <class T, int kTeam, int kPack>
__global__ void normalize_rows(L2Normalize p, const T* x, T* y, float* norm) {
  for_each_row_of_this_team<kTeam>(p.rows, [=](std::int64_t r, int lane) {
    const T* in = x + r * p.cols;
    Sums<1> sum;
    for_each_pack<kTeam, kPack>(p.cols, lane, [&](std::int64_t c) {
      const auto v = load_pack<kPack>(in + c);
      for (int k = 0; k < kPack; ++k) sum.values[0] += load(v.values + k) * load(v.values + k);
    });
    const float squares = team_sum<kTeam>(sum).values[0];
    const bool sound = squares > 1e-20F && squares < 1e37F;
    const float length = sound ? sqrtf(squares) : scaled_length<T, kTeam>(p.cols, in, lane);
    const float inverse = 1.0F / (length < p.epsilon ? p.epsilon : length);
    for_each_pack<kTeam, kPack>(p.cols, lane, [&](std::int64_t c) {
      auto v = load_pack<kPack>(in + c);
      for (int k = 0; k < kPack; ++k) store(v.values + k, load(v.values + k) * inverse);
      store_pack(y + r * p.cols + c, v);
    });
    if (lane == 0) norm[r] = length;
  });
}

template <class T, int kTeam, int kPack>
__global__ void normalize_rows_backward(L2Normalize p, const T* y, const float* norm, const T* dy, T* dx) {
  for_each_row_of_this_team<kTeam>(p.rows, [=](std::int64_t r, int lane) {
    const T* out = y + r * p.cols;
    const T* upstream = dy + r * p.cols;
    const bool constant = norm[r] < p.epsilon;
    Sums<1> sum;
    for_each_pack<kTeam, kPack>(p.cols, lane, [&](std::int64_t c) {
      const auto a = load_pack<kPack>(out + c);
      const auto b = load_pack<kPack>(upstream + c);
      for (int k = 0; k < kPack; ++k) sum.values[0] += load(a.values + k) * load(b.values + k);
    });
    const float all = team_sum<kTeam>(sum).values[0];
    const float along = constant ? 0.0F : all;
    const float inverse = 1.0F / (constant ? p.epsilon : norm[r]);
    for_each_pack<kTeam, kPack>(p.cols, lane, [&](std::int64_t c) {
      const auto a = load_pack<kPack>(out + c);
      auto b = load_pack<kPack>(upstream + c);
      for (int k = 0; k < kPack; ++k) {
        store(b.values + k, (load(b.values + k) - load(a.values + k) * along) * inverse);
      }
      store_pack(dx + r * p.cols + c, b);
    });
  });
}

}  // namespace

template <class T>
void l2_normalize(const L2Normalize& p, const T* x, T* y, float* norm, Stream stream) {
  p.check();
  if (p.rows == 0) return;
  with_row_team<T>(p.rows, p.cols, aligned_16(x, y), [&](auto team, auto pack) {
    launch("l2_normalize", normalize_rows<T, team(), pack()>, grid_of_teams(p.rows, team), kBlock, 0, stream,
           p, x, y, norm);
  });
}

template <class T>
void l2_normalize_backward(const L2Normalize& p, const T* y, const float* norm, const T* dy, T* dx,
                           Stream stream) {
  p.check();
  if (p.rows == 0) return;
  with_row_team<T>(p.rows, p.cols, aligned_16(y, dy, dx), [&](auto team, auto pack) {
    launch("l2_normalize_backward", normalize_rows_backward<T, team(), pack()>, grid_of_teams(p.rows, team),
           kBlock, 0, stream, p, y, norm, dy, dx);
  });
}

#define NAGARE_INSTANTIATE(T)                                                   \
  template void l2_normalize(const L2Normalize&, const T*, T*, float*, Stream); \
  template void l2_normalize_backward(const L2Normalize&, const T*, const float*, const T*, T*, Stream);
NAGARE_INSTANTIATE(float)
NAGARE_INSTANTIATE(bf16)
#undef NAGARE_INSTANTIATE

}  // namespace nagare::kernels::cuda
