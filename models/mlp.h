#pragma once
// Projection and prediction heads: Linear layers with batch norm and an activation between them.
//
//   hidden   h = a(BN(Linear(h)))          or a(Linear(h)) without hidden_norm
//   last     y = Linear(h)                 or BN(Linear(h)) with output_norm
//
// names     as torch's Sequential counts them, activations included: 0.weight, 1.weight (batch norm), 3.weight, ...
// init      torch's: weights and biases uniform in +-1 / sqrt(in), norms 1 and 0; or, with weight_deviation, weights normal with
//           that deviation and biases 0
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engine/nn/modules.h"
#include "models/activation.h"

namespace nagare::models {

struct MlpOptions {
  std::vector<std::int64_t> widths;  // in, hidden ..., out; at least two
  bool hidden_norm = true;
  bool hidden_bias = false;        // biases of the hidden Linear layers; a batch norm makes them useless
  bool output_bias = true;         // of the last Linear layer
  bool output_norm = false;        // batch norm behind it
  bool output_norm_affine = true;  // with scale and shift
  Activation activation = Activation::relu;
  double weight_deviation = 0.0;  // 0: torch's
  std::uint64_t seed = 0;
  Device device = Device::cpu;
};

class Mlp {
 public:
  explicit Mlp(const MlpOptions& options);

  // (..., widths.front()) -> (..., widths.back()), in the type of x.
  Tensor forward(const Tensor& x, bool training) const;
  void list_state(nn::StateList& list) const;

 private:
  struct Layer {
    nn::Linear linear;
    std::vector<nn::BatchNorm> norm;  // none or one
    bool last;
  };

  Activation activation_;
  std::vector<Layer> layers_;
};

}  // namespace nagare::models
