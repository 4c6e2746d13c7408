#include "engine/ops/column_sums.h"

#include "engine/vendor/dispatch.h"
#include "engine/vendor/matrix_product.h"

namespace nagare {

// A row of ones times x: the library's product is parallel and keeps a fixed order.
Tensor column_sums(const Tensor& x) {
  const vendor::MatrixProduct p{.rows = 1, .cols = x.shape().back(), .inner = x.shape().rows()};
  const Tensor ones = Tensor::full({p.inner}, 1.0F, x.options());
  const Tensor sums = Tensor::empty({p.cols}, {.dtype = DType::f32, .device = x.device()});
  for_activation_type("column_sums", x.dtype(), [&]<class T>(T) {
    NAGARE_VENDOR_DISPATCH(
        x.device(), matrix_product(p, ones.data<T>(), x.data<T>(), nullptr, sums.data<float>(), x.stream()));
  });
  return sums;
}

}  // namespace nagare
