// The CUDA twin of convolution: cuDNN. bf16 tensors get channels in multiples of 8, which is what its engines want. The
// gradient of the weights comes in the type of x, so from bf16 operands it is rounded to bf16 once: cuDNN 9.19 has no
// deterministic engine that writes it in f32.
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <type_traits>

#include "engine/device/memory.h"
#include "engine/vendor/convolution.h"
#include "engine/vendor/cudnn_graph.h"
#include "kernels/broadcast.h"
#include "kernels/device_error.h"
#include "kernels/fit_matrix.h"

namespace nagare::vendor::cuda {
namespace {

using cudnn::Pass;
using cudnn::Problem;
using kernels::FitMatrix;
using kernels::cuda::fit_matrix;

template <class T>
constexpr cudnnDataType_t kTypeOf = std::is_same_v<T, float> ? CUDNN_DATA_FLOAT : CUDNN_DATA_BFLOAT16;

template <class T>
class Scratch {
 public:
  explicit Scratch(std::int64_t count)
      : block_(allocate(Device::cuda, static_cast<std::size_t>(count) * sizeof(T))) {}
  T* data() const { return static_cast<T*>(block_.get()); }

 private:
  std::shared_ptr<void> block_;
};

template <class T>
Convolution padded(Convolution p) {
  const std::int64_t multiple = std::is_same_v<T, float> ? 1 : 8;
  const auto up = [=](std::int64_t channels) { return (channels + multiple - 1) / multiple * multiple; };
  p.in_channels = up(p.in_channels);
  p.out_channels = up(p.out_channels);
  return p;
}

// What the plans rely on; a view into a tensor may start anywhere.
bool aligned(const void* data) { return reinterpret_cast<std::uintptr_t>(data) % cudnn::kAlignment == 0; }

std::int64_t pixels_in(const Convolution& p) { return p.batch * p.height * p.width; }
std::int64_t pixels_out(const Convolution& p) { return p.batch * p.out_height() * p.out_width(); }

// OHWI as a matrix (out_channels * kernel area, in_channels), from the sizes of `from` to those of `to`.
FitMatrix fit_weights(const Convolution& from, const Convolution& to) {
  const std::int64_t area = from.kernel_height * from.kernel_width;
  return {from.out_channels * area, from.in_channels, to.out_channels * area, to.in_channels};
}

// An input with `channels` channels, brought to `wanted` and to alignment: itself where it has both.
template <class T>
class PaddedInput {
 public:
  PaddedInput(const T* data, std::int64_t pixels, std::int64_t channels, std::int64_t wanted, Stream stream)
      : data_(data) {
    if (channels == wanted && aligned(data)) return;
    copy_.emplace(pixels * wanted);
    fit_matrix(FitMatrix{pixels, channels, pixels, wanted}, data, copy_->data(), stream);
    data_ = copy_->data();
  }
  void* data() const { return const_cast<T*>(data_); }  // cuDNN takes every operand as void*

 private:
  const T* data_;
  std::optional<Scratch<T>> copy_;
};

// An output that the plan writes with `wanted` channels; finish() brings it to where it belongs.
template <class T>
class PaddedOutput {
 public:
  PaddedOutput(T* data, std::int64_t pixels, std::int64_t channels, std::int64_t wanted)
      : data_(data), fit_{pixels, wanted, pixels, channels} {
    if (channels != wanted || !aligned(data)) copy_.emplace(pixels * wanted);
  }
  void* data() const { return copy_ ? copy_->data() : data_; }
  void finish(Stream stream) const {
    if (copy_) fit_matrix(fit_, copy_->data(), data_, stream);
  }

 private:
  T* data_;
  FitMatrix fit_;
  std::optional<Scratch<T>> copy_;
};

// The f32 weights as the plan reads them: in the type T and with its channels.
template <class T>
class PaddedWeights {
 public:
  PaddedWeights(const Convolution& p, const Convolution& wanted, const float* w, Stream stream) : data_(w) {
    if (std::is_same_v<T, float> && p.weights() == wanted.weights() && aligned(w)) return;
    copy_.emplace(wanted.weights());
    fit_matrix(fit_weights(p, wanted), w, copy_->data(), stream);
    data_ = copy_->data();
  }
  void* data() const { return const_cast<void*>(data_); }

 private:
  const void* data_;
  std::optional<Scratch<T>> copy_;
};

const cudnn::Plan& plan_for(const Problem& problem) {
  const cudnn::Found& found = cudnn::find_plan(problem);
  if (!found.plan) throw DeviceError(found.reason);
  return *found.plan;
}

}  // namespace

template <class T>
void convolution(const Convolution& p, const T* x, const float* w, const float* bias, T* y, Stream stream) {
  p.check();
  if (p.batch == 0) return;
  const Convolution q = padded<T>(p);
  const cudnn::Plan& plan = plan_for({Pass::forward, q, kTypeOf<T>});
  const PaddedInput<T> in(x, pixels_in(p), p.in_channels, q.in_channels, stream);
  const PaddedWeights<T> weights(p, q, w, stream);
  const PaddedOutput<T> out(y, pixels_out(p), p.out_channels, q.out_channels);
  plan.run({.x = in.data(), .w = weights.data(), .y = out.data()}, stream);
  out.finish(stream);
  if (bias == nullptr) return;
  const kernels::Axis rows{.outer = 1, .count = pixels_out(p), .inner = p.out_channels};
  kernels::cuda::broadcast({.function = kernels::BroadcastFunction::add, .axis = rows}, y, bias, y, stream);
}

template <class T>
void convolution_backward_data(const Convolution& p, const T* dy, const float* w, T* dx, Stream stream) {
  p.check();
  if (p.batch == 0) return;
  const Convolution q = padded<T>(p);
  const cudnn::Plan& plan = plan_for({Pass::backward_data, q, kTypeOf<T>});
  const PaddedInput<T> grad(dy, pixels_out(p), p.out_channels, q.out_channels, stream);
  const PaddedWeights<T> weights(p, q, w, stream);
  const PaddedOutput<T> out(dx, pixels_in(p), p.in_channels, q.in_channels);
  plan.run({.x = out.data(), .w = weights.data(), .y = grad.data()}, stream);
  out.finish(stream);
}

template <class T>
void convolution_backward_weights(const Convolution& p, const T* x, const T* dy, float* dw, Stream stream) {
  p.check();
  if (p.batch == 0) {
    fit_matrix(FitMatrix{0, 1, p.weights(), 1}, static_cast<const float*>(nullptr), dw, stream);
    return;
  }
  const Convolution q = padded<T>(p);
  const cudnn::Plan& plan = plan_for({Pass::backward_weights, q, kTypeOf<T>});
  const PaddedInput<T> in(x, pixels_in(p), p.in_channels, q.in_channels, stream);
  const PaddedInput<T> grad(dy, pixels_out(p), p.out_channels, q.out_channels, stream);
  if (std::is_same_v<T, float> && p == q && aligned(dw)) {
    plan.run({.x = in.data(), .w = dw, .y = grad.data()}, stream);
    return;
  }
  const Scratch<T> full(q.weights());
  plan.run({.x = in.data(), .w = full.data(), .y = grad.data()}, stream);
  fit_matrix(fit_weights(q, p), full.data(), dw, stream);
}

#define NAGARE_INSTANTIATE(T)                                                                      \
  template void convolution(const Convolution&, const T*, const float*, const float*, T*, Stream); \
  template void convolution_backward_data(const Convolution&, const T*, const float*, T*, Stream); \
  template void convolution_backward_weights(const Convolution&, const T*, const T*, float*, Stream);
NAGARE_INSTANTIATE(float)
NAGARE_INSTANTIATE(bf16)
#undef NAGARE_INSTANTIATE

}  // namespace nagare::vendor::cuda
