#include "kernels/coding_rate.h"

#include <cmath>
#include <stdexcept>
#include <string>

#include "kernels/warp.cuh"

namespace nagare::kernels::cuda {
namespace {

constexpr int kTile =
    64;  // rows and columns of a matrix product that a block computes, 4 x 4 of them a thread
constexpr int kDepth = 16;              // of the inner dimension at a time
constexpr int kSide = 16;               // threads of a block stand in a square
constexpr int kPanel = 16;              // rows of a factor that are eliminated together
constexpr int kPadded = kTile / 4 + 1;  // float4s of a shared row: transposed stores then meet two to a bank

__device__ int thread() { return static_cast<int>(threadIdx.x); }

// Four neighbouring elements, those from `count` on as 0.
__device__ float4 load_four(const float* p, int count) {
  if (count >= 4 && reinterpret_cast<std::uintptr_t>(p) % 16 == 0) return *reinterpret_cast<const float4*>(p);
  return {count > 0 ? p[0] : 0.0F, count > 1 ? p[1] : 0.0F, count > 2 ? p[2] : 0.0F, count > 3 ? p[3] : 0.0F};
}
__device__ float4 load_four(const bf16* p, int count) {
  if (count >= 4 && reinterpret_cast<std::uintptr_t>(p) % 8 == 0) {
    const auto pair = *reinterpret_cast<const uint2*>(p);
    return {__uint_as_float(pair.x << 16), __uint_as_float(pair.x & 0xffff0000U),
            __uint_as_float(pair.y << 16), __uint_as_float(pair.y & 0xffff0000U)};
  }
  return {count > 0 ? load(p) : 0.0F, count > 1 ? load(p + 1) : 0.0F, count > 2 ? load(p + 2) : 0.0F,
          count > 3 ? load(p + 3) : 0.0F};
}

__device__ void store_four(float* p, int count, const float4& v) {
  if (count >= 4 && reinterpret_cast<std::uintptr_t>(p) % 16 == 0) {
    *reinterpret_cast<float4*>(p) = v;
    return;
  }
  if (count > 0) p[0] = v.x;
  if (count > 1) p[1] = v.y;
  if (count > 2) p[2] = v.z;
  if (count > 3) p[3] = v.w;
}

using Stage = float4[kDepth][kPadded];

// An operand of a tile product: kDepth x kTile elements at a time, four of them a thread, from memory into shared rows
// of one inner index each. Beyond its end it is 0.

// Element (k, i) at data[i stride + k]: four threads read 64 bytes of a row, and turn them.
template <class T>
struct AlongRows {
  const T* data;
  std::int64_t stride;
  int extent;  // of i

  __device__ float4 fetch(int k, int end) const {
    const int i = thread() / 4;
    const int first = k + thread() % 4 * 4;
    return load_four(data + i * stride + first, i < extent ? end - first : 0);
  }
  __device__ void put(const float4& v, Stage& stage) const {
    auto* rows = reinterpret_cast<float*>(stage[thread() % 4 * 4]) + thread() / 4;
    rows[0] = v.x;
    rows[4 * kPadded] = v.y;
    rows[2 * 4 * kPadded] = v.z;
    rows[3 * 4 * kPadded] = v.w;
  }
};

// Element (k, i) at data[k stride + i]: sixteen threads read 256 bytes of a row.
template <class T>
struct AlongColumns {
  const T* data;
  std::int64_t stride;
  int extent;  // of i

  __device__ float4 fetch(int k, int end) const {
    const int row = k + thread() / kSide;
    const int i = thread() % kSide * 4;
    return load_four(data + row * stride + i, row < end ? extent - i : 0);
  }
  __device__ void put(const float4& v, Stage& stage) const { stage[thread() / kSide][thread() % kSide] = v; }
};

// T of a factor: its strict lower triangle is stored, the diagonal is 1 / U's, zeros are above.
struct Triangle {
  AlongColumns<float> stored;
  int first;  // column of the factor that is i = 0

  __device__ float4 fetch(int k, int end) const {
    float4 v = stored.fetch(k, end);
    const int row = k + thread() / kSide;
    if (row >= end) return v;
    float* lanes[] = {&v.x, &v.y, &v.z, &v.w};
    for (int l = 0; l < 4; ++l) {
      const int col = first + thread() % kSide * 4 + l;
      if (col == row) *lanes[l] = 1.0F / *lanes[l];
      if (col > row) *lanes[l] = 0.0F;
    }
    return v;
  }
  __device__ void put(const float4& v, Stage& stage) const { stored.put(v, stage); }
};

__device__ void add_outer(const float4& a, const float4& b, float4 (&sums)[4]) {
  const float left[] = {a.x, a.y, a.z, a.w};
#pragma unroll
  for (int r = 0; r < 4; ++r) {
    sums[r].x = fmaf(left[r], b.x, sums[r].x);
    sums[r].y = fmaf(left[r], b.y, sums[r].y);
    sums[r].z = fmaf(left[r], b.z, sums[r].z);
    sums[r].w = fmaf(left[r], b.w, sums[r].w);
  }
}

// sums[r][c] = sum over k in [begin, end) of a(k, row + r) b(k, col + c), for this thread's row and col of the tile.
// The next stage travels from memory to registers while this one is multiplied.
template <class A, class B>
__device__ void multiply(const A& a, const B& b, int begin, int end, float4 (&sums)[4]) {
  NAGARE_SHARED(float4, left, [kDepth][kPadded]);
  NAGARE_SHARED(float4, right, [kDepth][kPadded]);
  for (float4& sum : sums) sum = {0.0F, 0.0F, 0.0F, 0.0F};
  float4 next_left = a.fetch(begin, end);
  float4 next_right = b.fetch(begin, end);
  for (int k = begin; k < end; k += kDepth) {
    a.put(next_left, left);
    b.put(next_right, right);
    __syncthreads();
    if (k + kDepth < end) {
      next_left = a.fetch(k + kDepth, end);
      next_right = b.fetch(k + kDepth, end);
    }
#pragma unroll
    for (int d = 0; d < kDepth; ++d) {
      add_outer(left[d][thread() / kSide], right[d][thread() % kSide], sums);
    }
    __syncthreads();  // all have read this stage
  }
}

// What every kernel needs of the problem, in the types of the device.
struct Shape {
  explicit Shape(const CodingRate& p)
      : order(static_cast<int>(p.order())),
        stride(static_cast<int>(p.stride())),
        samples(p.samples),
        dim(p.dim),
        inner(static_cast<int>(p.inner())),
        tiles((order + kTile - 1) / kTile),
        alpha(p.alpha) {}

  __device__ std::int64_t factor_at(std::int64_t matrix) const { return matrix * stride * stride; }
  __device__ std::int64_t features_at(std::int64_t matrix) const { return matrix * samples * dim; }

  int order;
  int stride;
  std::int64_t samples;
  std::int64_t dim;
  int inner;
  int tiles;
  float alpha;
};

// One part of the sums of one tile, on or above the diagonal, of one Gram matrix. Grid: tile, then part, then matrix.
template <class T, template <class> class Operand>
__global__ void gram_tiles(Shape s, int parts, std::int64_t batch, const T* z, float* sums_of_parts) {
  const int pairs = s.tiles * (s.tiles + 1) / 2;
  int col = static_cast<int>(blockIdx.x) % pairs;
  const int part = static_cast<int>(blockIdx.x) / pairs % parts;
  const std::int64_t matrix = blockIdx.x / static_cast<unsigned>(pairs * parts);
  int row = 0;
  for (; col >= s.tiles - row; ++row) col -= s.tiles - row;  // tiles of row `row` from the diagonal on
  const int first_row = row * kTile;
  const int first_col = (row + col) * kTile;

  const bool by_sample = s.samples <= s.dim;
  const std::int64_t step = by_sample ? s.dim : 1;
  const T* in = z + s.features_at(matrix);
  const Operand<T> a{in + first_row * step, s.dim, s.order - first_row};
  const Operand<T> b{in + first_col * step, s.dim, s.order - first_col};
  const int depth = (s.inner + parts * kDepth - 1) / (parts * kDepth) * kDepth;
  float4 sums[4];
  multiply(a, b, part * depth, min((part + 1) * depth, s.inner), sums);

  float* out = sums_of_parts + s.factor_at(part * batch + matrix);
  const int c = first_col + thread() % kSide * 4;
  for (int i = 0; i < 4; ++i) {
    const int r = first_row + thread() / kSide * 4 + i;
    if (r < s.order) store_four(out + r * s.stride + c, s.stride - c, sums[i]);
  }
}

// A factor in the making, in shared memory. The leading dimension is odd: neither rows nor columns meet in one bank.
struct Work {
  float* m;
  int order;
  int leading;

  __device__ float& at(int r, int c) const { return m[r * leading + c]; }
};

using Corner = float4[kPanel][kPanel / 4];  // T of a diagonal block, row by row

// The upper triangle of I + alpha Gram, the parts added in their order.
__device__ void assemble(const Shape& s, const Work& w, int parts, std::int64_t between, const float* sums) {
  for (int r = thread() / kWarp; r < w.order; r += static_cast<int>(blockDim.x) / kWarp) {
    for (int c = r + thread() % kWarp; c < w.order; c += kWarp) {
      float gram = 0.0F;
      for (int part = 0; part < parts; ++part) gram += sums[part * between + r * s.stride + c];
      w.at(r, c) = s.alpha * gram + (r == c ? 1.0F : 0.0F);
    }
  }
}

// One warp eliminates a diagonal block beside an identity: a lane holds a column of U (lanes 0-15) or of T (16-31).
// A block at the end is bordered by the identity. Returns 0, or 1 + the first row with a bad pivot, in all lanes.
__device__ int eliminate_corner(const Work& w, int p, int width, Corner& t) {
  const int lane = thread() % kWarp;
  const int col = lane % kPanel;
  const bool upper = lane < kPanel;
  float column[kPanel];
#pragma unroll
  for (int k = 0; k < kPanel; ++k) {
    column[k] = upper && k <= col && col < width ? w.at(p + k, p + col) : k == col ? 1.0F : 0.0F;
  }
  int bad = 0;
#pragma unroll
  for (int k = 0; k < kPanel; ++k) {
    const float pivot = __shfl_sync(kAllLanes, column[k], k);
    if (bad == 0 && !(pivot > 0.0F && pivot < INFINITY)) bad = p + k + 1;
    column[k] *= 1.0F / sqrtf(pivot);
#pragma unroll
    for (int i = k + 1; i < kPanel; ++i) {
      column[i] = fmaf(-__shfl_sync(kAllLanes, column[k], i), column[k], column[i]);
    }
  }
  float* rows = reinterpret_cast<float*>(t[0]);
#pragma unroll
  for (int k = 0; k < kPanel; ++k) {
    if (!upper) rows[k * kPanel + col] = column[k];
    if (k < width && col < width && (upper ? k <= col : k > col)) w.at(p + k, p + col) = column[k];
  }
  return bad;
}

// The other columns of the panel become T times themselves, a thread per column.
__device__ void multiply_panel(const Work& w, int p, int width, const Corner& t) {
  for (int q = thread(); q < w.order - width; q += static_cast<int>(blockDim.x)) {
    const int col = q < p ? q : q + width;
    float before[kPanel];
#pragma unroll
    for (int k = 0; k < kPanel; ++k) before[k] = k < width ? w.at(p + k, col) : 0.0F;
#pragma unroll
    for (int i = 0; i < kPanel; ++i) {
      float sum = 0.0F;
#pragma unroll
      for (int k = 0; k <= i; k += 4) {
        const float4 times = t[i][k / 4];  // 0 above the diagonal
        sum = fmaf(times.x, before[k], sum);
        sum = fmaf(times.y, before[k + 1], sum);
        sum = fmaf(times.z, before[k + 2], sum);
        sum = fmaf(times.w, before[k + 3], sum);
      }
      if (i < width) w.at(p + i, col) = sum;
    }
  }
}

// A tile of kTile x kTile of what the panel's rows are subtracted from: rows below it, in the columns of T (left of the
// panel's end) and of U (from the row's own column on). A thread takes every sixteenth row and column.
__device__ void update_tile(const Work& w, int p, int row, int col, const Corner& t) {
  const int end = p + kPanel;
  const float* left[4];
  const float* right[4];
  int step[4];
#pragma unroll
  for (int q = 0; q < 4; ++q) {
    const int r = min(row + thread() / kSide + q * kSide, w.order - 1);
    const int c = min(col + thread() % kSide + q * kSide, w.order - 1);
    const bool beside =
        c >= p && c < end;  // the panel's own columns: the source is T, the target still empty
    left[q] = &w.at(p, r);
    right[q] = beside ? reinterpret_cast<const float*>(t[0]) + (c - p) : &w.at(p, c);
    step[q] = beside ? kPanel : w.leading;
  }
  float sums[4][4] = {};
#pragma unroll 4
  for (int k = 0; k < kPanel; ++k) {
    float b[4];
#pragma unroll
    for (int j = 0; j < 4; ++j) b[j] = right[j][k * step[j]];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float a = left[i][k * w.leading];
#pragma unroll
      for (int j = 0; j < 4; ++j) sums[i][j] = fmaf(a, b[j], sums[i][j]);
    }
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int r = row + thread() / kSide + i * kSide;
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const int c = col + thread() % kSide + j * kSide;
      if (r >= w.order || c >= w.order || (c >= end && c < r)) continue;
      w.at(r, c) = (c >= p && c < end ? 0.0F : w.at(r, c)) - sums[i][j];
    }
  }
}

// Rate and smallest diagonal entry, by the first warp.
__device__ void summarise(const Work& w, int bad, float& rate, float& least, std::int32_t& status) {
  double sum = 0.0;
  float smallest = INFINITY;
  for (int k = thread(); k < w.order && bad == 0; k += kWarp) {
    sum += log(static_cast<double>(w.at(k, k)));
    smallest = fminf(smallest, w.at(k, k));
  }
  for (int step = kWarp / 2; step > 0; step /= 2) {
    sum += __shfl_xor_sync(kAllLanes, sum, step);
    smallest = fminf(smallest, shuffle_xor(smallest, step));
  }
  if (thread() > 0) return;
  rate = bad == 0 ? static_cast<float>(sum) : NAN;
  least = bad == 0 ? smallest : NAN;
  status = bad;
}

// One block per matrix: right-looking elimination of [I + alpha Gram | I], U and T in one square of shared memory.
__global__ void factorise(Shape s, int parts, std::int64_t batch, const float* sums_of_parts, float* factor,
                          CodingRateResult result) {
  NAGARE_DYNAMIC_SHARED(float, shared);
  NAGARE_SHARED(float4, corner, [kPanel][kPanel / 4]);
  NAGARE_SHARED(int, failed, [1]);
  const std::int64_t matrix = blockIdx.x;
  const Work w{shared, s.order, s.order | 1};
  assemble(s, w, parts, s.factor_at(batch), sums_of_parts + s.factor_at(matrix));
  int bad = 0;
  for (int p = 0; p < w.order && bad == 0; p += kPanel) {
    const int width = min(kPanel, w.order - p);
    __syncthreads();
    if (thread() < kWarp) {
      const int found = eliminate_corner(w, p, width, corner);
      if (thread() == 0) failed[0] = found;
    }
    __syncthreads();
    bad = failed[0];
    multiply_panel(w, p, width, corner);
    __syncthreads();
    for (int row = p + kPanel; row < w.order; row += kTile) {
      for (int col = 0; col < w.order; col += kTile) {
        if (col < p + kPanel || col + kTile > row) update_tile(w, p, row, col, corner);
      }
    }
  }
  __syncthreads();
  if (thread() < kWarp) summarise(w, bad, result.rate[matrix], result.least[matrix], result.status[matrix]);
  if (bad != 0) return;
  for (int r = thread() / kWarp; r < w.order; r += static_cast<int>(blockDim.x) / kWarp) {
    float* out = factor + s.factor_at(matrix) + r * s.stride;
    for (int c = thread() % kWarp; c < w.order; c += kWarp) out[c] = w.at(r, c);
  }
}

// A tile of drate_i alpha (I + alpha Gram)^-1 = drate_i alpha T^T T. Grid: column, row, matrix.
__global__ void weight_tiles(Shape s, const float* factor, const std::int32_t* status, const float* drate,
                             float* weight) {
  const int first_col = static_cast<int>(blockIdx.x) % s.tiles * kTile;
  const int first_row = static_cast<int>(blockIdx.x) / s.tiles % s.tiles * kTile;
  const std::int64_t matrix = blockIdx.x / static_cast<unsigned>(s.tiles * s.tiles);
  const float* in = factor + s.factor_at(matrix);
  const Triangle a{{in + first_row, s.stride, s.order - first_row}, first_row};
  const Triangle b{{in + first_col, s.stride, s.order - first_col}, first_col};
  float4 sums[4];
  multiply(a, b, max(first_row, first_col), s.order, sums);  // T is 0 above its diagonal

  const float times = status[matrix] == 0 ? s.alpha * drate[matrix] : NAN;
  float* out = weight + s.factor_at(matrix);
  const int c = first_col + thread() % kSide * 4;
  for (int i = 0; i < 4; ++i) {
    const int r = first_row + thread() / kSide * 4 + i;
    const float4 row{times * sums[i].x, times * sums[i].y, times * sums[i].z, times * sums[i].w};
    if (r < s.order) store_four(out + r * s.stride + c, s.stride - c, row);
  }
}

// A tile of weight z or z weight; the weight is symmetric, so its columns are read as rows. Grid: column, row, matrix.
template <class T, bool kBySample>
__global__ void gradient_tiles(Shape s, const T* z, const float* weight, float* dz) {
  const std::int64_t columns = (s.dim + kTile - 1) / kTile;
  const std::int64_t rows = (s.samples + kTile - 1) / kTile;
  const std::int64_t col = blockIdx.x % columns * kTile;
  const std::int64_t row = blockIdx.x / columns % rows * kTile;
  const std::int64_t matrix = blockIdx.x / (columns * rows);
  const T* in = z + s.features_at(matrix);
  const float* w = weight + s.factor_at(matrix);
  const int rows_left = static_cast<int>(s.samples - row);
  const int cols_left = static_cast<int>(s.dim - col);
  float4 sums[4];
  if constexpr (kBySample) {
    multiply(AlongColumns<float>{w + row, s.stride, rows_left}, AlongColumns<T>{in + col, s.dim, cols_left},
             0, s.order, sums);
  } else {
    multiply(AlongRows<T>{in + row * s.dim, s.dim, rows_left},
             AlongColumns<float>{w + col, s.stride, cols_left}, 0, s.order, sums);
  }
  const int c = thread() % kSide * 4;
  for (int i = 0; i < 4; ++i) {
    const int r = thread() / kSide * 4 + i;
    if (r < rows_left)
      store_four(dz + s.features_at(matrix) + (row + r) * s.dim + col + c, cols_left - c, sums[i]);
  }
}

// Also says whether there is anything to do.
bool checked(const CodingRate& p) {
  p.check();
  if (p.order() > CodingRate::kLargestSharedOrder) {
    throw std::invalid_argument("coding_rate: order " + std::to_string(p.order()) +
                                " on CUDA: a factor in shared memory needs an order <= " +
                                std::to_string(CodingRate::kLargestSharedOrder));
  }
  return p.batch > 0;
}

}  // namespace

template <class T>
void coding_rate(const CodingRate& p, const T* z, float* factor, const CodingRateResult& result,
                 float* scratch, Stream stream) {
  if (!checked(p)) return;
  const Shape s(p);
  const auto parts = static_cast<int>(p.gram_parts());
  const auto blocks = static_cast<unsigned>(p.batch * parts * (s.tiles * (s.tiles + 1) / 2));
  if (p.by_sample()) {
    launch("coding_rate_gram", gram_tiles<T, AlongRows>, blocks, kBlock, 0, stream, s, parts, p.batch, z,
           scratch);
  } else {
    launch("coding_rate_gram", gram_tiles<T, AlongColumns>, blocks, kBlock, 0, stream, s, parts, p.batch, z,
           scratch);
  }
  const auto shared_bytes = static_cast<std::size_t>(s.order * (s.order | 1)) * sizeof(float);
  launch("coding_rate_factorise", factorise, static_cast<unsigned>(p.batch), kBlock, shared_bytes, stream, s,
         parts, p.batch, scratch, factor, result);
}

template <class T>
void coding_rate_backward(const CodingRate& p, const T* z, const float* factor, const std::int32_t* status,
                          const float* drate, float* dz, float* scratch, Stream stream) {
  if (!checked(p)) return;
  const Shape s(p);
  launch("coding_rate_weight", weight_tiles, static_cast<unsigned>(p.batch * s.tiles * s.tiles), kBlock, 0,
         stream, s, factor, status, drate, scratch);
  const std::int64_t tiles = ((p.samples + kTile - 1) / kTile) * ((p.dim + kTile - 1) / kTile);
  const auto blocks = static_cast<unsigned>(p.batch * tiles);
  launch("coding_rate_gradient", p.by_sample() ? gradient_tiles<T, true> : gradient_tiles<T, false>, blocks,
         kBlock, 0, stream, s, z, scratch, dz);
}

#define NAGARE_INSTANTIATE(T)                                                                              \
  template void coding_rate(const CodingRate&, const T*, float*, const CodingRateResult&, float*, Stream); \
  template void coding_rate_backward(const CodingRate&, const T*, const float*, const std::int32_t*,       \
                                     const float*, float*, float*, Stream);
NAGARE_INSTANTIATE(float)
NAGARE_INSTANTIATE(bf16)
#undef NAGARE_INSTANTIATE

}  // namespace nagare::kernels::cuda
