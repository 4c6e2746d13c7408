#include "kernels/philox_fill.h"

#include "kernels/box_muller.h"
#include "kernels/warp.cuh"

namespace nagare::kernels::cuda {
namespace {

struct Values {
  float of[4];
};

struct ToUniform {
  float low;
  float span;

  __device__ Values operator()(const PhiloxBlock& b) const {
    Values v;
    for (int w = 0; w < 4; ++w) v.of[w] = low + span * unit_float(b.word[w]);
    return v;
  }
};

struct ToNormal {
  float mean;
  float deviation;

  __device__ Values operator()(const PhiloxBlock& b) const {
    Values v;
    for (int w = 0; w < 4; w += 2) {
      const NormalPair pair = box_muller(b.word[w], b.word[w + 1]);
      v.of[w] = mean + deviation * pair.z0;
      v.of[w + 1] = mean + deviation * pair.z1;
    }
    return v;
  }
};

__device__ void store_four(float* out, const Values& v) {
  *reinterpret_cast<float4*>(out) = {v.of[0], v.of[1], v.of[2], v.of[3]};
}
__device__ void store_four(bf16* out, const Values& v) {
  const auto pack = [](float low, float high) {
    return static_cast<unsigned>(bf16(low).bits) | static_cast<unsigned>(bf16(high).bits) << 16;
  };
  *reinterpret_cast<uint2*>(out) = {pack(v.of[0], v.of[1]), pack(v.of[2], v.of[3])};
}

// One thread per block of four draws: a warp writes 512 (bf16: 256) bytes in a row.
template <class Step, class T>
__global__ void fill(PhiloxFill p, Step step, bool aligned, T* out) {
  const std::int64_t first_block = p.first / 4;
  const std::int64_t end = p.first + p.n;
  for_each_index_of_this_thread((end + 3) / 4 - first_block, [=](std::int64_t index) {
    const std::int64_t start = 4 * (first_block + index);
    const Values v = step(random_block(p.key, static_cast<std::uint32_t>(first_block + index)));
    if (aligned && start >= p.first && start + 4 <= end) {
      store_four(out + (start - p.first), v);
      return;
    }
    for (int w = 0; w < 4; ++w) {
      if (start + w >= p.first && start + w < end) store(out + (start + w - p.first), v.of[w]);
    }
  });
}

template <class Step, class T>
void launch_fill(const char* name, const PhiloxFill& p, const Step& step, T* out, Stream stream) {
  if (p.n == 0) return;
  // Whole blocks of four begin at out + 4 k - first.
  const bool aligned = p.first % 4 == 0 && reinterpret_cast<std::uintptr_t>(out) % (4 * sizeof(T)) == 0;
  launch(name, fill<Step, T>, grid_for((p.n + 6) / 4), kBlock, 0, stream, p, step, aligned, out);
}

}  // namespace

template <class T>
void philox_uniform(const PhiloxFill& p, const UniformRange& range, T* out, Stream stream) {
  p.check();
  range.check();
  launch_fill("philox_uniform", p, ToUniform{range.low, range.high - range.low}, out, stream);
}

template <class T>
void philox_normal(const PhiloxFill& p, const NormalShape& shape, T* out, Stream stream) {
  p.check();
  shape.check();
  launch_fill("philox_normal", p, ToNormal{shape.mean, shape.deviation}, out, stream);
}

template void philox_uniform(const PhiloxFill&, const UniformRange&, float*, Stream);
template void philox_uniform(const PhiloxFill&, const UniformRange&, bf16*, Stream);
template void philox_normal(const PhiloxFill&, const NormalShape&, float*, Stream);
template void philox_normal(const PhiloxFill&, const NormalShape&, bf16*, Stream);

}  // namespace nagare::kernels::cuda
