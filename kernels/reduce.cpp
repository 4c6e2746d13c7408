#include "kernels/reduce.h"

#include <algorithm>
#include <vector>

#include "kernels/parallel.h"
#include "kernels/simd.h"

namespace nagare::kernels::cpu {
namespace {

constexpr std::int64_t kRun = 1 << 14;   // contiguous elements that one task sums
constexpr std::int64_t kRows = 1 << 10;  // rows that one task adds up ...
constexpr std::int64_t kPanel = 1 << 9;  // ... over this many columns: its sums stay in the first-level cache
constexpr int kLanes = 16;

// What is summed: the elements of one array, or the products of two.
template <class T>
struct Values {
  const T* x;
  double at(std::int64_t i) const { return load(x + i); }
};
template <class T>
struct Products {
  const T* a;
  const T* b;
  double at(std::int64_t i) const { return static_cast<double>(load(a + i)) * load(b + i); }
};

// Lanes are written out, so that every vector width adds in the same order.
template <class Source>
inline double sum_body(Source source, std::int64_t begin, std::int64_t n) {
  double lane[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int l = 0; l < kLanes; ++l) lane[l] += source.at(begin + i + l);
  }
  for (; i < n; ++i) lane[i % kLanes] += source.at(begin + i);
  double sum = 0.0;
  for (const double part : lane) sum += part;
  return sum;
}

// Adds `rows` rows of `width` elements, `stride` apart, to sums[0, width).
struct Panel {
  std::int64_t begin;
  std::int64_t rows;
  std::int64_t width;
  std::int64_t stride;
};
template <class Source>
inline void add_rows_body(Source source, const Panel& p, double* sums) {
  for (std::int64_t r = 0; r < p.rows; ++r) {
    const std::int64_t row = p.begin + r * p.stride;
    for (std::int64_t c = 0; c < p.width; ++c) sums[c] += source.at(row + c);
  }
}

NAGARE_SIMD double sum_run(Values<float> s, std::int64_t begin, std::int64_t n) {
  return sum_body(s, begin, n);
}
NAGARE_SIMD double sum_run(Values<bf16> s, std::int64_t begin, std::int64_t n) {
  return sum_body(s, begin, n);
}
NAGARE_SIMD double sum_run(Products<float> s, std::int64_t begin, std::int64_t n) {
  return sum_body(s, begin, n);
}
NAGARE_SIMD double sum_run(Products<bf16> s, std::int64_t begin, std::int64_t n) {
  return sum_body(s, begin, n);
}
NAGARE_SIMD void add_rows(Values<float> s, const Panel& p, double* sums) { add_rows_body(s, p, sums); }
NAGARE_SIMD void add_rows(Values<bf16> s, const Panel& p, double* sums) { add_rows_body(s, p, sums); }
NAGARE_SIMD void add_rows(Products<float> s, const Panel& p, double* sums) { add_rows_body(s, p, sums); }
NAGARE_SIMD void add_rows(Products<bf16> s, const Panel& p, double* sums) { add_rows_body(s, p, sums); }

// x[0, n) = scale * y[0], or scale * y[0, n) where step is 1.
template <class In, class Out>
NAGARE_INLINE void spread_row_body(std::int64_t n, float scale, const In* y, int step, Out* x) {
  if (step == 0) {
    Out value;
    store(&value, scale * load(y));
    for (std::int64_t i = 0; i < n; ++i) x[i] = value;
    return;
  }
  for (std::int64_t i = 0; i < n; ++i) store(x + i, scale * load(y + i));
}
NAGARE_SIMD void spread_row(std::int64_t n, float scale, const float* y, int step, float* x) {
  spread_row_body(n, scale, y, step, x);
}
NAGARE_SIMD void spread_row(std::int64_t n, float scale, const float* y, int step, bf16* x) {
  spread_row_body(n, scale, y, step, x);
}
NAGARE_SIMD void spread_row(std::int64_t n, float scale, const bf16* y, int step, bf16* x) {
  spread_row_body(n, scale, y, step, x);
}

std::int64_t parts(std::int64_t n, std::int64_t block) { return (n + block - 1) / block; }

// inner = 1: every outer entry is a contiguous run.
template <class Source, class Out>
void reduce_runs(const Reduce& p, Source source, Out* y) {
  const auto [outer, count, inner] = p.axis;
  const std::int64_t blocks = std::max<std::int64_t>(1, parts(count, kRun));
  std::vector<double> partial(static_cast<std::size_t>(outer * blocks));
  parallel_for(outer * blocks, [&, count = count](std::int64_t task) {
    const std::int64_t begin = task % blocks * kRun;
    partial[static_cast<std::size_t>(task)] =
        sum_run(source, task / blocks * count + begin, std::min(kRun, count - begin));
  });
  for (std::int64_t o = 0; o < outer; ++o) {
    double sum = 0.0;
    for (std::int64_t b = 0; b < blocks; ++b) sum += partial[static_cast<std::size_t>(o * blocks + b)];
    store(y + o, static_cast<float>(p.scale * sum));
  }
}

// inner > 1: whole rows are added, one panel of columns and one block of rows a task.
template <class Source, class Out>
void reduce_rows(const Reduce& p, Source source, Out* y) {
  const auto [outer, count, inner] = p.axis;
  const std::int64_t blocks = std::max<std::int64_t>(1, parts(count, kRows));
  const std::int64_t panels = parts(inner, kPanel);
  std::vector<double> partial(static_cast<std::size_t>(outer * blocks * inner));
  parallel_for(outer * blocks * panels, [&, count = count, inner = inner](std::int64_t task) {
    const std::int64_t column = task % panels * kPanel;
    const std::int64_t row = task / panels % blocks * kRows;
    const std::int64_t o = task / panels / blocks;
    const Panel panel{.begin = (o * count + row) * inner + column,
                      .rows = std::min(kRows, count - row),
                      .width = std::min(kPanel, inner - column),
                      .stride = inner};
    add_rows(source, panel, &partial[static_cast<std::size_t>(task / panels * inner + column)]);
  });
  parallel_for(outer, [&, inner = inner](std::int64_t o) {
    double* sums = &partial[static_cast<std::size_t>(o * blocks * inner)];
    for (std::int64_t b = 1; b < blocks; ++b) {
      for (std::int64_t c = 0; c < inner; ++c) sums[c] += sums[b * inner + c];
    }
    for (std::int64_t c = 0; c < inner; ++c) store(y + o * inner + c, static_cast<float>(p.scale * sums[c]));
  });
}

template <class Source, class Out>
void reduce(const Reduce& p, Source source, Out* y) {
  if (p.axis.outer == 0 || p.axis.inner == 0) return;
  if (p.axis.inner == 1) {
    reduce_runs(p, source, y);
  } else {
    reduce_rows(p, source, y);
  }
}

}  // namespace

template <class In, class Out>
void reduce_sum(const Reduce& p, const In* x, Out* y, Stream) {
  reduce(p, Values<In>{x}, y);
}

template <class T>
void reduce_dot(const Reduce& p, const T* a, const T* b, float* y, Stream) {
  reduce(p, Products<T>{a, b}, y);
}

template <class In, class Out>
void spread(const Reduce& p, const In* y, Out* x, Stream) {
  const auto [outer, count, inner] = p.axis;
  const bool columns = inner == 1;  // one value for a whole row
  const std::int64_t width = columns ? count : inner;
  const std::int64_t rows_a_value = columns ? 1 : count;
  parallel_for(columns ? outer : outer * count, [=, inner = inner, scale = p.scale](std::int64_t row) {
    spread_row(width, scale, y + row / rows_a_value * inner, columns ? 0 : 1, x + row * width);
  });
}

template void reduce_sum(const Reduce&, const float*, float*, Stream);
template void reduce_sum(const Reduce&, const bf16*, float*, Stream);
template void reduce_sum(const Reduce&, const bf16*, bf16*, Stream);
template void reduce_dot(const Reduce&, const float*, const float*, float*, Stream);
template void reduce_dot(const Reduce&, const bf16*, const bf16*, float*, Stream);
template void spread(const Reduce&, const float*, float*, Stream);
template void spread(const Reduce&, const float*, bf16*, Stream);
template void spread(const Reduce&, const bf16*, bf16*, Stream);

}  // namespace nagare::kernels::cpu
