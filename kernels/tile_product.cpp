#include "kernels/tile_product.h"

#include <array>
#include <map>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/onednn_memory.h"
#include "kernels/parallel.h"

namespace nagare::kernels::cpu {
namespace {

using dnnl::memory;

// A bf16 product prepared for its sizes, with scratch memory of its own: one per thread.
struct Prepared {
  dnnl::matmul primitive;
  memory a;
  memory b;
  memory c;
  memory scratchpad;
};

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

Prepared prepare(const TileProduct& p) {
  const auto strided = [](std::int64_t rows, std::int64_t cols, std::int64_t stride, bool transposed) {
    return memory::desc({rows, cols}, memory::data_type::bf16,
                        transposed ? memory::dims{1, stride} : memory::dims{stride, 1});
  };
  const memory::desc a = strided(p.rows, p.inner, p.stride_a, p.transpose_a);
  const memory::desc b = strided(p.inner, p.cols, p.stride_b, p.transpose_b);
  const memory::desc c({p.rows, p.cols}, memory::data_type::f32, memory::format_tag::ab);
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  const dnnl::matmul::primitive_desc desc({a, b, c}, attributes, engine());
  return {dnnl::matmul(desc), memory(a, engine(), nullptr), memory(b, engine(), nullptr),
          memory(c, engine(), nullptr), memory(desc.scratchpad_desc(), engine())};
}

Prepared& prepared(const TileProduct& p) {
  using Key = std::array<std::int64_t, 7>;
  thread_local std::map<Key, Prepared> cache;
  // The shape of a ragged last tile comes and goes; a handful of shapes is one kernel's.
  if (cache.size() > 64) cache.clear();
  const Key key{p.rows, p.cols, p.inner, p.stride_a, p.stride_b, p.transpose_a, p.transpose_b};
  auto found = cache.find(key);
  if (found == cache.end()) found = cache.emplace(key, with_onednn_memory([&] { return prepare(p); })).first;
  return found->second;
}

}  // namespace

void TileProduct::check() const {
  const bool sizes = rows >= 1 && cols >= 1 && inner >= 1;
  const bool strides = stride_a >= (transpose_a ? rows : inner) && stride_b >= (transpose_b ? inner : cols) &&
                       stride_c >= cols;
  if (!sizes || !strides) {
    throw std::invalid_argument("tile_product: (" + std::to_string(rows) + ", " + std::to_string(inner) +
                                ") x (" + std::to_string(inner) + ", " + std::to_string(cols) +
                                "), row strides " + std::to_string(stride_a) + ", " +
                                std::to_string(stride_b) + ", " + std::to_string(stride_c) +
                                ": need sizes >= 1 and strides of at least a stored row");
  }
}

void tile_product(const TileProduct& p, const float* a, const float* b, float* c) {
  p.check();
  const OneThread guard;
  const dnnl_status_t status =
      dnnl_sgemm(p.transpose_a ? 'T' : 'N', p.transpose_b ? 'T' : 'N', p.rows, p.cols, p.inner, p.scale, a,
                 p.stride_a, b, p.stride_b, p.keep, c, p.stride_c);
  with_onednn_memory([&] { dnnl::error::wrap_c_api(status, "tile_product: dnnl_sgemm"); });
}

void tile_product(const TileProduct& p, const bf16* a, const bf16* b, float* c) {
  p.check();
  if (p.scale != 1.0F || p.keep != 0.0F || p.stride_c != p.cols) {
    throw std::invalid_argument("tile_product: bf16 with scale " + std::to_string(p.scale) + ", keep " +
                                std::to_string(p.keep) + ", row stride of c " + std::to_string(p.stride_c) +
                                ": need 1, 0 and " + std::to_string(p.cols));
  }
  const OneThread guard;
  thread_local dnnl::stream stream = with_onednn_memory([] { return dnnl::stream(engine()); });
  Prepared& found = prepared(p);
  found.a.set_data_handle(const_cast<bf16*>(a));
  found.b.set_data_handle(const_cast<bf16*>(b));
  found.c.set_data_handle(c);
  with_onednn_memory([&] {
    found.primitive.execute(stream, {{DNNL_ARG_SRC, found.a},
                                     {DNNL_ARG_WEIGHTS, found.b},
                                     {DNNL_ARG_DST, found.c},
                                     {DNNL_ARG_SCRATCHPAD, found.scratchpad}});
    stream.wait();
  });
}

}  // namespace nagare::kernels::cpu
