#include "engine/vendor/matrix_product.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <tuple>

#include "engine/vendor/onednn.h"

namespace nagare::vendor {

void MatrixProduct::check() const {
  if (batch < 0 || rows < 0 || cols < 0 || inner < 0) {
    throw std::invalid_argument("matmul: batch " + std::to_string(batch) + ", rows " + std::to_string(rows) +
                                ", columns " + std::to_string(cols) + ", inner size " +
                                std::to_string(inner) + ": need sizes >= 0");
  }
}

namespace cpu {
namespace {

using dnnl::memory;
using onednn::Prepared;
using tag = memory::format_tag;

struct Layouts {
  memory::desc a;
  memory::desc b;
  memory::desc c;
  memory::desc bias;
};

struct Case {
  Prepared primitive;
  Layouts layouts;
};

// A transposed operand is the same memory under swapped strides.
memory::desc matrix(std::int64_t batch, std::int64_t rows, std::int64_t cols, memory::data_type type,
                    bool transposed) {
  if (batch == 1) return {{rows, cols}, type, transposed ? tag::ba : tag::ab};
  return {{batch, rows, cols}, type, transposed ? tag::acb : tag::abc};
}

template <class T, class Out>
Case make_case(const MatrixProduct& p, bool with_bias) {
  constexpr auto type = onednn::kTypeOf<T>;
  Layouts l{matrix(p.batch, p.rows, p.inner, type, p.transpose_a),
            matrix(p.batch, p.inner, p.cols, type, p.transpose_b),
            matrix(p.batch, p.rows, p.cols, onednn::kTypeOf<Out>, false),
            p.batch == 1 ? memory::desc({1, p.cols}, memory::data_type::f32, tag::ab)
                         : memory::desc({1, 1, p.cols}, memory::data_type::f32, tag::abc)};
  const auto desc = with_bias ? dnnl::matmul::desc(l.a, l.b, l.bias, l.c) : dnnl::matmul::desc(l.a, l.b, l.c);
  return {Prepared(dnnl::matmul::primitive_desc(desc, onednn::user_scratchpad(), onednn::engine())), l};
}

template <class Out>
void fill_rows(std::int64_t rows, std::int64_t cols, const float* bias, Out* c) {
  for (std::int64_t i = 0; i < rows * cols; ++i) store(c + i, bias != nullptr ? bias[i % cols] : 0.0F);
}

}  // namespace

template <class T, class Out>
void matrix_product(const MatrixProduct& p, const T* a, const T* b, const float* bias, Out* c, Stream) {
  p.check();
  if (p.batch * p.rows * p.cols == 0) return;
  if (p.inner == 0) return fill_rows(p.batch * p.rows, p.cols, bias, c);
  const Case& found = onednn::cached<Case>(std::tuple(p, bias != nullptr, sizeof(T), sizeof(Out)),
                                           [&] { return make_case<T, Out>(p, bias != nullptr); });
  const Layouts& l = found.layouts;
  std::vector<Prepared::Argument> arguments{
      {DNNL_ARG_SRC, l.a, a}, {DNNL_ARG_WEIGHTS, l.b, b}, {DNNL_ARG_DST, l.c, c}};
  if (bias != nullptr) arguments.push_back({DNNL_ARG_BIAS, l.bias, bias});
  found.primitive.run(arguments);
}

std::string library_version() {
  const dnnl_version_t& v = *dnnl::version();
  return "oneDNN " + std::to_string(v.major) + "." + std::to_string(v.minor) + "." + std::to_string(v.patch);
}

template void matrix_product(const MatrixProduct&, const float*, const float*, const float*, float*, Stream);
template void matrix_product(const MatrixProduct&, const bf16*, const bf16*, const float*, bf16*, Stream);
template void matrix_product(const MatrixProduct&, const bf16*, const bf16*, const float*, float*, Stream);

}  // namespace cpu
}  // namespace nagare::vendor
