#pragma once
// Judges a frozen backbone by readouts of its features: over all queries, and for the classes of every task.
//
// The only reader of labels beside the supervised baselines. Bank (training images) and queries (test images) are
// evaluation images, the network runs in evaluation mode, and nothing that training uses is changed or drawn from: weights
// are the same bits with and without evaluations. A query is compared with the whole bank and not told its task, but for
// readouts that say so (readout.h). Images of classes that no task has are left out.
// deterministic  the same bits from run to run and for any number of threads
// cost           one forward pass over bank and queries, whatever the number of readouts; bags, crops and fine-tuning more
#include <cstdint>
#include <string>
#include <vector>

#include "ssl/data/dataset.h"
#include "ssl/eval/bag.h"
#include "ssl/eval/evaluation.h"
#include "ssl/eval/feature_input.h"
#include "ssl/eval/readout.h"
#include "ssl/eval/scores.h"

namespace nagare::ssl {

struct EvaluationOptions {
  std::string readouts = "knn";  // see readout.h
  std::int64_t neighbours = 20;  // k, >= 1
  float temperature = 0.07F;     // > 0
  std::int64_t bank_images = 0;  // training images in the bank, evenly spaced; 0: all
  std::int64_t test_images = 0;  // queries, evenly spaced; 0: all
  std::int64_t batch = 256;      // images in one forward pass
  bool augment = false;     // linear probes see crops, as published, not the same features in every epoch
  std::int64_t epochs = 0;  // of linear probes and fine-tuning; 0: as published
  std::int64_t measure_images = 1024;  // test images for the measures without labels; 0: none
  BagOptions bag = {};                 // of the readouts bag:...
  std::uint64_t seed = 0;              // draws labelled subsets and the order of their images
};

class Evaluator {
 public:
  // tasks: whose accuracies are told apart. Keeps references to the data set.
  // errors  BadConfig for options out of range, BadData without training or test images
  Evaluator(const Dataset& dataset, Tasks tasks, const EvaluationOptions& options);

  // tasks_seen  how many tasks have begun, >= 1; some readouts depend on it
  // hidden      the projector's first hidden layer; needed where needs_hidden_layer()
  // errors      BadConfig without it; GivenUp as soon as input.given_up() says so
  Evaluation evaluate(models::Backbone& backbone, const FeatureInput& input, std::int64_t tasks_seen,
                      const HiddenLayer* hidden = nullptr) const;
  // Whether a readout looks at bags of that layer's features.
  bool needs_hidden_layer() const;

  // The readouts' specs, in the order of Evaluation::readouts.
  std::vector<std::string> readout_names() const;
  // The test images that are judged: (Q, H, W, 3) u8.
  const Tensor& query_images() const { return queries_.images; }
  std::int64_t tasks() const { return static_cast<std::int64_t>(tasks_.size()); }

 private:
  Split bank_;
  Split queries_;
  Tasks tasks_;
  std::int64_t classes_;
  EvaluationOptions options_;
  std::vector<Readout> readouts_;
};

}  // namespace nagare::ssl
