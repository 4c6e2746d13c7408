#include "kernels/contrastive.h"

#include "kernels/contrastive_rows.h"
#include "kernels/contrastive_tile.cuh"
#include "kernels/warp.cuh"

namespace nagare::kernels::cuda {
namespace {

// A block's tile of owners against its part of the columns. Every thread keeps sums of its own for its eight owners; they
// meet once, at the end.
template <class T>
__global__ void __launch_bounds__(kTileThreads)
    sum_parts(Contrastive p, ContrastiveSplit split, ContrastiveInputs<T> in, float* scratch) {
  NAGARE_SHARED(float, panels, [2 * kPanelFloats]);
  NAGARE_SHARED(std::int64_t, row_id, [kTileSide]);
  NAGARE_SHARED(std::int64_t, column_id, [kTileSide]);
  const std::int64_t part = blockIdx.x % split.count;
  const TileRows<T> rows{in.q, p.rows, blockIdx.x / split.count * kTileSide};
  const std::int64_t end = min((part + 1) * split.length, p.columns);
  const Identities row_identity{in.row_labels, p.row_period};
  const Identities column_identity{in.column_labels, p.column_period};
  load_identities(row_identity, p.rows, rows.begin, row_id);
  RowSums sums[kOwnRows] = {RowSums(p), RowSums(p), RowSums(p), RowSums(p),
                            RowSums(p), RowSums(p), RowSums(p), RowSums(p)};
  const float scale = 1.0F / p.temperature;
  for (std::int64_t begin = part * split.length; begin < end; begin += kTileSide) {
    float s[kOwnRows][kOwnColumns];
    products(p.dim, rows, {in.k, end, begin}, panels, s);
    load_identities(column_identity, p.columns, begin, column_id);  // after the products' barriers
    __syncthreads();
#pragma unroll
    for (int i = 0; i < kOwnRows; ++i) {
      const std::int64_t row = rows.begin + own_row(i);
      float logit[kOwnColumns];
      float largest = sums[i].max;
#pragma unroll
      for (int j = 0; j < kOwnColumns; ++j) {
        const std::int64_t column = begin + own_column(j);
        const bool taken = column < end && !(p.self && column == row);
        logit[j] = s[i][j] * scale;
        const bool same = !p.own && row_id[own_row(i)] == column_id[own_column(j)];
        if (taken && same) sums[i].add_positive(p, logit[j]);
        if (!taken || (same && p.positives != ContrastivePositives::averaged)) logit[j] = -INFINITY;
        largest = fmaxf(largest, logit[j]);
      }
      const float shift = shift_of(largest);
      float sum = sums[i].sum * expf(sums[i].max - shift);
#pragma unroll
      for (int j = 0; j < kOwnColumns; ++j) sum += expf(logit[j] - shift);
      sums[i].max = largest;
      sums[i].sum = sum;
    }
  }
  const PartialRows to(p, scratch, part);
#pragma unroll
  for (int i = 0; i < kOwnRows; ++i) {
    for (int step = kThreadsPerRow / 2; step > 0; step /= 2) {
      const RowSums other(shuffle_xor(sums[i].max, step), shuffle_xor(sums[i].sum, step),
                          shuffle_xor(sums[i].positive_max, step), shuffle_xor(sums[i].positive_sum, step));
      sums[i].merge(p, other);
    }
    const std::int64_t row = rows.begin + own_row(i);
    if (own_column(0) == 0 && row < p.rows) to.store(row, sums[i]);
  }
}

template <class T>
__device__ float own_logit(const Contrastive& p, const ContrastiveInputs<T>& in, std::int64_t row, int lane) {
  float sum = 0.0F;
  for (std::int64_t c = lane; c < p.dim; c += kWarp)
    sum += load(in.q + row * p.dim + c) * load(in.own + row * p.dim + c);
  return warp_sum(sum) / p.temperature;
}

template <class T>
__global__ void finish_rows(Contrastive p, ContrastiveInputs<T> in, std::int64_t parts, float* scratch,
                            float* stats, float* loss) {
  for_each_row_of_this_warp(p.rows, [=](std::int64_t i, int lane) {
    const float own = p.own ? own_logit(p, in, i, lane) : 0.0F;
    if (lane != 0) return;
    RowSums row(p);
    for (std::int64_t part = 0; part < parts; ++part) row.merge(p, PartialRows(p, scratch, part).load(i));
    if (p.own) row.merge(p, {own, 1.0F, own, 1.0F});
    loss[i] = finish_row(p, row, i, RowStats<float>(p, stats));
  });
}

// One side of a tile in the backward: whose rows they are, and what makes gradients of their logits (a query's alone).
template <class T>
struct Side {
  const T* x;
  std::int64_t rows;
  Identities identity;
  bool queries;
};

// What a block knows of the rows on one side of its tile.
struct SideTile {
  float max[kTileSide];
  float log_sum[kTileSide];
  float positive_max[kTileSide];
  float positive_share[kTileSide];
  float coefficient[kTileSide];
  std::int64_t id[kTileSide];
};

template <class T>
__device__ void load_side(const Contrastive& p, const Side<T>& side, const RowStats<const float>& stats,
                          const float* dloss, std::int64_t begin, SideTile& to) {
  load_identities(side.identity, side.rows, begin, to.id);
  if (!side.queries || threadIdx.x >= kTileSide) return;
  const int t = static_cast<int>(threadIdx.x);
  const std::int64_t row = begin + t;
  const bool there = row < side.rows;
  to.max[t] = there ? stats.max[row] : 0.0F;
  to.log_sum[t] = there ? stats.log_sum[row] : 0.0F;
  to.positive_max[t] = there ? stats.positive_max[row] : 0.0F;
  to.positive_share[t] = there ? stats.positive_share[row] : 0.0F;
  to.coefficient[t] = there ? dloss[row] / p.temperature : 0.0F;
}

// The gradient of a logit of query `at`.
__device__ float logit_gradient(ContrastivePositives positives, const SideTile& query, int at, float s,
                                bool same) {
  if (same && positives == ContrastivePositives::excluded)
    return -query.coefficient[at] * query.positive_share[at];
  float p = expf((s - query.max[at]) - query.log_sum[at]);
  if (same) {
    p -= positives == ContrastivePositives::averaged
             ? query.positive_share[at]
             : expf((s - query.positive_max[at]) - query.positive_share[at]);
  }
  return query.coefficient[at] * p;
}

struct BackwardTile {
  SideTile owners;
  SideTile streamed;
  float w[kTileSide * kPanelStride];  // w[streamed row][owner]: the gradients of the tile's logits
  float y[kTileSide *
          kChunkStride];  // streamed rows, a chunk of their columns; before that the panels of the products
};

// out[owner] = sum over the streamed rows of one part. whole: rows fit into one chunk, so the sums stay in registers; else
// they are added to `out` tile by tile (no other block touches its rows).
template <class T, bool whole>
__global__ void __launch_bounds__(kTileThreads, whole ? 3 : 2)
    sum_gradients(Contrastive p, ContrastiveSplit split, Side<T> owner, Side<T> stream,
                  const float* stats_data, const float* dloss, float* out) {
  NAGARE_DYNAMIC_SHARED(BackwardTile, shared);
  const RowStats<const float> stats(p, stats_data);
  const std::int64_t part = blockIdx.x % split.count;
  const TileRows<T> owners{owner.x, owner.rows, blockIdx.x / split.count * kTileSide};
  const std::int64_t first = part * split.length;
  const std::int64_t end = min(first + split.length, stream.rows);
  out += part * owner.rows * p.dim;
  load_side(p, owner, stats, dloss, owners.begin, shared->owners);
  const float scale = 1.0F / p.temperature;
  float sums[kOwnRows][kOwnDims] = {};
  for (std::int64_t begin = first; begin < end; begin += kTileSide) {
    load_side(p, stream, stats, dloss, begin, shared->streamed);
    {
      float s[kOwnRows][kOwnColumns];
      products(p.dim, owners, {stream.x, end, begin}, shared->y, s);
#pragma unroll
      for (int j = 0; j < kOwnColumns; ++j) {
        const int column = own_column(j);
#pragma unroll
        for (int i = 0; i < kOwnRows; ++i) {
          const int row = own_row(i);
          const bool taken = begin + column < end && !(p.self && owners.begin + row == begin + column);
          const bool same = !p.own && shared->owners.id[row] == shared->streamed.id[column];
          const float logit = s[i][j] * scale;
          float w = 0.0F;
          if (taken && owner.queries) w += logit_gradient(p.positives, shared->owners, row, logit, same);
          if (taken && stream.queries)
            w += logit_gradient(p.positives, shared->streamed, column, logit, same);
          shared->w[column * kPanelStride + row] = w;
        }
      }
    }
    for (std::int64_t chunk = 0; chunk < p.dim; chunk += kChunk) {
      __syncthreads();  // w is complete, and y is free
      load_chunk<T>(p.dim, {stream.x, end, begin}, chunk, shared->y);
      __syncthreads();
      if (!whole) {
#pragma unroll
        for (int i = 0; i < kOwnRows; ++i) {
#pragma unroll
          for (int c = 0; c < kOwnDims; ++c) sums[i][c] = 0.0F;
        }
      }
      add_weighted(shared->w, shared->y, sums);
      if (!whole) write_sums(p.dim, owners, chunk, begin != first, sums, out);
    }
    __syncthreads();  // before the next tile's sides, weights and panels
  }
  if (whole) write_sums(p.dim, owners, 0, false, sums, out);
}

// dq = the parts' sum, and what the own column adds.
template <class T>
__global__ void finish_queries(Contrastive p, ContrastiveInputs<T> in, std::int64_t parts,
                               const float* partial, const float* stats_data, const float* dloss, float* dq) {
  for_each_row_of_this_warp(p.rows, [=](std::int64_t i, int lane) {
    const RowStats<const float> stats(p, stats_data);
    float weight = 0.0F;
    if (p.own) {
      const float in_all = expf((own_logit(p, in, i, lane) - stats.max[i]) - stats.log_sum[i]);
      weight = dloss[i] / p.temperature * (in_all - stats.positive_share[i]);
    }
    for (std::int64_t c = i * p.dim + lane; c < (i + 1) * p.dim; c += kWarp) {
      float sum = parts == 0 ? dq[c] : 0.0F;
      for (std::int64_t part = 0; part < parts; ++part) sum += partial[part * p.rows * p.dim + c];
      dq[c] = p.own ? sum + weight * load(in.own + c) : sum;
    }
  });
}

__global__ void finish_keys(std::int64_t n, std::int64_t parts, const float* partial, float* dk) {
  for_each_index_of_this_thread(n, [=](std::int64_t c) {
    float sum = 0.0F;
    for (std::int64_t part = 0; part < parts; ++part) sum += partial[part * n + c];
    dk[c] = sum;
  });
}

template <class T>
void launch_gradients(const Contrastive& p, const ContrastiveSplit& split, const Side<T>& owner,
                      const Side<T>& stream, const float* stats, const float* dloss, float* out, Stream s) {
  launch("contrastive_gradients", p.dim <= kChunk ? sum_gradients<T, true> : sum_gradients<T, false>,
         static_cast<unsigned>(split.tiles * split.count), kTileThreads, sizeof(BackwardTile), s, p, split,
         owner, stream, stats, dloss, out);
}

}  // namespace

template <class T>
void contrastive(const Contrastive& p, const ContrastiveInputs<T>& in, float* scratch, float* stats,
                 float* loss, Stream stream) {
  p.check();
  if (p.rows == 0) return;
  const ContrastiveSplit split(ContrastiveSplit::kCuda, p.rows, p.columns);
  launch("contrastive_sums", sum_parts<T>, static_cast<unsigned>(split.tiles * split.count), kTileThreads, 0,
         stream, p, split, in, scratch);
  launch_warp_per_row("contrastive_rows", finish_rows<T>, p.rows, stream, p, in, split.count, scratch, stats,
                      loss);
}

template <class T>
void contrastive_backward(const Contrastive& p, const ContrastiveInputs<T>& in, const float* stats,
                          const float* dloss, float* scratch, float* dq, float* dk, Stream stream) {
  p.check();
  const Side<T> queries{in.q, p.rows, {in.row_labels, p.row_period}, true};
  const Side<T> keys{in.k, p.columns, {in.column_labels, p.column_period}, p.self};
  if (dq != nullptr && p.rows > 0) {
    const ContrastiveSplit split(ContrastiveSplit::kCuda, p.rows, p.columns);
    const bool parts = split.count > 1;
    launch_gradients(p, split, queries, keys, stats, dloss, parts ? scratch : dq, stream);
    if (parts || p.own) {
      launch_warp_per_row("contrastive_queries", finish_queries<T>, p.rows, stream, p, in,
                          parts ? split.count : std::int64_t{0}, scratch, stats, dloss, dq);
    }
  }
  if (dk != nullptr) {
    const std::int64_t n = p.columns * p.dim;
    const ContrastiveSplit split(ContrastiveSplit::kCuda, p.columns, p.rows);
    const bool parts = split.count != 1;  // no rows: no parts, and zeros
    if (p.rows > 0) launch_gradients(p, split, keys, queries, stats, dloss, parts ? scratch : dk, stream);
    if (parts)
      launch("contrastive_keys", finish_keys, grid_for(n), kBlock, 0, stream, n, split.count, scratch, dk);
  }
}

#define NAGARE_INSTANTIATE(T)                                                                        \
  template void contrastive(const Contrastive&, const ContrastiveInputs<T>&, float*, float*, float*, \
                            Stream);                                                                 \
  template void contrastive_backward(const Contrastive&, const ContrastiveInputs<T>&, const float*,  \
                                     const float*, float*, float*, float*, Stream);
NAGARE_INSTANTIATE(float)
NAGARE_INSTANTIATE(bf16)
#undef NAGARE_INSTANTIATE

}  // namespace nagare::kernels::cuda
