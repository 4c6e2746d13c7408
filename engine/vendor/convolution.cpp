#include "engine/vendor/convolution.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <tuple>

#include "engine/vendor/onednn.h"
#include "engine/vendor/unfolded_weights.h"

namespace nagare::vendor {

void Convolution::check() const {
  const bool sizes = batch >= 0 && height >= 1 && width >= 1 && in_channels >= 1 && out_channels >= 1 &&
                     kernel_height >= 1 && kernel_width >= 1;
  const bool window = stride >= 1 && padding >= 0 && padding < kernel_height && padding < kernel_width &&
                      height + 2 * padding >= kernel_height && width + 2 * padding >= kernel_width;
  if (!(sizes && window)) {
    const auto text = [](std::int64_t n) { return std::to_string(n); };
    throw std::invalid_argument(
        "conv2d: x (" + text(batch) + ", " + text(height) + ", " + text(width) + ", " + text(in_channels) +
        "), weight (" + text(out_channels) + ", " + text(kernel_height) + ", " + text(kernel_width) + ", " +
        text(in_channels) + "), stride " + text(stride) + ", padding " + text(padding) +
        ": need sizes and stride >= 1, 0 <= padding < kernel, a kernel no larger than the "
        "padded image");
  }
}

namespace cpu {
namespace {

using dnnl::memory;
using onednn::engine;
using onednn::Prepared;
using tag = memory::format_tag;
using type = memory::data_type;

enum class Pass { forward, forward_bias, data, weights };

struct Layouts {
  memory::desc x;
  memory::desc y;
  memory::desc weights;  // as the primitive wants them
};

struct Case {
  Prepared primitive;
  Layouts layouts;
};

struct Geometry {
  explicit Geometry(const Convolution& p)
      : x{p.batch, p.in_channels, p.height, p.width},
        y{p.batch, p.out_channels, p.out_height(), p.out_width()},
        weights{p.out_channels, p.in_channels, p.kernel_height, p.kernel_width},
        stride{p.stride, p.stride},
        before{p.padding, p.padding},
        // What the window really covers behind the image: less than `padding` where the stride does not divide.
        after{(p.out_height() - 1) * p.stride + p.kernel_height - p.height - p.padding,
              (p.out_width() - 1) * p.stride + p.kernel_width - p.width - p.padding} {}
  memory::dims x, y, weights, stride, before, after;
};

memory::desc plain_weights(const Convolution& p) { return {Geometry(p).weights, type::f32, tag::ohwi}; }
memory::desc bias_desc(const Convolution& p) { return {{p.out_channels}, type::f32, tag::a}; }

template <class PrimitiveDesc>
Case prepare(const PrimitiveDesc& desc, const Layouts& layouts) {
  return {Prepared(desc), layouts};
}

template <class T>
Case make_case(const Convolution& p, Pass pass) {
  const Geometry g(p);
  const memory::desc x(g.x, onednn::kTypeOf<T>, tag::nhwc);
  const memory::desc y(g.y, onednn::kTypeOf<T>, tag::nhwc);
  const memory::desc w(g.weights, onednn::kTypeOf<T>, tag::any);
  constexpr auto direct = dnnl::algorithm::convolution_direct;
  const auto attributes = onednn::user_scratchpad();
  const auto forward_desc = [&] {
    return pass == Pass::forward_bias
               ? dnnl::convolution_forward::desc(dnnl::prop_kind::forward_training, direct, x, w,
                                                 bias_desc(p), y, g.stride, g.before, g.after)
               : dnnl::convolution_forward::desc(dnnl::prop_kind::forward_training, direct, x, w, y, g.stride,
                                                 g.before, g.after);
  };
  const dnnl::convolution_forward::primitive_desc forward(forward_desc(), attributes, engine());
  if (pass == Pass::data) {
    const dnnl::convolution_backward_data::primitive_desc desc({direct, x, w, y, g.stride, g.before, g.after},
                                                               attributes, engine(), forward);
    return prepare(desc, {x, y, desc.weights_desc()});
  }
  if (pass == Pass::weights) {
    const memory::desc dw(g.weights, type::f32, tag::any);  // f32 also for bf16: what the optimiser wants
    const dnnl::convolution_backward_weights::primitive_desc desc(
        {direct, x, dw, y, g.stride, g.before, g.after}, attributes, engine(), forward);
    return prepare(desc, {x, y, desc.diff_weights_desc()});
  }
  return prepare(forward, {x, y, forward.weights_desc()});
}

template <class T>
const Case& find_case(const Convolution& p, Pass pass) {
  return onednn::cached<Case>(std::tuple(p, pass, sizeof(T)), [&] { return make_case<T>(p, pass); });
}

// The weights in the primitive's own layout and type.
std::shared_ptr<void> packed(const Convolution& p, const Case& c, const float* w) {
  auto block = allocate(Device::cpu, c.layouts.weights.get_size());
  onednn::reorder(plain_weights(p), w, c.layouts.weights, block.get());
  return block;
}

// The convolution whose forward pass is this one's gradient of the data (stride 1 only): dy in, dx out, the weights
// turned by half a turn and their channels exchanged.
Convolution turned(const Convolution& p) {
  return {.batch = p.batch,
          .height = p.out_height(),
          .width = p.out_width(),
          .in_channels = p.out_channels,
          .out_channels = p.in_channels,
          .kernel_height = p.kernel_height,
          .kernel_width = p.kernel_width,
          .stride = 1,
          .padding = p.kernel_height - 1 - p.padding};
}

// Where turned() is the faster way, by measurement (docs/decisions.md): oneDNN's forward kernels are its newest.
template <class T>
bool data_prefers_forward(const Convolution& p) {
  const bool possible = p.stride == 1 && p.kernel_height == p.kernel_width && p.kernel_height > 1;
  return possible && onednn::has_amx() && (std::is_same_v<T, bf16> || p.out_width() >= 8);
}

std::shared_ptr<void> packed_turned(const Convolution& p, const Case& c, const float* w) {
  const std::int64_t area = p.kernel_height * p.kernel_width;
  const auto half_turn = allocate(Device::cpu, static_cast<std::size_t>(p.weights()) * sizeof(float));
  auto* to = static_cast<float*>(half_turn.get());
  parallel_for(p.out_channels, [&](std::int64_t o) {
    for (std::int64_t k = 0; k < area; ++k) {
      std::copy_n(w + (o * area + k) * p.in_channels, p.in_channels,
                  to + ((o + 1) * area - 1 - k) * p.in_channels);
    }
  });
  // Strides that read (in, out, kernel) from memory ordered (out, kernel, in).
  const memory::desc exchanged({p.in_channels, p.out_channels, p.kernel_height, p.kernel_width}, type::f32,
                               {1, area * p.in_channels, p.kernel_width * p.in_channels, p.in_channels});
  auto block = allocate(Device::cpu, c.layouts.weights.get_size());
  onednn::reorder(exchanged, to, c.layouts.weights, block.get());
  return block;
}

}  // namespace

template <class T>
void convolution(const Convolution& p, const T* x, const float* w, const float* bias, T* y, Stream) {
  p.check();
  if (p.batch == 0) return;
  const Case& c = find_case<T>(p, bias != nullptr ? Pass::forward_bias : Pass::forward);
  const auto weights = packed(p, c, w);
  std::vector<Prepared::Argument> arguments{{DNNL_ARG_SRC, c.layouts.x, x},
                                            {DNNL_ARG_WEIGHTS, c.layouts.weights, weights.get()},
                                            {DNNL_ARG_DST, c.layouts.y, y}};
  if (bias != nullptr) arguments.push_back({DNNL_ARG_BIAS, bias_desc(p), bias});
  c.primitive.run(arguments);
}

template <class T>
void convolution_backward_data(const Convolution& p, const T* dy, const float* w, T* dx, Stream) {
  p.check();
  if (p.batch == 0) return;
  if (data_prefers_forward<T>(p)) {
    const Case& c = find_case<T>(turned(p), Pass::forward);
    const auto weights = packed_turned(p, c, w);
    c.primitive.run({{DNNL_ARG_SRC, c.layouts.x, dy},
                     {DNNL_ARG_WEIGHTS, c.layouts.weights, weights.get()},
                     {DNNL_ARG_DST, c.layouts.y, dx}});
    return;
  }
  const Case& c = find_case<T>(p, Pass::data);
  const auto weights = packed(p, c, w);
  c.primitive.run({{DNNL_ARG_DIFF_DST, c.layouts.y, dy},
                   {DNNL_ARG_WEIGHTS, c.layouts.weights, weights.get()},
                   {DNNL_ARG_DIFF_SRC, c.layouts.x, dx}});
}

template <class T>
void convolution_backward_weights(const Convolution& p, const T* x, const T* dy, float* dw, Stream) {
  p.check();
  if (p.batch == 0) {
    std::fill_n(dw, p.weights(), 0.0F);
    return;
  }
  if (weights_prefer_product<T>(p)) return unfolded_backward_weights(p, x, dy, dw);
  const Case& c = find_case<T>(p, Pass::weights);
  const memory::desc plain = plain_weights(p);
  const bool same = c.layouts.weights == plain;
  const auto block = same ? nullptr : allocate(Device::cpu, c.layouts.weights.get_size());
  c.primitive.run({{DNNL_ARG_SRC, c.layouts.x, x},
                   {DNNL_ARG_DIFF_DST, c.layouts.y, dy},
                   {DNNL_ARG_DIFF_WEIGHTS, c.layouts.weights, same ? dw : block.get()}});
  if (!same) onednn::reorder(c.layouts.weights, block.get(), plain, dw);
}

template void convolution(const Convolution&, const float*, const float*, const float*, float*, Stream);
template void convolution(const Convolution&, const bf16*, const float*, const float*, bf16*, Stream);
template void convolution_backward_data(const Convolution&, const float*, const float*, float*, Stream);
template void convolution_backward_data(const Convolution&, const bf16*, const float*, bf16*, Stream);
template void convolution_backward_weights(const Convolution&, const float*, const float*, float*, Stream);
template void convolution_backward_weights(const Convolution&, const bf16*, const bf16*, float*, Stream);

}  // namespace cpu
}  // namespace nagare::vendor
