#include "ssl/losses/supervised.h"

#include "engine/ops/softmax.h"

namespace nagare::ssl {

Tensor supervised_cross_entropy(const Tensor& logits, const SupervisedLabels& labels, float label_smoothing) {
  return cross_entropy(logits, labels.classes, label_smoothing);
}

}  // namespace nagare::ssl
