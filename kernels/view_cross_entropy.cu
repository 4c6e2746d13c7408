#include "kernels/view_cross_entropy.h"

#include <cmath>

#include "kernels/row_exp.cuh"

namespace nagare::kernels::cuda {
namespace {

// A block takes kChunk columns of one image: it computes the targets' probabilities of those once, into shared memory, and
// its warps share out the views, kColumns columns at a time. A view's row is put together from the warps' partial sums by
// a second kernel, in order.
constexpr int kColumns = 512;
constexpr int kPieces = 4;
constexpr int kChunk = kColumns * kPieces;
constexpr int kWarps = kBlock / kWarp;

// Sums over part of a student's row.
struct Part {
  float max;
  float sum;   // of exp((s - max) / T)
  float mass;  // sum_k w
  float dot;   // sum_k w (s - max)
};

// `saved`, one number per row: students first, then targets.
template <class Float>
struct Saved {
  Float* max;
  Float* log_sum;
  Float* mass;
};
template <class Float>
Saved<Float> saved_of(const ViewCrossEntropy& p, Float* saved) {
  const std::int64_t rows = (p.views + p.targets) * p.batch;
  return {saved, saved + rows, saved + 2 * rows};
}

__host__ __device__ inline std::int64_t pieces_of(const ViewCrossEntropy& p) {
  return (p.cols + kColumns - 1) / kColumns;
}

// (max, log_sum) of a teacher's rows of t - c.
template <class T>
__global__ void teacher_rows(ViewCrossEntropy p, ViewTargets<T> targets, Saved<float> saved) {
  for_each_row_of_this_team<kBlock>(p.targets * p.batch, [=](std::int64_t r, int lane) {
    const float scale = 1.0F / p.target_temperature;
    MaxSum mine;
    for_each_run<kBlock>(targets.logits + r * p.cols, p.cols, lane, [&]<int N>(std::int64_t c, Run<N> t) {
      const Run<N> center = load_run<N>(targets.center + c);
      for (int i = 0; i < N; ++i) t.at[i] -= center.at[i];
      mine.add(t, scale);
    });
    const MaxSum row = team_merge<kBlock>(mine, scale);
    if (lane != 0) return;
    saved.max[p.views * p.batch + r] = row.max;
    saved.log_sum[p.views * p.batch + r] = logf(row.sum);
  });
}

// q (targets, kChunk): the targets' probabilities of image b, from column `begin` on.
template <class T, class Float>
__device__ void load_targets(const ViewCrossEntropy& p, const ViewTargets<T>& targets,
                             const Saved<Float>& saved, std::int64_t b, std::int64_t begin, std::int64_t end,
                             float* q) {
  const float scale = 1.0F / p.target_temperature;
  for (std::int64_t a = 0; a < p.targets; ++a) {
    const std::int64_t row = a * p.batch + b;
    for (std::int64_t c = begin + threadIdx.x; c < end; c += kBlock) {
      float value = 0.0F;
      if (targets.logits == nullptr) {
        value = targets.probabilities[row * p.cols + c];
      } else {
        const std::int64_t r = p.views * p.batch + row;
        const float t = load(targets.logits + row * p.cols + c) - targets.center[c];
        const float exponent = (t - saved.max[r]) * scale - saved.log_sum[r];
        value = exponent < -69.0F ? 0.0F : expf(exponent);  // as the CPU twin
      }
      q[a * kChunk + (c - begin)] = value;
    }
  }
  __syncthreads();
}

// w_v of a column, `at` columns into the chunk.
__device__ inline float weight_at(const ViewCrossEntropy& p, const float* q, std::int64_t v,
                                  std::int64_t at) {
  float sum = 0.0F;
  for (std::int64_t a = 0; a < p.targets; ++a) {
    if (a != v) sum += q[a * kChunk + at];
  }
  return sum;
}

// body(v, piece of the row, first column, end) for this warp's share of the chunk's views and pieces.
template <class Body>
__device__ void for_each_piece_of_this_warp(const ViewCrossEntropy& p, std::int64_t begin, std::int64_t end,
                                            const Body& body) {
  const std::int64_t first = begin / kColumns;
  const std::int64_t pieces = (end - begin + kColumns - 1) / kColumns;
  for (std::int64_t i = threadIdx.x / kWarp; i < p.views * pieces; i += kWarps) {
    const std::int64_t piece = first + i % pieces;
    const std::int64_t stop = (piece + 1) * kColumns;
    body(i / pieces, piece, piece * kColumns, stop < end ? stop : end);
  }
}

template <class T>
__global__ void student_parts(ViewCrossEntropy p, const T* s, ViewTargets<T> targets,
                              Saved<const float> saved, Part* parts) {
  NAGARE_DYNAMIC_SHARED(float, q);
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const float scale = 1.0F / p.temperature;
  const std::int64_t b = blockIdx.x;
  const std::int64_t begin = static_cast<std::int64_t>(blockIdx.y) * kChunk;
  const std::int64_t end = begin + kChunk < p.cols ? begin + kChunk : p.cols;
  load_targets(p, targets, saved, b, begin, end, q);
  for_each_piece_of_this_warp(p, begin, end,
                              [=](std::int64_t v, std::int64_t piece, std::int64_t from, std::int64_t to) {
                                const std::int64_t r = v * p.batch + b;
                                const T* row = s + r * p.cols;
                                // The piece stays in registers between its maximum and its sums.
                                float x[kColumns / kWarp];
                                float max = -FLT_MAX;  // not -inf, for which -inf - -inf would be NaN
#pragma unroll
                                for (int i = 0; i < kColumns / kWarp; ++i) {
                                  const std::int64_t c = from + i * kWarp + lane;
                                  x[i] = c < to ? load(row + c) : -INFINITY;
                                  max = fmaxf(max, x[i]);
                                }
                                max = warp_max(max);
                                float sum = 0.0F;
                                float mass = 0.0F;
                                float dot = 0.0F;
#pragma unroll
                                for (int i = 0; i < kColumns / kWarp; ++i) {
                                  const std::int64_t c = from + i * kWarp + lane;
                                  const float weight = c < to ? weight_at(p, q, v, c - begin) : 0.0F;
                                  sum += expf((x[i] - max) * scale);
                                  mass += weight;
                                  if (weight != 0.0F) dot += weight * (x[i] - max);
                                }
                                sum = warp_sum(sum);
                                mass = warp_sum(mass);
                                dot = warp_sum(dot);
                                if (lane == 0) parts[r * pieces_of(p) + piece] = {max, sum, mass, dot};
                              });
}

// A block per image: its warps take the views in turn.
__global__ void merge_parts(ViewCrossEntropy p, const Part* parts, Saved<float> saved, float* loss) {
  NAGARE_SHARED(float, totals, [kWarps]);
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const float scale = 1.0F / p.temperature;
  const std::int64_t b = blockIdx.x;
  const std::int64_t pieces = pieces_of(p);
  float total = 0.0F;
  for (std::int64_t v = warp; v < p.views; v += kWarps) {
    const std::int64_t r = v * p.batch + b;
    float max = -FLT_MAX;
    for (std::int64_t i = lane; i < pieces; i += kWarp) max = fmaxf(max, parts[r * pieces + i].max);
    max = warp_max(max);
    float sum = 0.0F;
    float mass = 0.0F;
    float dot = 0.0F;
    for (std::int64_t i = lane; i < pieces; i += kWarp) {
      const Part part = parts[r * pieces + i];
      sum += part.sum * expf((part.max - max) * scale);
      mass += part.mass;
      dot += part.mass > 0.0F ? part.dot + part.mass * (part.max - max) : part.dot;
    }
    sum = warp_sum(sum);
    mass = warp_sum(mass);
    dot = warp_sum(dot);
    const float log_sum = logf(sum);
    total += mass * log_sum - dot * scale;
    if (lane == 0) {
      saved.max[r] = max;
      saved.log_sum[r] = log_sum;
      saved.mass[r] = mass;
    }
  }
  if (lane == 0) totals[warp] = total;
  __syncthreads();
  if (threadIdx.x != 0) return;
  for (int w = 1; w < kWarps; ++w) total += totals[w];
  loss[b] = total / static_cast<float>(p.targets * (p.views - 1));
}

template <class T>
__global__ void student_gradients(ViewCrossEntropy p, const T* s, ViewTargets<T> targets,
                                  Saved<const float> saved, const float* dloss, T* ds) {
  NAGARE_DYNAMIC_SHARED(float, q);
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const float scale = 1.0F / p.temperature;
  const float factor =
      *dloss * scale / (static_cast<float>(p.targets * (p.views - 1)) * static_cast<float>(p.batch));
  const std::int64_t b = blockIdx.x;
  const std::int64_t begin = static_cast<std::int64_t>(blockIdx.y) * kChunk;
  const std::int64_t end = begin + kChunk < p.cols ? begin + kChunk : p.cols;
  load_targets(p, targets, saved, b, begin, end, q);
  for_each_piece_of_this_warp(
      p, begin, end, [=](std::int64_t v, std::int64_t, std::int64_t from, std::int64_t to) {
        const std::int64_t r = v * p.batch + b;
        const float max = saved.max[r];
        const float log_sum = saved.log_sum[r];
        const float mass = saved.mass[r];
#pragma unroll 4
        for (std::int64_t c = from + lane; c < to; c += kWarp) {
          const float probability = expf((load(s + r * p.cols + c) - max) * scale - log_sum);
          store(ds + r * p.cols + c, factor * (probability * mass - weight_at(p, q, v, c - begin)));
        }
      });
}

// A block owns 32 columns; its warps take the rows in turn and meet in shared memory.
template <class T>
__global__ void center_columns(CenterUpdate p, const T* t, float* center) {
  NAGARE_SHARED(float, part, [kWarps][kWarp]);
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const std::int64_t c = static_cast<std::int64_t>(blockIdx.x) * kWarp + lane;
  float sum = 0.0F;
#pragma unroll 4
  for (std::int64_t r = warp; c < p.cols && r < p.rows; r += kWarps) sum += load(t + r * p.cols + c);
  part[warp][lane] = sum;
  __syncthreads();
  if (warp != 0 || c >= p.cols) return;
  for (int w = 1; w < kWarps; ++w) sum += part[w][lane];
  center[c] = p.momentum * center[c] + (1.0F - p.momentum) / static_cast<float>(p.rows) * sum;
}

dim3 chunks_of(const ViewCrossEntropy& p) {
  return {static_cast<unsigned>(p.batch), static_cast<unsigned>((p.cols + kChunk - 1) / kChunk)};
}
std::size_t shared_bytes(const ViewCrossEntropy& p) {
  return static_cast<std::size_t>(p.targets) * kChunk * sizeof(float);
}

}  // namespace

template <class T>
void view_cross_entropy(const ViewCrossEntropy& p, const T* s, const ViewTargets<T>& targets, float* saved,
                        float* loss, float* workspace, Stream stream) {
  p.check();
  if (p.batch == 0) return;
  if (targets.logits != nullptr) {
    launch("view_teacher_rows", teacher_rows<T>, grid_of_teams(p.targets * p.batch, kBlock), kBlock, 0,
           stream, p, targets, saved_of(p, saved));
  }
  auto* parts = reinterpret_cast<Part*>(workspace);
  launch("view_student_parts", student_parts<T>, chunks_of(p), kBlock, shared_bytes(p), stream, p, s, targets,
         saved_of<const float>(p, saved), parts);
  launch("view_merge_parts", merge_parts, static_cast<unsigned>(p.batch), kBlock, 0, stream, p, parts,
         saved_of(p, saved), loss);
}

template <class T>
void view_cross_entropy_backward(const ViewCrossEntropy& p, const T* s, const ViewTargets<T>& targets,
                                 const float* saved, const float* dloss, T* ds, Stream stream) {
  p.check();
  if (p.batch == 0) return;
  launch("view_student_gradients", student_gradients<T>, chunks_of(p), kBlock, shared_bytes(p), stream, p, s,
         targets, saved_of(p, saved), dloss, ds);
}

template <class T>
void update_center(const CenterUpdate& p, const T* t, float* center, Stream stream) {
  p.check();
  launch("update_center", center_columns<T>, static_cast<unsigned>((p.cols + kWarp - 1) / kWarp), kBlock, 0,
         stream, p, t, center);
}

#define NAGARE_INSTANTIATE(T)                                                                                \
  template void view_cross_entropy(const ViewCrossEntropy&, const T*, const ViewTargets<T>&, float*, float*, \
                                   float*, Stream);                                                          \
  template void view_cross_entropy_backward(const ViewCrossEntropy&, const T*, const ViewTargets<T>&,        \
                                            const float*, const float*, T*, Stream);                         \
  template void update_center(const CenterUpdate&, const T*, float*, Stream);
NAGARE_INSTANTIATE(float)
NAGARE_INSTANTIATE(bf16)
#undef NAGARE_INSTANTIATE

}  // namespace nagare::kernels::cuda
