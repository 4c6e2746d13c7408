#pragma once
// What flows through a training step. Labels are not among it: a method cannot see what it must not use.
#include <cstdint>
#include <string>
#include <vector>

#include "engine/tensor/tensor.h"

namespace nagare::ssl {

// Images as they lie in the data set, before augmentation.
struct Batch {
  Tensor images;  // (B, H, W, 3) u8, on the training device
  // B arriving images: the augmentation's random key. The index into the training set, and more than that for the frames
  // of a run (ssl/streams/motion.h: image_of).
  std::vector<std::int64_t> ids;
  std::int64_t position = 0;  // images of the stream that came before this batch
  std::int64_t task = 0;      // for logs and task-aware strategies; hidden streams leave it 0
};

// Augmented images: view-major, row v * B + i is view v of image i.
struct Views {
  Tensor images;           // (V * B, S, S, 3), f32 or bf16
  std::int64_t views = 0;  // V
  std::int64_t batch = 0;  // B
};

// Class labels of a batch. Only SupervisedMethod and the evaluator take this type.
struct SupervisedLabels {
  Tensor classes;  // (B) i64
};

struct Metric {
  std::string name;
  double value = 0.0;
};

// One row for every view of every image, with history, in the blocks in which a method's forward passes made them: V of
// (B, D), or one of (V B, D). One after the other they are view-major, as Views are. f32 or bf16.
struct ViewRows {
  std::vector<Tensor> blocks;

  // All rows: (V B, D).
  Tensor all() const;
  // The rows of one of `views` views: (B, D).
  Tensor view(std::int64_t v, std::int64_t views) const;
};

// What a method's forward pass gives the training loop.
struct StepOutput {
  Tensor loss;       // scalar f32 with history
  Tensor embedding;  // (B, D) f32, detached, unit rows: one vector per image, for buffers that compare images
  ViewRows features = {};     // the backbone's, D = F, of the network that is trained
  ViewRows projections = {};  // as the method's loss takes them: before a predictor; a classifier's logits
  std::vector<Metric> metrics = {};  // parts of the loss, for the log
};

}  // namespace nagare::ssl
