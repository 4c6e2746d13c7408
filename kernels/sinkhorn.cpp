#include "kernels/sinkhorn.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "kernels/parallel.h"
#include "kernels/sinkhorn_rows.h"

namespace nagare::kernels {
namespace {

// Rows are dealt out in shares: enough of them for 64 threads, but none so small that waking a thread costs more than the
// share does. The CUDA twin has its own, at most kMaxCudaShares.
constexpr std::int64_t kMaxShares = 64;
constexpr std::int64_t kMinShareRows = 16;
constexpr std::int64_t kMinShareEntries = 32768;
constexpr std::int64_t kMaxCudaShares = 256;
constexpr std::int64_t kCudaShareRows = 8;
constexpr std::int64_t kMostEntries = std::int64_t{1} << 53;

std::int64_t share_rows(const Sinkhorn& p) {
  return std::max({kMinShareRows, kMinShareEntries / p.cols, (p.samples() + kMaxShares - 1) / kMaxShares});
}
std::int64_t padded(std::int64_t cols) { return (cols + 15) / 16 * 16; }
std::int64_t shares(const Sinkhorn& p) { return (p.samples() + share_rows(p) - 1) / share_rows(p); }

}  // namespace

void Sinkhorn::check() const {
  // The workspace, at most six times the scores and three rows for every share, must have a size.
  const bool sized = rows >= 0 && queue_rows >= 0 && cols >= 1 && rows <= kMostEntries &&
                     queue_rows <= kMostEntries && cols <= kMostEntries / kMaxCudaShares &&
                     samples() <= kMostEntries / cols;
  if (!sized || iterations < 1 || !(epsilon > 0.0F && std::isfinite(epsilon))) {
    throw std::invalid_argument("sinkhorn: scores (" + std::to_string(rows) + " + " +
                                std::to_string(queue_rows) + " of the queue, " + std::to_string(cols) +
                                "), epsilon " + std::to_string(epsilon) + ", " + std::to_string(iterations) +
                                " iterations: need rows >= 0, cols >= 1, at most 2^53 scores, iterations >= "
                                "1, epsilon positive and finite");
  }
}

// CPU: g in double, exponentials of the queue, a row of numbers per share (two in the log domain), a maximum per share, v.
// CUDA: g in double, two rows of numbers per share.
std::int64_t Sinkhorn::workspace_floats() const {
  const std::int64_t cpu =
      2 * padded(cols) + queue_rows * cols + 2 * shares(*this) * cols + shares(*this) + cols;
  const std::int64_t cuda_shares =
      std::min(kMaxCudaShares, (samples() + kCudaShareRows - 1) / kCudaShareRows);
  return std::max(cpu, (2 * cuda_shares + 2) * cols);
}

namespace cpu {
namespace {

constexpr float kLeastMass = 1e-30F;  // e^-69: a prototype's sum of u E never counts as less

// ---- linear domain: q holds E of the batch, the workspace that of the queue ----

NAGARE_SIMD void scale_row(float* x, std::int64_t n, float factor) {
  for (std::int64_t i = 0; i < n; ++i) x[i] *= factor;
}

#define NAGARE_DEFINE_ROWS(T)                                                                        \
  NAGARE_SIMD float largest_of(const T* row, std::int64_t cols) { return row_max(row, cols); }       \
  NAGARE_SIMD void exponentials(const T* s, std::int64_t cols, float max, float scale, float weight, \
                                float* e, float* sums) {                                             \
    exponentials_of(s, cols, max, scale, weight, e, sums);                                           \
  }
NAGARE_DEFINE_ROWS(float)
NAGARE_DEFINE_ROWS(bf16)
#undef NAGARE_DEFINE_ROWS

constexpr int kRowsAtOnce = 4;  // rows that share a load of v, and a load and a store of the column sums

// sums[k] += sum_i u[i] E[i,k] with u[i] = 1 / sum_k E[i,k] v[k], for kRowsAtOnce rows.
NAGARE_SIMD void add_normalized_rows(const float* const* e, std::int64_t cols, const float* v, float* sums) {
  Vector dot[kRowsAtOnce] = {};
  Vector weight;
  Vector x;
  for (std::int64_t c = 0; c < cols; c += kLanes) {
    simd::load_row(v, c, cols, 0.0F, weight);
    for (int i = 0; i < kRowsAtOnce; ++i) {
      simd::load_row(e[i], c, cols, 0.0F, x);
      dot[i] += x * weight;
    }
  }
  float u[kRowsAtOnce];
  for (int i = 0; i < kRowsAtOnce; ++i) u[i] = 1.0F / simd::sum(dot[i]);
  Vector sum;
  for (std::int64_t c = 0; c < cols; c += kLanes) {
    simd::load_row(sums, c, cols, 0.0F, sum);
    for (int i = 0; i < kRowsAtOnce; ++i) {
      simd::load_row(e[i], c, cols, 0.0F, x);
      sum += x * u[i];
    }
    simd::store_row(sums, c, cols, sum);
  }
}

NAGARE_SIMD float weighted_sum(const float* e, std::int64_t cols, const float* v) {
  Vector dot = {};
  Vector weight;
  Vector x;
  for (std::int64_t c = 0; c < cols; c += kLanes) {
    simd::load_row(v, c, cols, 0.0F, weight);
    simd::load_row(e, c, cols, 0.0F, x);
    dot += x * weight;
  }
  return simd::sum(dot);
}

NAGARE_SIMD void add_row(const float* e, std::int64_t cols, float u, float* sums) {
  for (std::int64_t c = 0; c < cols; ++c) sums[c] += e[c] * u;
}

// q = u E v in place.
NAGARE_SIMD void assign_row(float* e, std::int64_t cols, const float* v, float u) {
  for (std::int64_t c = 0; c < cols; ++c) e[c] *= v[c] * u;
}

// v[begin, end) = mass / sum over the shares of factor * column sum.
NAGARE_SIMD void invert_masses(const float* parts, const float* factors, std::int64_t shares,
                               std::int64_t cols, std::int64_t begin, std::int64_t end, float mass,
                               float* v) {
  for (std::int64_t c = begin; c < end; ++c) v[c] = 0.0F;
  for (std::int64_t i = 0; i < shares; ++i) {
    for (std::int64_t c = begin; c < end; ++c) v[c] += parts[i * cols + c] * factors[i];
  }
  // Not max(): a NaN mass stays one.
  for (std::int64_t c = begin; c < end; ++c) v[c] = mass / (v[c] < kLeastMass ? kLeastMass : v[c]);
}

constexpr std::int64_t kColumnBlock = 4096;

// Of samples that count 1 each. Without it v would grow or shrink by this factor in every iteration.
float prototype_mass(const Sinkhorn& p) {
  return static_cast<float>(p.samples()) / static_cast<float>(p.cols);
}

// How the workspace is divided.
struct Parts {
  float* queue;   // (queue_rows, cols)
  float* sums;    // (shares, cols) [log: twice]
  float* shifts;  // (shares)
  float* v;       // (cols)
  double* g;      // (cols), padded to whole vectors; the log domain's v
};
Parts parts_of(const Sinkhorn& p, float* workspace) {
  Parts w{};
  w.g = reinterpret_cast<double*>(workspace);
  w.queue = workspace + 2 * padded(p.cols);
  w.sums = w.queue + p.queue_rows * p.cols;
  w.shifts = w.sums + 2 * shares(p) * p.cols;
  w.v = w.shifts + shares(p);
  return w;
}

// The linear domain, step by step; `e(b)` is where sample b's exponentials are.
template <class T>
struct Linear {
  const Sinkhorn& p;
  const T* s;
  const T* queue;
  float* q;
  Parts w;
  float scale = 1.0F / p.epsilon;

  const T* scores(std::int64_t b) const {
    return b < p.rows ? s + b * p.cols : queue + (b - p.rows) * p.cols;
  }
  float* e(std::int64_t b) const { return b < p.rows ? q + b * p.cols : w.queue + (b - p.rows) * p.cols; }

  // E with each row's maximum m taken out; column sums of exp(m / e) E, relative to the share's largest m.
  void first_pass(std::int64_t begin, std::int64_t end) const {
    const std::int64_t i = begin / share_rows(p);
    float* sums = w.sums + i * p.cols;
    std::fill(sums, sums + p.cols, 0.0F);
    float shift = -INFINITY;
    for (std::int64_t b = begin; b < end; ++b) {
      const float max = largest_of(scores(b), p.cols);
      if (max > shift) {
        if (b > begin) scale_row(sums, p.cols, std::exp((shift - max) * scale));
        shift = max;
      }
      exponentials(scores(b), p.cols, max, scale, std::exp((max - shift) * scale), e(b), sums);
    }
    w.shifts[i] = shift;
  }

  void next_pass(std::int64_t begin, std::int64_t end) const {
    const std::int64_t i = begin / share_rows(p);
    float* sums = w.sums + i * p.cols;
    std::fill(sums, sums + p.cols, 0.0F);
    w.shifts[i] = 0.0F;
    std::int64_t b = begin;
    for (; b + kRowsAtOnce <= end; b += kRowsAtOnce) {
      const float* rows[kRowsAtOnce];
      for (int j = 0; j < kRowsAtOnce; ++j) rows[j] = e(b + j);
      add_normalized_rows(rows, p.cols, w.v, sums);
    }
    for (; b < end; ++b) add_row(e(b), p.cols, 1.0F / weighted_sum(e(b), p.cols, w.v), sums);
  }

  void merge() const {
    const std::int64_t n = shares(p);
    const float shift = *std::max_element(w.shifts, w.shifts + n);
    for (std::int64_t i = 0; i < n; ++i) w.shifts[i] = std::exp((w.shifts[i] - shift) * scale);
    for_each_block(p.cols, kColumnBlock, [&](std::int64_t begin, std::int64_t end) {
      invert_masses(w.sums, w.shifts, n, p.cols, begin, end, prototype_mass(p), w.v);
    });
  }

  void run() const {
    for (std::int64_t t = 0; t < p.iterations; ++t) {
      for_each_block(p.samples(), share_rows(p), [&](std::int64_t begin, std::int64_t end) {
        t == 0 ? first_pass(begin, end) : next_pass(begin, end);
      });
      merge();
    }
    for_each_block(p.rows, share_rows(p), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t b = begin; b < end; ++b) {
        assign_row(e(b), p.cols, w.v, 1.0F / weighted_sum(e(b), p.cols, w.v));
      }
    });
  }
};

// ---- log domain: g = ln v, f = ln u; the scores are read in every pass ----

#define NAGARE_DEFINE_LOGS(T)                                                                             \
  NAGARE_SIMD double negative_log_mass(const T* s, std::int64_t cols, double scale, const double* g) {    \
    return log_u(s, cols, scale, g);                                                                      \
  }                                                                                                       \
  NAGARE_SIMD void add_log_columns(const T* s, std::int64_t count, std::int64_t cols, double scale,       \
                                   const double* f, float* max, float* sum) {                             \
    add_columns(s, count, cols, scale, f, max, sum);                                                      \
  }                                                                                                       \
  NAGARE_SIMD void assign_log_row(const T* s, std::int64_t cols, double scale, const double* g, double f, \
                                  float* q) {                                                             \
    assign_logs(s, cols, scale, g, f, q);                                                                 \
  }
NAGARE_DEFINE_LOGS(float)
NAGARE_DEFINE_LOGS(bf16)
#undef NAGARE_DEFINE_LOGS

// Merges the shares' (max, sum), each a pair of rows, into the first pair.
NAGARE_SIMD void merge_logs(float* parts, std::int64_t shares, std::int64_t cols, std::int64_t begin,
                            std::int64_t end) {
  Vector v;
  Vector sum;
  for (std::int64_t c = begin; c < end; c += kLanes) {
    Vector largest = Vector{} - INFINITY;
    for (std::int64_t i = 0; i < shares; ++i) {
      simd::load_row(parts + 2 * i * cols, c, end, 0.0F, v);
      take_larger(v, largest);
    }
    Vector total = {};
    for (std::int64_t i = 0; i < shares; ++i) {
      simd::load_row(parts + 2 * i * cols, c, end, 0.0F, v);
      simd::load_row(parts + (2 * i + 1) * cols, c, end, 0.0F, sum);
      simd::exp(v - largest, v);
      total += sum * v;
    }
    simd::store_row(parts, c, end, largest);
    simd::store_row(parts + cols, c, end, total);
  }
}

template <class T>
struct Logarithmic {
  const Sinkhorn& p;
  const T* s;
  const T* queue;
  float* q;
  Parts w;
  double scale = 1.0F / p.epsilon;  // the f32 reciprocal of 0.05F is 20, as it is meant to be

  const T* scores(std::int64_t b) const {
    return b < p.rows ? s + b * p.cols : queue + (b - p.rows) * p.cols;
  }

  void pass(std::int64_t begin, std::int64_t end, bool first) const {
    float* max = w.sums + begin / share_rows(p) * 2 * p.cols;
    float* sum = max + p.cols;
    std::fill(max, max + p.cols, -INFINITY);
    std::fill(sum, sum + p.cols, 0.0F);
    double f[kMinShareRows];
    for (std::int64_t b = begin; b < end;) {
      // Neighbouring rows, which batch and queue are only among themselves.
      const std::int64_t stop = std::min({b + kMinShareRows, end, b < p.rows ? p.rows : end});
      for (std::int64_t i = b; i < stop; ++i) {
        f[i - b] = first ? 0.0 : negative_log_mass(scores(i), p.cols, scale, w.g);
      }
      add_log_columns(scores(b), stop - b, p.cols, scale, f, max, sum);
      b = stop;
    }
  }

  void merge() const {
    const double log_mass = std::log(static_cast<double>(prototype_mass(p)));
    for_each_block(p.cols, kColumnBlock, [&](std::int64_t begin, std::int64_t end) {
      merge_logs(w.sums, shares(p), p.cols, begin, end);
      for (std::int64_t c = begin; c < end; ++c) {
        w.g[c] = log_mass - (w.sums[c] + std::log(static_cast<double>(w.sums[p.cols + c])));
      }
    });
  }

  void run() const {
    std::fill(w.g + p.cols, w.g + padded(p.cols), -INFINITY);
    for (std::int64_t t = 0; t < p.iterations; ++t) {
      for_each_block(p.samples(), share_rows(p),
                     [&](std::int64_t begin, std::int64_t end) { pass(begin, end, t == 0); });
      merge();
    }
    for_each_block(p.rows, share_rows(p), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t b = begin; b < end; ++b) {
        const double f = negative_log_mass(scores(b), p.cols, scale, w.g);
        assign_log_row(scores(b), p.cols, scale, w.g, f, q + b * p.cols);
      }
    });
  }
};

}  // namespace

template <class T>
void sinkhorn(const Sinkhorn& p, const T* s, const T* queue, float* q, float* workspace, Stream) {
  p.check();
  if (p.rows == 0) return;
  if (p.domain == SinkhornDomain::log) {
    Logarithmic<T>{p, s, queue, q, parts_of(p, workspace)}.run();
  } else {
    Linear<T>{p, s, queue, q, parts_of(p, workspace)}.run();
  }
}

template void sinkhorn(const Sinkhorn&, const float*, const float*, float*, float*, Stream);
template void sinkhorn(const Sinkhorn&, const bf16*, const bf16*, float*, float*, Stream);

}  // namespace cpu
}  // namespace nagare::kernels
