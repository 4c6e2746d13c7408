#include "kernels/view_cross_entropy.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "kernels/row_simd.h"

namespace nagare::kernels {
namespace {

constexpr std::int64_t kCudaColumns = 512;  // that one partial sum of the CUDA twin covers

bool is_positive(float x) { return x > 0.0F && std::isfinite(x); }

}  // namespace

void ViewCrossEntropy::check() const {
  const bool sizes =
      batch >= 0 && cols >= 1 && views >= 2 && targets >= 1 && targets <= std::min(views, kMaxTargets);
  if (!sizes || !is_positive(temperature) || !is_positive(target_temperature)) {
    throw std::invalid_argument("view_cross_entropy: " + std::to_string(views) + " views of (" +
                                std::to_string(batch) + ", " + std::to_string(cols) + "), " +
                                std::to_string(targets) + " targets, temperatures " +
                                std::to_string(temperature) + " and " + std::to_string(target_temperature) +
                                ": need batch >= 0, cols >= 1, views >= 2, targets in [1, min(views, " +
                                std::to_string(kMaxTargets) + ")], temperatures positive and finite");
  }
}

std::int64_t ViewCrossEntropy::workspace_floats() const {
  return 4 * views * batch * ((cols + kCudaColumns - 1) / kCudaColumns);
}

void CenterUpdate::check() const {
  if (rows < 1 || cols < 1 || !(momentum >= 0.0F && momentum <= 1.0F)) {
    throw std::invalid_argument("update_center: teacher logits (" + std::to_string(rows) + ", " +
                                std::to_string(cols) + "), momentum " + std::to_string(momentum) +
                                ": need rows >= 1, cols >= 1, momentum in [0, 1]");
  }
}

namespace cpu {
namespace {

using simd::kLanes;
using simd::kRowTile;
using simd::tile_end;
using simd::Vector;

constexpr std::int64_t kMaxTargets = ViewCrossEntropy::kMaxTargets;

// What is known of a row: of a student's s, scaled by 1 / T, or of a teacher's t - c, scaled by 1 / Tt.
struct Row {
  float max = -INFINITY;
  double sum = 0.0;   // of exp((x - max) scale)
  double mass = 0.0;  // sum_k w
  double dot = 0.0;   // sum_k w (x - max)
};

// The weights of columns [begin, end): the sum of up to kMaxTargets rows of q, which start at `begin`.
struct Weights {
  const float* q[kMaxTargets];
  std::int64_t count = 0;
};

NAGARE_INLINE void weights_at(const Weights& w, std::int64_t i, std::int64_t n, Vector& sum) {
  Vector q;
  sum = Vector{};
  for (std::int64_t a = 0; a < w.count; ++a) {
    simd::load_row(w.q[a], i, n, 0.0F, q);
    sum += q;
  }
}

// Takes columns [begin, end) into a teacher's row.
template <class T>
NAGARE_INLINE void add_teacher_tile(const T* t, const float* c, std::int64_t begin, std::int64_t end,
                                    float scale, Row& row) {
  Vector largest = Vector{} + row.max;
  Vector v;
  Vector shift;
  for (std::int64_t i = begin; i < end; i += kLanes) {
    simd::load_row(t, i, end, -INFINITY, v);
    simd::load_row(c, i, end, 0.0F, shift);
    v -= shift;
    largest = v > largest ? v : largest;
  }
  const float max = simd::max(largest);
  const float from = max == -INFINITY ? 0.0F : max;
  if (max > row.max && row.sum > 0.0) row.sum *= std::exp((static_cast<double>(row.max) - max) * scale);
  row.max = max;
  Vector total = {};
  for (std::int64_t i = begin; i < end; i += kLanes) {
    simd::load_row(t, i, end, -INFINITY, v);
    simd::load_row(c, i, end, 0.0F, shift);
    simd::exp_or_zero(((v - shift) - from) * scale, v);
    total += v;
  }
  row.sum += simd::sum(total);
}

// q[0 ..) = the teacher's probabilities of columns [begin, end).
template <class T>
NAGARE_INLINE void teacher_tile(const T* t, const float* c, std::int64_t begin, std::int64_t end, float scale,
                                float max, float log_sum, float* q) {
  Vector v;
  Vector shift;
  for (std::int64_t i = begin; i < end; i += kLanes) {
    simd::load_row(t, i, end, 0.0F, v);
    simd::load_row(c, i, end, 0.0F, shift);
    simd::exp_or_zero(((v - shift) - max) * scale - log_sum, v);
    simd::store_row(q, i - begin, end - begin, v);
  }
}

// Takes columns [begin, end) and their weights into a student's row.
template <class T>
NAGARE_INLINE void add_student_tile(const T* s, std::int64_t begin, std::int64_t end, const Weights& w,
                                    float scale, Row& row) {
  const float max = simd::row_max(s, begin, end, row.max);
  const float from = max == -INFINITY ? 0.0F : max;
  if (max > row.max) {
    const double fall = static_cast<double>(row.max) - max;
    if (row.sum > 0.0) row.sum *= std::exp(fall * scale);
    if (row.mass > 0.0) row.dot += row.mass * fall;
  }
  row.max = max;
  Vector total = {};
  Vector mass = {};
  Vector dot = {};
  Vector v;
  Vector weight;
  for (std::int64_t i = begin; i < end; i += kLanes) {
    simd::load_row(s, i, end, -INFINITY, v);
    weights_at(w, i - begin, end - begin, weight);
    v -= from;
    mass += weight;
    dot += weight != 0.0F ? weight * v : Vector{};
    simd::exp_or_zero(v * scale, v);
    total += v;
  }
  row.sum += simd::sum(total);
  row.mass += simd::sum(mass);
  row.dot += simd::sum(dot);
}

// What the backward of one student's row needs besides s.
struct RowGradient {
  float scale;  // 1 / T
  float max;
  float log_sum;
  float mass;
  float factor;  // dloss / (P B T)
};

template <class T>
NAGARE_INLINE void student_gradient_tile(const T* s, std::int64_t begin, std::int64_t end, const Weights& w,
                                         const RowGradient& g, T* ds) {
  Vector v;
  Vector weight;
  for (std::int64_t i = begin; i < end; i += kLanes) {
    simd::load_row(s, i, end, -INFINITY, v);
    weights_at(w, i - begin, end - begin, weight);
    simd::exp_or_zero((v - g.max) * g.scale - g.log_sum, v);
    simd::store_row(ds, i, end, (v * g.mass - weight) * g.factor);
  }
}

// mean of rows into the centre, columns [begin, end)
template <class T>
NAGARE_INLINE void update_center_tile(const CenterUpdate& p, const T* t, std::int64_t begin, std::int64_t end,
                                      float* center) {
  const float keep = p.momentum;
  const float take = (1.0F - p.momentum) / static_cast<float>(p.rows);
  Vector v;
  for (std::int64_t i = begin; i < end; i += kLanes) {
    Vector sum = {};
    for (std::int64_t r = 0; r < p.rows; ++r) {
      simd::load_row(t + r * p.cols, i, end, 0.0F, v);
      sum += v;
    }
    simd::load_row(center, i, end, 0.0F, v);
    simd::store_row(center, i, end, v * keep + sum * take);
  }
}

#define NAGARE_DEFINE_TILES(T)                                                                             \
  NAGARE_SIMD void add_teacher(const T* t, const float* c, std::int64_t begin, std::int64_t end,           \
                               float scale, Row& row) {                                                    \
    add_teacher_tile(t, c, begin, end, scale, row);                                                        \
  }                                                                                                        \
  NAGARE_SIMD void teacher_probabilities(const T* t, const float* c, std::int64_t begin, std::int64_t end, \
                                         float scale, float max, float log_sum, float* q) {                \
    teacher_tile(t, c, begin, end, scale, max, log_sum, q);                                                \
  }                                                                                                        \
  NAGARE_SIMD void add_student(const T* s, std::int64_t begin, std::int64_t end, const Weights& w,         \
                               float scale, Row& row) {                                                    \
    add_student_tile(s, begin, end, w, scale, row);                                                        \
  }                                                                                                        \
  NAGARE_SIMD void student_gradient(const T* s, std::int64_t begin, std::int64_t end, const Weights& w,    \
                                    const RowGradient& g, T* ds) {                                         \
    student_gradient_tile(s, begin, end, w, g, ds);                                                        \
  }                                                                                                        \
  NAGARE_SIMD void center_columns(const CenterUpdate& p, const T* t, std::int64_t begin, std::int64_t end, \
                                  float* center) {                                                         \
    update_center_tile(p, t, begin, end, center);                                                          \
  }
NAGARE_DEFINE_TILES(float)
NAGARE_DEFINE_TILES(bf16)
#undef NAGARE_DEFINE_TILES

// `saved`, one number per row: students first, then targets.
template <class Float>
struct Saved {
  Saved(const ViewCrossEntropy& p, Float* saved) : max(saved) {
    log_sum = max + (p.views + p.targets) * p.batch;
    mass = log_sum + (p.views + p.targets) * p.batch;
  }
  Float* max;
  Float* log_sum;
  Float* mass;
};

// The targets of image b, tile by tile.
template <class T>
class TargetTiles {
 public:
  TargetTiles(const ViewCrossEntropy& p, const ViewTargets<T>& targets, std::int64_t b)
      : p_(p), targets_(targets), b_(b) {}

  // Of teacher logits: (max, log_sum) of its rows.
  void find_denominators(const Saved<float>& saved) const {
    if (targets_.logits == nullptr) return;
    for (std::int64_t a = 0; a < p_.targets; ++a) {
      Row row;
      for (std::int64_t c = 0; c < p_.cols; c += kRowTile) {
        add_teacher(logits(a), targets_.center, c, tile_end(c, p_.cols), 1.0F / p_.target_temperature, row);
      }
      saved.max[saved_row(a)] = row.max;
      saved.log_sum[saved_row(a)] = static_cast<float>(std::log(row.sum));
    }
  }

  template <class Float>
  void load(const Saved<Float>& saved, std::int64_t begin, std::int64_t end) {
    for (std::int64_t a = 0; a < p_.targets; ++a) {
      if (targets_.logits == nullptr) {
        q_[a] = targets_.probabilities + (a * p_.batch + b_) * p_.cols + begin;
      } else {
        teacher_probabilities(logits(a), targets_.center, begin, end, 1.0F / p_.target_temperature,
                              saved.max[saved_row(a)], saved.log_sum[saved_row(a)], tile_[a]);
        q_[a] = tile_[a];
      }
    }
  }

  // Of the tile loaded last: the targets that view v is compared with.
  Weights weights_of(std::int64_t v) const {
    Weights w;
    for (std::int64_t a = 0; a < p_.targets; ++a) {
      if (a != v) w.q[w.count++] = q_[a];
    }
    return w;
  }

 private:
  const T* logits(std::int64_t a) const { return targets_.logits + (a * p_.batch + b_) * p_.cols; }
  std::int64_t saved_row(std::int64_t a) const { return (p_.views + a) * p_.batch + b_; }

  const ViewCrossEntropy& p_;
  const ViewTargets<T>& targets_;
  std::int64_t b_;
  const float* q_[kMaxTargets];
  float tile_[kMaxTargets][kRowTile];
};

}  // namespace

template <class T>
void view_cross_entropy(const ViewCrossEntropy& p, const T* s, const ViewTargets<T>& targets, float* saved,
                        float* loss, float*, Stream) {
  p.check();
  const Saved<float> out(p, saved);
  const float scale = 1.0F / p.temperature;
  simd::for_each_row(p.batch, p.cols * p.views, [&](std::int64_t b) {
    TargetTiles<T> tiles(p, targets, b);
    tiles.find_denominators(out);
    // Running sums of all views, kept in `saved` only at the end: they are in double.
    constexpr std::int64_t kViewsAtOnce = 16;
    double total = 0.0;
    for (std::int64_t first = 0; first < p.views; first += kViewsAtOnce) {
      const std::int64_t count = std::min(kViewsAtOnce, p.views - first);
      Row rows[kViewsAtOnce];
      for (std::int64_t c = 0; c < p.cols; c += kRowTile) {
        const std::int64_t end = tile_end(c, p.cols);
        tiles.load(out, c, end);
        for (std::int64_t i = 0; i < count; ++i) {
          const std::int64_t v = first + i;
          add_student(s + (v * p.batch + b) * p.cols, c, end, tiles.weights_of(v), scale, rows[i]);
        }
      }
      for (std::int64_t i = 0; i < count; ++i) {
        const std::int64_t r = (first + i) * p.batch + b;
        const double log_sum = std::log(rows[i].sum);
        out.max[r] = rows[i].max;
        out.log_sum[r] = static_cast<float>(log_sum);
        out.mass[r] = static_cast<float>(rows[i].mass);
        total += rows[i].mass * log_sum - rows[i].dot * scale;
      }
    }
    loss[b] = static_cast<float>(total / static_cast<double>(p.pairs()));
  });
}

template <class T>
void view_cross_entropy_backward(const ViewCrossEntropy& p, const T* s, const ViewTargets<T>& targets,
                                 const float* saved, const float* dloss, T* ds, Stream) {
  p.check();
  const Saved<const float> in(p, saved);
  const float scale = 1.0F / p.temperature;
  const float factor = *dloss * scale / (static_cast<float>(p.pairs()) * static_cast<float>(p.batch));
  simd::for_each_row(p.batch, p.cols * p.views, [&](std::int64_t b) {
    TargetTiles<T> tiles(p, targets, b);
    for (std::int64_t c = 0; c < p.cols; c += kRowTile) {
      const std::int64_t end = tile_end(c, p.cols);
      tiles.load(in, c, end);
      for (std::int64_t v = 0; v < p.views; ++v) {
        const std::int64_t r = v * p.batch + b;
        student_gradient(s + r * p.cols, c, end, tiles.weights_of(v),
                         {scale, in.max[r], in.log_sum[r], in.mass[r], factor}, ds + r * p.cols);
      }
    }
  });
}

template <class T>
void update_center(const CenterUpdate& p, const T* t, float* center, Stream) {
  p.check();
  constexpr std::int64_t kColumns = 512;
  for_each_block(p.cols, kColumns,
                 [&](std::int64_t begin, std::int64_t end) { center_columns(p, t, begin, end, center); });
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

}  // namespace cpu
}  // namespace nagare::kernels
