#include "engine/ops/matmul.h"

#include <algorithm>
#include <stdexcept>

#include "engine/autograd/tape.h"
#include "engine/vendor/dispatch.h"
#include "engine/vendor/matrix_product.h"

namespace nagare {
namespace {

using vendor::MatrixProduct;

MatrixProduct checked(const Tensor& a, const Tensor& b, const Matmul& options) {
  const Shape& sa = a.shape();
  const Shape& sb = b.shape();
  const bool matrices = sa.rank() >= 2 && sa.rank() == sb.rank() && a.dtype() == b.dtype() &&
                        std::ranges::equal(sa.sizes().first(static_cast<std::size_t>(sa.rank() - 2)),
                                           sb.sizes().first(static_cast<std::size_t>(sa.rank() - 2)));
  const std::int64_t inner = matrices ? sa[options.transpose_a ? -2 : -1] : 0;
  if (!matrices || inner != sb[options.transpose_b ? -1 : -2]) {
    const auto text = [](const Tensor& t, bool transposed) {
      return to_string(t.shape()) + " " + to_string(t.dtype()) + (transposed ? " transposed" : "");
    };
    throw std::invalid_argument("matmul: a " + text(a, options.transpose_a) + ", b " +
                                text(b, options.transpose_b) +
                                ": need equal leading axes and types, and a's columns equal to b's rows");
  }
  std::int64_t batch = 1;
  for (int axis = 0; axis < sa.rank() - 2; ++axis) batch *= sa[axis];
  return {.batch = batch,
          .rows = sa[options.transpose_a ? -1 : -2],
          .cols = sb[options.transpose_b ? -2 : -1],
          .inner = inner,
          .transpose_a = options.transpose_a,
          .transpose_b = options.transpose_b};
}

template <class T>
void product(const MatrixProduct& p, const Tensor& a, const Tensor& b, const Tensor& c) {
  NAGARE_VENDOR_DISPATCH(c.device(),
                         matrix_product(p, a.data<T>(), b.data<T>(), nullptr, c.data<T>(), c.stream()));
}

// With A = op(a), B = op(b):  dA = dC B^T, dB = A^T dC; where op transposes, the transposed product is formed
// instead.
template <class T>
Tensor gradient_of_a(const MatrixProduct& p, const Tensor& a, const Tensor& b, const Tensor& dc) {
  const Tensor da = empty_like(a);
  if (p.transpose_a) {
    product<T>({p.batch, p.inner, p.rows, p.cols, p.transpose_b, true}, b, dc, da);
  } else {
    product<T>({p.batch, p.rows, p.inner, p.cols, false, !p.transpose_b}, dc, b, da);
  }
  return da;
}

template <class T>
Tensor gradient_of_b(const MatrixProduct& p, const Tensor& a, const Tensor& b, const Tensor& dc) {
  const Tensor db = empty_like(b);
  if (p.transpose_b) {
    product<T>({p.batch, p.cols, p.inner, p.rows, true, p.transpose_a}, dc, a, db);
  } else {
    product<T>({p.batch, p.inner, p.cols, p.rows, !p.transpose_a, false}, a, dc, db);
  }
  return db;
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b, const Matmul& options) {
  const MatrixProduct p = checked(a, b, options);
  std::vector<std::int64_t> sizes(a.shape().sizes().begin(), a.shape().sizes().end());
  sizes[sizes.size() - 2] = p.rows;
  sizes.back() = p.cols;
  const Tensor c = Tensor::empty(Shape(sizes), a.options());
  for_activation_type("matmul", a.dtype(), [&]<class T>(T) { product<T>(p, a, b, c); });
  return tape::record(c, {a, b},
                      [p, a = a.detach(), b = b.detach(), a_needs = a.requires_grad(),
                       b_needs = b.requires_grad()](const Tensor& dc) -> std::vector<Tensor> {
                        return for_activation_type("matmul", dc.dtype(), [&]<class T>(T) {
                          return std::vector<Tensor>{a_needs ? gradient_of_a<T>(p, a, b, dc) : Tensor(),
                                                     b_needs ? gradient_of_b<T>(p, a, b, dc) : Tensor()};
                        });
                      });
}

}  // namespace nagare
