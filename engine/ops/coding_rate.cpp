#include "engine/ops/coding_rate.h"

#include <stdexcept>

#include "engine/autograd/tape.h"
#include "engine/device/errors.h"
#include "engine/device/memory.h"
#include "engine/ops/elementwise.h"
#include "engine/vendor/large_coding_rate.h"
#include "kernels/coding_rate.h"
#include "kernels/dispatch.h"

namespace nagare {
namespace {

using kernels::CodingRate;
using kernels::CodingRateResult;

CodingRate problem(const Tensor& z, float alpha) {
  const bool activation = z.dtype() == DType::f32 || z.dtype() == DType::bf16;
  if (z.shape().rank() != 3 || !activation) {
    throw std::invalid_argument("coding_rate: z " + to_string(z.shape()) + " " + to_string(z.dtype()) +
                                ": need (n, b, d) f32 or bf16");
  }
  const CodingRate p{.batch = z.shape()[0], .samples = z.shape()[1], .dim = z.shape()[2], .alpha = alpha};
  p.check();
  return p;
}

// What the backward needs of the forward.
struct Saved {
  Saved(const CodingRate& p, Device device)
      : factor(Tensor::empty({p.factor_size()}, {DType::f32, device})),
        status_block(allocate(device, static_cast<std::size_t>(p.batch) * sizeof(std::int32_t))) {}
  std::int32_t* status() const { return static_cast<std::int32_t*>(status_block.get()); }

  Tensor factor;
  std::shared_ptr<void> status_block;
};

// A factor that does not fit in a block's shared memory is left to NVIDIA's libraries.
bool is_large(const CodingRate& p, Device device) {
  return device == Device::cuda && p.order() > CodingRate::kLargestSharedOrder;
}

void forward(const CodingRate& p, const Tensor& z, const Saved& saved, const CodingRateResult& result) {
  for_activation_type("coding_rate", z.dtype(), [&]<class T>(T) {
    float* factor = saved.factor.data<float>();
    if constexpr (kBuiltWithCuda) {
      if (is_large(p, z.device())) {
        return vendor::cuda::large_coding_rate(p, z.data<T>(), factor, result, z.stream());
      }
    }
    const Tensor scratch = Tensor::empty({p.forward_scratch()}, saved.factor.options());
    NAGARE_DISPATCH(z.device(),
                    coding_rate(p, z.data<T>(), factor, result, scratch.data<float>(), z.stream()));
  });
}

void backward(const CodingRate& p, const Tensor& z, const Saved& saved, const float* drate, float* dz) {
  for_activation_type("coding_rate", z.dtype(), [&]<class T>(T) {
    const float* factor = saved.factor.data<float>();
    if constexpr (kBuiltWithCuda) {
      if (is_large(p, z.device())) {
        return vendor::cuda::large_coding_rate_backward(p, z.data<T>(), factor, saved.status(), drate, dz,
                                                        z.stream());
      }
    }
    const Tensor scratch = Tensor::empty({p.backward_scratch<T>()}, saved.factor.options());
    NAGARE_DISPATCH(z.device(), coding_rate_backward(p, z.data<T>(), factor, saved.status(), drate, dz,
                                                     scratch.data<float>(), z.stream()));
  });
}

// On the CPU, where looking costs nothing.
void refuse_bad(const Tensor& z, const Saved& saved) {
  for (std::int64_t i = 0; i < z.shape()[0]; ++i) {
    const std::int32_t status = saved.status()[i];
    if (status == 0) continue;
    throw Diverged(
        "coding_rate: matrix " + std::to_string(i) + " of " + to_string(z.shape()) + ": row " +
        std::to_string(status - 1) +
        " of the factor of I + alpha z z^T has no positive, finite pivot: its features are not finite or "
        "too large");
  }
}

}  // namespace

Tensor coding_rate(const Tensor& z, float alpha) {
  const CodingRate p = problem(z, alpha);
  const Saved saved(p, z.device());
  const TensorOptions f32{DType::f32, z.device()};
  const Tensor rate = Tensor::empty({p.batch}, f32);
  const Tensor least = Tensor::empty({p.batch}, f32);
  forward(p, z, saved, {rate.data<float>(), least.data<float>(), saved.status()});
  if (z.device() == Device::cpu) refuse_bad(z, saved);
  return tape::record(rate, {z}, [p, z = z.detach(), saved](const Tensor& drate) -> std::vector<Tensor> {
    const Tensor dz = Tensor::empty(z.shape(), {DType::f32, z.device()});
    backward(p, z, saved, drate.data<float>(), dz.data<float>());
    return {cast(dz, z.dtype())};
  });
}

}  // namespace nagare
