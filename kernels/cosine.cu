#include "kernels/cosine.h"

#include "kernels/row_team.cuh"

namespace nagare::kernels::cuda {
namespace {

// a.a, b.b and a.b where a = unit_a * (what was summed), b alike: units keep all three inside f32's range.
struct PairSums {
  float aa, bb, ab;
  float unit_a, unit_b;
};

template <int kTeam, int kPack, class A, class B>
__device__ PairSums pair_sums(std::int64_t cols, const A* a, const B* b, int lane) {
  Sums<3> sums;
  for_each_pack<kTeam, kPack>(cols, lane, [&](std::int64_t c) {
    const auto x = load_pack<kPack>(a + c);
    const auto y = load_pack<kPack>(b + c);
    for (int k = 0; k < kPack; ++k) {
      const float u = load(x.values + k);
      const float v = load(y.values + k);
      sums.values[0] += u * u;
      sums.values[1] += v * v;
      sums.values[2] += u * v;
    }
  });
  sums = team_sum<kTeam>(sums);
  const auto sound = [](float squares) { return squares > 1e-20F && squares < 1e37F; };
  if (sound(sums.values[0]) && sound(sums.values[1])) {
    return {sums.values[0], sums.values[1], sums.values[2], 1.0F, 1.0F};
  }
  float largest_a = 0.0F;
  float largest_b = 0.0F;
  for (std::int64_t c = lane; c < cols; c += kTeam) {
    largest_a = fmaxf(largest_a, fabsf(load(a + c)));
    largest_b = fmaxf(largest_b, fabsf(load(b + c)));
  }
  largest_a = team_max<kTeam>(largest_a);
  largest_b = team_max<kTeam>(largest_b);
  PairSums out{0.0F, 0.0F, 0.0F, largest_a > 0.0F ? largest_a : 1.0F, largest_b > 0.0F ? largest_b : 1.0F};
  sums = {};
  for (std::int64_t c = lane; c < cols; c += kTeam) {
    const float u = load(a + c) / out.unit_a;
    const float v = load(b + c) / out.unit_b;
    sums.values[0] += u * u;
    sums.values[1] += v * v;
    sums.values[2] += u * v;
  }
  sums = team_sum<kTeam>(sums);
  out.aa = sums.values[0];
  out.bb = sums.values[1];
  out.ab = sums.values[2];
  return out;
}

// max(length, epsilon), and whether that is the constant; NaN stays.
struct Divisor {
  __device__ Divisor(float squares, float unit, float epsilon)
      : length(unit * sqrtf(squares)), constant(length < epsilon), value(constant ? epsilon : length) {}
  // c / length, where the length takes part in the gradient.
  __device__ float slope(float c) const { return constant ? 0.0F : c / length; }

  float length;
  bool constant;
  float value;
};

__device__ float cosine_of(const PairSums& s, const Divisor& a, const Divisor& b) {
  return s.ab * (s.unit_a / a.value) * (s.unit_b / b.value);
}

template <class T, int kTeam, int kPack>
__global__ void cosine_rows(Cosine p, const T* a, const T* b, CosineOutputs<T> out) {
  for_each_row_of_this_team<kTeam>(p.rows, [=](std::int64_t r, int lane) {
    const std::int64_t at = r * p.cols;
    const PairSums s = pair_sums<kTeam, kPack>(p.cols, a + at, b + at, lane);
    const Divisor da(s.aa, s.unit_a, p.epsilon);
    const Divisor db(s.bb, s.unit_b, p.epsilon);
    const float c = cosine_of(s, da, db);
    if (lane == 0) out.cosines[r] = c;
    if (out.da == nullptr && out.db == nullptr) return;
    const float inverse_a = 1.0F / da.value;
    const float inverse_b = 1.0F / db.value;
    const float slope_a = da.slope(c);
    const float slope_b = db.slope(c);
    for_each_pack<kTeam, kPack>(p.cols, lane, [&](std::int64_t c0) {
      const auto x = load_pack<kPack>(a + at + c0);
      const auto y = load_pack<kPack>(b + at + c0);
      Pack<T, kPack> gradient;
      if (out.da != nullptr) {
        for (int k = 0; k < kPack; ++k) {
          const float own = load(x.values + k);
          store(gradient.values + k,
                (load(y.values + k) * inverse_b - own * slope_a) * (p.weight * inverse_a));
        }
        store_pack(out.da + at + c0, gradient);
      }
      if (out.db != nullptr) {
        for (int k = 0; k < kPack; ++k) {
          const float own = load(y.values + k);
          store(gradient.values + k,
                (load(x.values + k) * inverse_a - own * slope_b) * (p.weight * inverse_b));
        }
        store_pack(out.db + at + c0, gradient);
      }
    });
  });
}

// One block per image. Its n x dim elements come from memory once; the later readings find them in cache.
template <class T, int kPack>
__global__ void cosine_patches(PatchCosine p, const T* z, float* scratch, PatchCosineOutputs<T> out) {
  const std::int64_t stride = p.batch * p.dim;  // from a patch to the next
  const float share = 1.0F / static_cast<float>(p.patches);
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  for (std::int64_t j = blockIdx.x; j < p.batch; j += gridDim.x) {
    const T* in = z + j * p.dim;
    float* mean = scratch + j * (p.dim + 2 * p.patches);
    float* inverse = mean + p.dim;
    float* slope = inverse + p.patches;
    for (std::int64_t c = threadIdx.x; c < p.dim; c += kBlock) {
      float sum = 0.0F;
      for (std::int64_t i = 0; i < p.patches; ++i) sum += load(in + i * stride + c) * share;
      mean[c] = sum;
    }
    __syncthreads();
    // A warp per patch.
    for (std::int64_t i = warp; i < p.patches; i += kBlock / kWarp) {
      const PairSums s = pair_sums<kWarp, 1>(p.dim, in + i * stride, mean, lane);
      const Divisor patch(s.aa, s.unit_a, p.epsilon);
      const Divisor whole(s.bb, s.unit_b, p.epsilon);
      if (lane == 0) {
        const float c = cosine_of(s, patch, whole);
        out.cosines[i * p.batch + j] = c;
        inverse[i] = 1.0F / patch.value;
        slope[i] = patch.slope(c);
      }
    }
    __syncthreads();
    if (out.dz == nullptr) continue;
    const PairSums s = pair_sums<kBlock, 1>(p.dim, mean, mean, static_cast<int>(threadIdx.x));
    const Divisor whole(s.aa, s.unit_a, p.epsilon);
    float cosines = 0.0F;
    for (std::int64_t i = 0; i < p.patches; ++i) cosines += out.cosines[i * p.batch + j];
    const float mean_inverse = 1.0F / whole.value;
    const float mean_slope = whole.slope(cosines);
    for (std::int64_t c = static_cast<std::int64_t>(threadIdx.x) * kPack; c < p.dim; c += kBlock * kPack) {
      float sum[kPack] = {};  // of unit patches
      for (std::int64_t i = 0; i < p.patches; ++i) {
        const auto v = load_pack<kPack>(in + i * stride + c);
        for (int k = 0; k < kPack; ++k) sum[k] += load(v.values + k) * inverse[i];
      }
      float direction[kPack];
      float shared[kPack];
      for (int k = 0; k < kPack; ++k) {
        direction[k] = mean[c + k] * mean_inverse;
        shared[k] = (sum[k] - mean[c + k] * mean_slope) * (mean_inverse * p.weight * share);
      }
      for (std::int64_t i = 0; i < p.patches; ++i) {
        auto v = load_pack<kPack>(in + i * stride + c);
        for (int k = 0; k < kPack; ++k) {
          store(v.values + k,
                (direction[k] - load(v.values + k) * slope[i]) * (inverse[i] * p.weight) + shared[k]);
        }
        store_pack(out.dz + j * p.dim + i * stride + c, v);
      }
    }
  }
}

}  // namespace

template <class T>
void cosine(const Cosine& p, const T* a, const T* b, const CosineOutputs<T>& out, Stream stream) {
  p.check();
  if (p.rows > 0) {
    with_row_team<T>(p.rows, p.cols, aligned_16(a, b, out.da, out.db), [&](auto team, auto pack) {
      launch("cosine", cosine_rows<T, team(), pack()>, grid_of_teams(p.rows, team), kBlock, 0, stream, p, a,
             b, out);
    });
  }
  launch("cosine_sum", weighted_sum<float>, 1, kBlock, 0, stream, p.rows, out.cosines, p.weight, out.loss);
}

template <class T>
void patch_cosine(const PatchCosine& p, const T* z, float* scratch, const PatchCosineOutputs<T>& out,
                  Stream stream) {
  p.check();
  if (p.batch > 0) {
    constexpr int kPack = 16 / static_cast<int>(sizeof(T));
    const bool packs = p.dim % kPack == 0 && aligned_16(z, out.dz);
    launch("patch_cosine", packs ? cosine_patches<T, kPack> : cosine_patches<T, 1>, grid_for(p.batch, 1),
           kBlock, 0, stream, p, z, scratch, out);
  }
  launch("patch_cosine_sum", weighted_sum<float>, 1, kBlock, 0, stream, p.patches * p.batch, out.cosines,
         p.weight, out.loss);
}

#define NAGARE_INSTANTIATE(T)                                                               \
  template void cosine(const Cosine&, const T*, const T*, const CosineOutputs<T>&, Stream); \
  template void patch_cosine(const PatchCosine&, const T*, float*, const PatchCosineOutputs<T>&, Stream);
NAGARE_INSTANTIATE(float)
NAGARE_INSTANTIATE(bf16)
#undef NAGARE_INSTANTIATE

}  // namespace nagare::kernels::cuda
