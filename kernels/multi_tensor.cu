#include "kernels/multi_tensor.h"

#include <algorithm>

#include "kernels/warp.cuh"

namespace nagare::kernels::cuda {
namespace {

// Travels as a kernel argument (some 8 KB), so that no table has to be copied to the device and kept there.
constexpr int kSegments = 128;

template <class Segment>
struct Table {
  int count = 0;
  int first_segment = 0;                   // of the whole list: where this table's sums begin
  std::int64_t first_block = 0;            // of the whole list: where this table's partial sums begin
  std::int64_t block[kSegments + 1] = {};  // block[i]: the first block of segment i, within this table
  Segment segment[kSegments];
};

// body(table) for runs of at most kSegments segments.
template <class Segment, class Body>
void for_each_table(std::span<const Segment> segments, const Body& body) {
  std::int64_t blocks_before = 0;
  for (std::size_t first = 0; first < segments.size(); first += kSegments) {
    Table<Segment> table;
    table.count = static_cast<int>(std::min<std::size_t>(kSegments, segments.size() - first));
    table.first_segment = static_cast<int>(first);
    table.first_block = blocks_before;
    for (int i = 0; i < table.count; ++i) {
      table.segment[i] = segments[first + static_cast<std::size_t>(i)];
      table.block[i + 1] = table.block[i] + (table.segment[i].n + kMultiTensorBlock - 1) / kMultiTensorBlock;
    }
    blocks_before += table.block[table.count];
    body(table);
  }
}

template <class Segment>
unsigned blocks_of(const Table<Segment>& table) {
  return static_cast<unsigned>(table.block[table.count]);
}

// The segment that this block works on.
template <class Segment>
__device__ int segment_of_this_block(const Table<Segment>& table) {
  int low = 0;
  int high = table.count;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (table.block[middle] <= static_cast<std::int64_t>(blockIdx.x)) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}

// One of the arrays that a kernel walks along.
struct Array {
  const float* from;
  float* to;
  bool written;  // a constant where it is used, so that the test of it costs nothing
};
__device__ Array read_only(const float* x) { return {x, nullptr, false}; }
__device__ Array updated(float* x) { return {x, x, true}; }

__device__ float4 load_quad(const float* x, bool aligned) {
  return aligned ? *reinterpret_cast<const float4*>(x) : float4{x[0], x[1], x[2], x[3]};
}
__device__ void store_quad(float* x, bool aligned, const float4& v) {
  if (aligned) {
    *reinterpret_cast<float4*>(x) = v;
  } else {
    x[0] = v.x;
    x[1] = v.y;
    x[2] = v.z;
    x[3] = v.w;
  }
}

// body(values) for this thread's elements of its block's part of segment `s`; values[k] is the element of
// arrays[k], and what body leaves there is stored where the array is updated. A thread takes four neighbours of
// every array at once (16-byte accesses, enough of them in flight to fill the memory's pipe); which thread takes
// which elements does not depend on the alignment, so sums do not either.
template <class Segment, int kArrays, class Body>
__device__ void for_each_element(const Table<Segment>& table, int s, const Array (&arrays)[kArrays],
                                 const Body& body) {
  const std::int64_t begin = (static_cast<std::int64_t>(blockIdx.x) - table.block[s]) * kMultiTensorBlock;
  std::int64_t end = begin + kMultiTensorBlock;
  if (end > table.segment[s].n) end = table.segment[s].n;
  bool aligned = true;
  for (const Array& array : arrays) {
    aligned = aligned && reinterpret_cast<std::uintptr_t>(array.from) % sizeof(float4) == 0;
  }
  const std::int64_t quads = (end - begin) / 4;
  for (std::int64_t q = threadIdx.x; q < quads; q += kBlock) {
    const std::int64_t i = begin + 4 * q;
    float4 loaded[kArrays];
    for (int k = 0; k < kArrays; ++k) loaded[k] = load_quad(arrays[k].from + i, aligned);
    float values[4][kArrays];
    for (int k = 0; k < kArrays; ++k) {
      values[0][k] = loaded[k].x;
      values[1][k] = loaded[k].y;
      values[2][k] = loaded[k].z;
      values[3][k] = loaded[k].w;
    }
    for (int e = 0; e < 4; ++e) body(values[e]);
    for (int k = 0; k < kArrays; ++k) {
      if (!arrays[k].written) continue;
      store_quad(arrays[k].to + i, aligned, {values[0][k], values[1][k], values[2][k], values[3][k]});
    }
  }
  for (std::int64_t i = begin + 4 * quads + threadIdx.x; i < end; i += kBlock) {
    float values[kArrays];
    for (int k = 0; k < kArrays; ++k) values[k] = arrays[k].from[i];
    body(values);
    for (int k = 0; k < kArrays; ++k) {
      if (arrays[k].written) arrays[k].to[i] = values[k];
    }
  }
}

// The sum over the block, in thread 0; all threads call it.
__device__ float block_sum(float value) {
  NAGARE_SHARED(float, of_warp, [kBlock / kWarp]);
  value = warp_sum(value);
  __syncthreads();  // an earlier call may still be reading
  if (threadIdx.x % kWarp == 0) of_warp[threadIdx.x / kWarp] = value;
  __syncthreads();
  float sum = 0.0F;
  if (threadIdx.x == 0) {
    for (int warp = 0; warp < kBlock / kWarp; ++warp) sum += of_warp[warp];
  }
  return sum;
}

__global__ void sum_blocks(SumWeights p, const __grid_constant__ Table<SumSegment> table, float* partials) {
  const int index = segment_of_this_block(table);
  const SumSegment s = table.segment[index];
  float sum[3] = {};
  const auto add = [&](float parameter, float gradient, float momentum) {
    const float u = p.direction * (gradient + s.weight_decay * parameter) + p.momentum * momentum;
    sum[0] += parameter * parameter;
    sum[1] += gradient * gradient;
    sum[2] += u * u;
  };
  if (s.parameter == nullptr) {
    for_each_element(table, index, {read_only(s.gradient)}, [&](float(&x)[1]) { sum[1] += x[0] * x[0]; });
  } else if (s.momentum == nullptr) {
    for_each_element(table, index, {read_only(s.parameter), read_only(s.gradient)},
                     [&](float(&x)[2]) { add(x[0], x[1], 0.0F); });
  } else {
    for_each_element(table, index, {read_only(s.parameter), read_only(s.gradient), read_only(s.momentum)},
                     [&](float(&x)[3]) { add(x[0], x[1], x[2]); });
  }
  for (int k = 0; k < 3; ++k) {
    const float total = block_sum(sum[k]);
    if (threadIdx.x == 0) partials[3 * (table.first_block + blockIdx.x) + k] = total;
  }
}

// One warp per segment adds its blocks.
__global__ void sum_segments(const __grid_constant__ Table<SumSegment> table, const float* partials,
                             float* sums) {
  for_each_row_of_this_warp(table.count, [&](std::int64_t s, int lane) {
    float sum[3] = {};
    for (std::int64_t b = table.block[s] + lane; b < table.block[s + 1]; b += kWarp) {
      for (int k = 0; k < 3; ++k) sum[k] += partials[3 * (table.first_block + b) + k];
    }
    for (int k = 0; k < 3; ++k) {
      const float total = warp_sum(sum[k]);
      if (lane == 0) sums[3 * (table.first_segment + s) + k] = total;
    }
  });
}

__global__ void sgd(SgdStep p, const __grid_constant__ Table<SgdSegment> table) {
  const int index = segment_of_this_block(table);
  const SgdSegment s = table.segment[index];
  TrustStep direction = untrusted_step(p.trust, s.weight_decay);
  float rate = p.rate;
  if (s.trusted) {
    const TrustStep scaled = trust_step(p.trust, p.sums + 3 * (table.first_segment + index), s.weight_decay);
    if (p.trust_scales_rate) {
      rate *= scaled.gradient;
    } else {
      direction = scaled;
    }
  }
  if (s.momentum == nullptr) {
    for_each_element(table, index, {updated(s.parameter), read_only(s.gradient)}, [&](float(&x)[2]) {
      x[0] -= rate * (direction.gradient * x[1] + direction.parameter * x[0]);
    });
    return;
  }
  for_each_element(table, index, {updated(s.parameter), read_only(s.gradient), updated(s.momentum)},
                   [&](float(&x)[3]) {
                     const float d = direction.gradient * x[1] + direction.parameter * x[0];
                     x[2] = p.momentum * x[2] + s.take * d;
                     x[0] -= rate * (p.from_gradient * d + p.from_momentum * x[2]);
                   });
}

__global__ void adam(AdamStep p, const __grid_constant__ Table<AdamSegment> table) {
  const int index = segment_of_this_block(table);
  const AdamSegment s = table.segment[index];
  const float kept = p.decoupled ? 1.0F - p.rate * s.weight_decay : 1.0F;
  const float decay = p.decoupled ? 0.0F : s.weight_decay;
  const float step = p.rate / s.correction1;
  const float root = 1.0F / s.correction2;
  for_each_element(table, index,
                   {updated(s.parameter), read_only(s.gradient), updated(s.first), updated(s.second)},
                   [&](float(&x)[4]) {
                     const float g = x[1] + decay * x[0];
                     x[2] = p.beta1 * x[2] + p.take1 * g;
                     x[3] = p.beta2 * x[3] + p.take2 * g * g;
                     x[0] = kept * x[0] - step * (x[2] / (sqrtf(x[3] * root) + p.epsilon));
                   });
}

__global__ void ema(EmaStep p, const __grid_constant__ Table<PairSegment> table) {
  const int index = segment_of_this_block(table);
  const PairSegment s = table.segment[index];
  for_each_element(table, index, {updated(s.target), read_only(s.source)},
                   [&](float(&x)[2]) { x[0] = p.keep * x[0] + p.take * x[1]; });
}

__global__ void total_norm(std::int64_t segments, const float* sums, float* norm) {
  float sum = 0.0F;
  for (std::int64_t s = threadIdx.x; s < segments; s += blockDim.x) sum += sums[3 * s + 1];
  sum = warp_sum(sum);
  if (threadIdx.x == 0) *norm = sqrtf(sum);
}

__global__ void scale_by_norm(float limit, const float* norm,
                              const __grid_constant__ Table<GradientSegment> table) {
  const float factor = limit / (*norm + 1e-6F);
  if (factor >= 1.0F) return;
  const int index = segment_of_this_block(table);
  for_each_element(table, index, {updated(table.segment[index].gradient)},
                   [&](float(&x)[1]) { x[0] *= factor; });
}

__global__ void clamp(float limit, const __grid_constant__ Table<GradientSegment> table) {
  const int index = segment_of_this_block(table);
  for_each_element(table, index, {updated(table.segment[index].gradient)}, [&](float(&x)[1]) {
    // A comparison with NaN is false, so NaN stays.
    x[0] = x[0] > limit ? limit : x[0] < -limit ? -limit : x[0];
  });
}

// One block per part of a segment, for every table of `segments`.
template <class Segment, class Kernel, class P>
void launch_over(const char* name, Kernel kernel, const P& p, std::span<const Segment> segments,
                 Stream stream) {
  for_each_table(segments, [&](const Table<Segment>& table) {
    if (blocks_of(table) > 0) launch(name, kernel, blocks_of(table), kBlock, 0, stream, p, table);
  });
}

}  // namespace

void multi_tensor_sums(const SumWeights& p, std::span<const SumSegment> segments, float* partials,
                       float* sums, Stream stream) {
  for_each_table(segments, [&](const Table<SumSegment>& table) {
    if (blocks_of(table) > 0) {
      launch("multi_tensor_sums", sum_blocks, blocks_of(table), kBlock, 0, stream, p, table, partials);
    }
    launch_warp_per_row("multi_tensor_sums", sum_segments, table.count, stream, table, partials, sums);
  });
}

void multi_tensor_sgd(const SgdStep& p, std::span<const SgdSegment> segments, Stream stream) {
  launch_over("multi_tensor_sgd", sgd, p, segments, stream);
}

void multi_tensor_adam(const AdamStep& p, std::span<const AdamSegment> segments, Stream stream) {
  launch_over("multi_tensor_adam", adam, p, segments, stream);
}

void multi_tensor_ema(const EmaStep& p, std::span<const PairSegment> segments, Stream stream) {
  launch_over("multi_tensor_ema", ema, p, segments, stream);
}

void multi_tensor_clip_norm(float limit, const float* sums, std::span<const GradientSegment> segments,
                            float* norm, Stream stream) {
  launch("multi_tensor_clip_norm", total_norm, 1, kWarp, 0, stream,
         static_cast<std::int64_t>(segments.size()), sums, norm);
  for_each_table(segments, [&](const Table<GradientSegment>& table) {
    if (blocks_of(table) == 0) return;
    launch("multi_tensor_clip_norm", scale_by_norm, blocks_of(table), kBlock, 0, stream, limit, norm, table);
  });
}

void multi_tensor_clip_value(float limit, std::span<const GradientSegment> segments, Stream stream) {
  launch_over("multi_tensor_clip_value", clamp, limit, segments, stream);
}

}  // namespace nagare::kernels::cuda
