#include "engine/ops/prepared_gradients.h"

#include "kernels/dispatch.h"
#include "kernels/elementwise.h"

namespace nagare {

Tensor record_prepared(const char* op, const Tensor& loss, const std::vector<Tensor>& inputs,
                       std::vector<Tensor> gradients) {
  return tape::record(
      loss, inputs, [op, gradients = std::move(gradients)](const Tensor& dloss) -> std::vector<Tensor> {
        for (const Tensor& g : gradients) {
          if (!g.defined()) continue;
          for_activation_type(op, g.dtype(), [&]<class T>(T) {
            NAGARE_DISPATCH(g.device(), scale_by(g.numel(), dloss.data<float>(), g.data<T>(), g.stream()));
          });
        }
        return gradients;
      });
}

}  // namespace nagare
