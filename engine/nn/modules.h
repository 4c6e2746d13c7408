#pragma once
// Layers that own parameters. forward() is an op of engine/ops/ on them; list_state() gives torch's names.
//
// Copying a module copies handles: both then share parameters.
#include "engine/nn/init.h"
#include "engine/nn/state.h"
#include "engine/ops/batch_norm.h"
#include "engine/ops/conv2d.h"
#include "engine/ops/group_norm.h"
#include "engine/tensor/tensor.h"

namespace nagare::nn {

struct Conv2dSizes {
  std::int64_t in_channels = 0;
  std::int64_t out_channels = 0;
  std::int64_t kernel = 1;
  std::int64_t stride = 1;
  std::int64_t padding = 0;
  bool bias = false;
};

// Weights normal with Kaiming's fan-out deviation, bias 0.
struct Conv2d {
  Conv2d(const Conv2dSizes& sizes, Initializer& init);
  Tensor forward(const Tensor& x) const;  // (N, H, W, in) -> (N, H', W', out)
  void list_state(StateList& list) const;

  Tensor weight;  // (out, kernel, kernel, in)
  Tensor bias;    // (out) or undefined
  nagare::Conv2d options;
};

// gamma 1, beta 0, running mean 0 and variance 1. affine = false: no gamma and beta.
struct BatchNorm {
  BatchNorm(std::int64_t channels, Initializer& init, bool affine = true);
  // norm(x), and max(norm(x) + residual?, 0) in one pass. Training updates the running statistics and counts the batch.
  Tensor forward(const Tensor& x, bool training) const;
  Tensor forward_relu(const Tensor& x, bool training, const Tensor& residual = {}) const;
  void list_state(StateList& list) const;

  BatchNormState state;
  Tensor batches_tracked;  // i64 scalar, always on the CPU: only checkpoints read it

 private:
  Tensor apply(const Tensor& x, const nagare::BatchNorm& options, const Tensor& residual) const;
};

// Of every sample by itself, channels last; gamma 1, beta 0.
struct GroupNorm {
  GroupNorm(std::int64_t channels, std::int64_t groups, Initializer& init);
  Tensor forward(const Tensor& x) const;  // (N, ..., channels), the shape of x
  void list_state(StateList& list) const;

  Tensor gamma;  // (channels); "weight" in files
  Tensor beta;   // (channels); "bias"
  nagare::GroupNorm options;
};

// Over the last axis; gamma 1, beta 0.
struct LayerNorm {
  LayerNorm(std::int64_t channels, Initializer& init, float epsilon = 1e-5F);
  Tensor forward(const Tensor& x) const;  // (..., channels), the shape of x
  void list_state(StateList& list) const;

  Tensor gamma;  // (channels); "weight" in files
  Tensor beta;   // (channels); "bias"
  float epsilon;
};

// Weights and bias uniform in +-1 / sqrt(in), as torch's.
struct Linear {
  Linear(std::int64_t in, std::int64_t out, Initializer& init, bool with_bias = true);
  Tensor forward(const Tensor& x) const;  // (..., in) -> (..., out)
  void list_state(StateList& list) const;

  Tensor weight;  // (out, in)
  Tensor bias;    // (out) or undefined
};

}  // namespace nagare::nn
