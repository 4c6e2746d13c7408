#pragma once
// A progressive network of ResNet-18 columns: one for every task, each fed by what the older ones make of the image.
//
//   column k, stage s    x <- x + ReLU(V (alpha * [x_0; ...; x_k-1])),  then the stage's two blocks, s = 1 .. 4
//     x                  its own input to the stage: of the stage before, of the stem for the first
//     x_j                the same of column j < k, which is frozen: running statistics, no gradient
//     alpha              one factor per channel of all older columns, 0.01 at first;  V  a 1x1 convolution to x's channels
//
// All columns are there from the beginning, so that a checkpoint has one size; in_use() of them count, and a forward pass
// costs that many. Parameters without a gradient are left alone by optimisers: older and later columns stay as they are.
//
// names   columns.K.* as resnet18's; laterals.K.S.alpha, laterals.K.S.conv.weight; in_use
// clone   shares in_use: a momentum copy of the network grows with it
// source  Rusu et al., arXiv 1606.04671, eq. 2; at the grain of stages, and U of that equation is the stage itself: ours
#include <array>
#include <memory>
#include <vector>

#include "models/resnet.h"

namespace nagare::models {

class Progressive final : public Backbone {
 public:
  // columns >= 1: std::invalid_argument otherwise.
  Progressive(const ResNetOptions& options, std::int64_t columns);
  ~Progressive() override;

  // Features of the newest column in use.
  Tensor forward(const Tensor& images, bool training) override;
  bool knows_tasks() const override { return true; }
  // Features of column min(task, in_use() - 1).
  Tensor task_features(const Tensor& images, std::int64_t task) override;
  std::int64_t feature_dim() const override { return 8 * options_.width; }
  void list_state(nn::StateList& list) const override;
  std::unique_ptr<Backbone> clone() const override;

  std::int64_t columns() const { return static_cast<std::int64_t>(columns_.size()); }
  std::int64_t in_use() const { return *in_use_.data<std::int64_t>(); }
  // The next column becomes the newest. std::invalid_argument when there is none.
  void grow();

 private:
  struct Lateral;

  Tensor column_features(const Tensor& images, std::int64_t column, bool training) const;

  ResNetOptions options_;
  std::vector<std::unique_ptr<ResNet>> columns_;
  std::vector<std::array<Lateral, 4>> laterals_;  // of columns 1 and on
  Tensor in_use_;                                 // i64 scalar
};

}  // namespace nagare::models
