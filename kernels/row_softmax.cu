#include "kernels/row_softmax.h"

#include <cmath>

#include "kernels/row_exp.cuh"

namespace nagare::kernels::cuda {
namespace {

template <int kTeam>
__global__ void softmax_rows(RowSoftmax p, float scale, const float* x, float* y) {
  for_each_row_of_this_team<kTeam>(p.rows, [=](std::int64_t r, int lane) {
    const float* in = x + r * p.cols;
    float* out = y + r * p.cols;
    const MaxSum row = row_max_and_sum<kTeam>(in, p.cols, scale, lane);
    for_each_run<kTeam>(in, p.cols, lane, [&](std::int64_t c, auto v) {
      for (float& at : v.at)
        at = expf((at - row.max) * scale) / row.sum;  // sum 0: -inf alone, NaN by contract
      store_run(out + c, v);
    });
  });
}

template <int kTeam>
__global__ void softmax_rows_backward(RowSoftmax p, float scale, const float* y, const float* dy, float* dx) {
  for_each_row_of_this_team<kTeam>(p.rows, [=](std::int64_t r, int lane) {
    const float* out = y + r * p.cols;
    const float* upstream = dy + r * p.cols;
    float* grad = dx + r * p.cols;
    float dot = 0.0F;
    for_each_run<kTeam>(out, p.cols, lane, [&]<int N>(std::int64_t c, const Run<N>& v) {
      const Run<N> g = load_run<N>(upstream + c);
      for (int i = 0; i < N; ++i) dot += v.at[i] * g.at[i];
    });
    dot = team_sum<kTeam>(dot);
    for_each_run<kTeam>(out, p.cols, lane, [&]<int N>(std::int64_t c, Run<N> v) {
      const Run<N> g = load_run<N>(upstream + c);
      for (int i = 0; i < N; ++i) v.at[i] *= (g.at[i] - dot) * scale;
      store_run(grad + c, v);
    });
  });
}

template <int kTeam>
__global__ void log_softmax_rows(RowSoftmax p, float scale, const float* x, float* y) {
  for_each_row_of_this_team<kTeam>(p.rows, [=](std::int64_t r, int lane) {
    const float* in = x + r * p.cols;
    float* out = y + r * p.cols;
    const MaxSum row = row_max_and_sum<kTeam>(in, p.cols, scale, lane);
    // sum = 0: a row of -inf alone, NaN by contract.
    const float log_sum = row.sum > 0.0F ? logf(row.sum) : NAN;
    for_each_run<kTeam>(in, p.cols, lane, [&](std::int64_t c, auto v) {
      for (float& at : v.at) at = (at - row.max) * scale - log_sum;
      store_run(out + c, v);
    });
  });
}

template <int kTeam>
__global__ void log_softmax_rows_backward(RowSoftmax p, float scale, const float* y, const float* dy,
                                          float* dx) {
  for_each_row_of_this_team<kTeam>(p.rows, [=](std::int64_t r, int lane) {
    const float* out = y + r * p.cols;
    const float* upstream = dy + r * p.cols;
    float* grad = dx + r * p.cols;
    float sum = 0.0F;
    for_each_run<kTeam>(upstream, p.cols, lane, [&](std::int64_t, const auto& g) {
      for (const float at : g.at) sum += at;
    });
    sum = team_sum<kTeam>(sum);
    for_each_run<kTeam>(upstream, p.cols, lane, [&]<int N>(std::int64_t c, Run<N> g) {
      const Run<N> v = load_run<N>(out + c);
      for (int i = 0; i < N; ++i) g.at[i] = (g.at[i] - expf(v.at[i]) * sum) * scale;
      store_run(grad + c, g);
    });
  });
}

}  // namespace

void row_softmax(const RowSoftmax& p, const float* x, float* y, Stream stream) {
  p.check();
  launch_rows("row_softmax", softmax_rows<kWarp>, softmax_rows<kBlock>, p.rows, p.cols, stream, p,
              1.0F / p.temperature, x, y);
}

void row_softmax_backward(const RowSoftmax& p, const float* y, const float* dy, float* dx, Stream stream) {
  p.check();
  launch_rows("row_softmax_backward", softmax_rows_backward<kWarp>, softmax_rows_backward<kBlock>, p.rows,
              p.cols, stream, p, 1.0F / p.temperature, y, dy, dx);
}

void row_log_softmax(const RowSoftmax& p, const float* x, float* y, Stream stream) {
  p.check();
  launch_rows("row_log_softmax", log_softmax_rows<kWarp>, log_softmax_rows<kBlock>, p.rows, p.cols, stream, p,
              1.0F / p.temperature, x, y);
}

void row_log_softmax_backward(const RowSoftmax& p, const float* y, const float* dy, float* dx,
                              Stream stream) {
  p.check();
  launch_rows("row_log_softmax_backward", log_softmax_rows_backward<kWarp>, log_softmax_rows_backward<kBlock>,
              p.rows, p.cols, stream, p, 1.0F / p.temperature, y, dy, dx);
}

}  // namespace nagare::kernels::cuda
