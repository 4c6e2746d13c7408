#include "kernels/resize.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "kernels/parallel.h"
#include "kernels/simd.h"

namespace nagare::kernels {

void Resize::check() const {
  const auto side = [](std::int64_t s) { return s >= 1 && s <= 65536; };
  if (n < 0 || channels < 0 || !side(in_height) || !side(in_width) || !side(out_height) || !side(out_width)) {
    throw std::invalid_argument("resize: (" + std::to_string(n) + ", " + std::to_string(in_height) + ", " +
                                std::to_string(in_width) + ", " + std::to_string(channels) + ") to " +
                                std::to_string(out_height) + " x " + std::to_string(out_width) +
                                ": need sides from 1 to 65536, no negative count");
  }
}

Resize Resize::transposed() const {
  return {.n = n,
          .in_height = out_height,
          .in_width = out_width,
          .out_height = in_height,
          .out_width = in_width,
          .channels = channels};
}

TapTable tap_table(const ResizeAxis& axis) {
  TapTable table;
  table.stride = max_taps(axis);
  table.ranges.resize(static_cast<std::size_t>(axis.out));
  table.weights.resize(static_cast<std::size_t>(axis.out * table.stride));
  for (int i = 0; i < axis.out; ++i) {
    table.ranges[static_cast<std::size_t>(i)] = fill_taps(axis, i, table.weights.data() + i * table.stride);
  }
  return table;
}

TapTable transposed(const TapTable& table, std::int64_t inputs) {
  TapTable result;
  result.ranges.assign(static_cast<std::size_t>(inputs), {0, 0});
  const auto outputs = static_cast<int>(table.ranges.size());
  for (int i = 0; i < outputs; ++i) {
    const TapRange range = table.ranges[static_cast<std::size_t>(i)];
    for (int k = range.begin; k < range.begin + range.count; ++k) {
      TapRange& back = result.ranges[static_cast<std::size_t>(k)];
      // Taps move forward with i, so the outputs that an input feeds are neighbours.
      if (back.count == 0) back.begin = i;
      back.count = i - back.begin + 1;
      result.stride = std::max<std::int64_t>(result.stride, back.count);
    }
  }
  result.weights.assign(static_cast<std::size_t>(inputs * result.stride), 0.0F);
  for (int i = 0; i < outputs; ++i) {
    const TapRange range = table.ranges[static_cast<std::size_t>(i)];
    for (int a = 0; a < range.count; ++a) {
      const std::int64_t k = range.begin + a;
      const std::int64_t back = k * result.stride + i - result.ranges[static_cast<std::size_t>(k)].begin;
      result.weights[static_cast<std::size_t>(back)] =
          table.weights[static_cast<std::size_t>(i * table.stride + a)];
    }
  }
  return result;
}

namespace cpu {
namespace {

template <class In>
inline void add_scaled(std::int64_t n, float weight, const In* in, float* sum) {
  for (std::int64_t i = 0; i < n; ++i) sum[i] += weight * load(in + i);
}
NAGARE_SIMD void add_row(std::int64_t n, float weight, const float* in, float* sum) {
  add_scaled(n, weight, in, sum);
}
NAGARE_SIMD void add_row(std::int64_t n, float weight, const bf16* in, float* sum) {
  add_scaled(n, weight, in, sum);
}

// One output row from the vertically weighted row.
NAGARE_SIMD void resize_row(std::int64_t width, std::int64_t channels, TapView columns, const float* row,
                            float* out) {
  for (std::int64_t j = 0; j < width; ++j) {
    const float* weights = columns.weights + j * columns.stride;
    const float* in = row + columns.ranges[j].begin * channels;
    float* pixel = out + j * channels;
    for (std::int64_t c = 0; c < channels; ++c) pixel[c] = 0.0F;
    for (int b = 0; b < columns.ranges[j].count; ++b) {
      for (std::int64_t c = 0; c < channels; ++c) pixel[c] += weights[b] * in[b * channels + c];
    }
  }
}

template <class T>
void resize_output_row(const Resize& p, const ResizeTables& tables, std::int64_t i, const T* image,
                       float* scratch, T* out) {
  const std::int64_t row_values = p.in_width * p.channels;
  std::fill(scratch, scratch + row_values, 0.0F);
  const TapRange range = tables.rows.ranges[i];
  for (int a = 0; a < range.count; ++a) {
    add_row(row_values, tables.rows.weights[i * tables.rows.stride + a],
            image + (range.begin + a) * row_values, scratch);
  }
  float* result = scratch + row_values;
  resize_row(p.out_width, p.channels, tables.columns, scratch, result);
  for (std::int64_t k = 0; k < p.out_width * p.channels; ++k) store(out + k, result[k]);
}

}  // namespace

template <class T>
void resize(const Resize& p, const ResizeTables& tables, const T* x, T* y, Stream) {
  p.check();
  const std::int64_t rows = p.n * p.out_height;
  const std::int64_t slots = std::min<std::int64_t>(rows, 4 * threads());
  const std::int64_t scratch_values = (p.in_width + p.out_width) * p.channels;
  std::vector<float> scratch(static_cast<std::size_t>(slots * scratch_values));
  parallel_for(slots, [&](std::int64_t slot) {
    for (std::int64_t r = slot * rows / slots; r < (slot + 1) * rows / slots; ++r) {
      const T* image = x + r / p.out_height * p.in_height * p.in_width * p.channels;
      resize_output_row(p, tables, r % p.out_height, image, scratch.data() + slot * scratch_values,
                        y + r * p.out_width * p.channels);
    }
  });
}

template void resize(const Resize&, const ResizeTables&, const float*, float*, Stream);
template void resize(const Resize&, const ResizeTables&, const bf16*, bf16*, Stream);

}  // namespace cpu
}  // namespace nagare::kernels
