#include "engine/ops/cosine.h"

#include <stdexcept>

#include "engine/ops/check.h"
#include "engine/ops/prepared_gradients.h"
#include "kernels/cosine.h"
#include "kernels/dispatch.h"

namespace nagare {
Tensor mean_cosine(const Tensor& a, const Tensor& b, const MeanCosine& options) {
  check_activation("mean_cosine", a);
  check_same_kind("mean_cosine", a, b);
  if (a.shape().rank() != 2 || a.numel() == 0) {
    throw std::invalid_argument("mean_cosine: a " + to_string(a.shape()) +
                                ": need (rows, dim), both at least 1");
  }
  const kernels::Cosine p{.rows = a.shape()[0],
                          .cols = a.shape()[1],
                          .epsilon = options.epsilon,
                          .weight = options.weight / static_cast<float>(a.shape()[0])};
  const TensorOptions f32{.dtype = DType::f32, .device = a.device()};
  const Tensor cosines = Tensor::empty({p.rows}, f32);
  const Tensor loss = Tensor::empty({}, f32);
  const Tensor da = empty_gradient(a);
  const Tensor db = empty_gradient(b);
  for_activation_type("mean_cosine", a.dtype(), [&]<class T>(T) {
    const kernels::CosineOutputs<T> out{.cosines = cosines.data<float>(),
                                        .loss = loss.data<float>(),
                                        .da = data_or_null<T>(da),
                                        .db = data_or_null<T>(db)};
    NAGARE_DISPATCH(a.device(), cosine(p, a.data<T>(), b.data<T>(), out, a.stream()));
  });
  return record_prepared("mean_cosine", loss, {a, b}, {da, db});
}

Tensor mean_patch_cosine(const Tensor& z, const MeanCosine& options) {
  check_activation("mean_patch_cosine", z);
  if (z.shape().rank() != 3 || z.numel() == 0) {
    throw std::invalid_argument("mean_patch_cosine: z " + to_string(z.shape()) +
                                ": need (patches, batch, dim), all at least 1");
  }
  const std::int64_t pairs = z.shape()[0] * z.shape()[1];
  const kernels::PatchCosine p{.patches = z.shape()[0],
                               .batch = z.shape()[1],
                               .dim = z.shape()[2],
                               .epsilon = options.epsilon,
                               .weight = options.weight / static_cast<float>(pairs)};
  const TensorOptions f32{.dtype = DType::f32, .device = z.device()};
  const Tensor scratch = Tensor::empty({p.scratch_floats()}, f32);
  const Tensor cosines = Tensor::empty({pairs}, f32);
  const Tensor loss = Tensor::empty({}, f32);
  const Tensor dz = empty_gradient(z);
  for_activation_type("mean_patch_cosine", z.dtype(), [&]<class T>(T) {
    const kernels::PatchCosineOutputs<T> out{
        .cosines = cosines.data<float>(), .loss = loss.data<float>(), .dz = data_or_null<T>(dz)};
    NAGARE_DISPATCH(z.device(), patch_cosine(p, z.data<T>(), scratch.data<float>(), out, z.stream()));
  });
  return record_prepared("mean_patch_cosine", loss, {z}, {dz});
}

}  // namespace nagare
