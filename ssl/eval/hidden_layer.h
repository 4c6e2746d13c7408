#pragma once
// The first hidden layer of a projector as a feature, in evaluation mode: ReLU(BN(W x + b)), without BN where the head has none.
// A head with another activation (DINO's GELU) is judged behind ReLU all the same: checkpoints hold no activation.
//
// EMP-SSL's own evaluation judges it instead of the backbone's features (Tong et al., arXiv:2304.03977, and its published
// code: 4096 wide).
#include <functional>
#include <optional>
#include <string>

#include "engine/device/errors.h"
#include "models/mlp.h"

namespace nagare::ssl {

class HiddenLayer {
 public:
  // The tensor of that name in a method's list ("projector.0.weight"), undefined when there is none.
  using Find = std::function<Tensor(const std::string&)>;

  // A copy of the layer; nullopt where there is no projector, or one without a hidden layer.
  // errors  BadCheckpoint: tensors that do not belong together
  static std::optional<HiddenLayer> of(const Find& find, Device device);

  // (N, F) features of the backbone -> (N, dim()), in their element type.
  Tensor forward(const Tensor& features) const;
  std::int64_t dim() const { return dim_; }

 private:
  explicit HiddenLayer(const models::MlpOptions& options);

  models::Mlp layer_;
  std::int64_t dim_;
};

// What is said where the layer is asked for and missing.
BadConfig no_hidden_layer();

}  // namespace nagare::ssl
