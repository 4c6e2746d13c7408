#include "ssl/eval/fine_tune.h"

#include <algorithm>

#include "engine/autograd/tape.h"
#include "engine/device/errors.h"
#include "ssl/eval/classifier.h"
#include "ssl/losses/supervised.h"

namespace nagare::ssl {

Scores fine_tune(const FineTuneProtocol& protocol, const FineTuneTask& task, const NetworkView& network) {
  const auto count = static_cast<std::int64_t>(task.ids.size());
  if (count < 2) {
    throw BadConfig("fine-tuning: " + std::to_string(count) +
                    " labelled image, and batch norm needs 2; use more labels");
  }
  const std::unique_ptr<models::Backbone> backbone = network.backbone.clone();
  nn::StateList state;
  backbone->list_state(state);
  const Classifier classifier(backbone->feature_dim(), task.classes, protocol.init, task.seed,
                              network.input.device);
  const optim::OptimizerOptions sgd{.momentum = 0.9, .nesterov = protocol.nesterov};
  const auto slow = optim::make_optimizer(sgd, state.parameters());
  const auto fast = optim::make_optimizer(sgd, classifier.parameters());
  EpochSchedule schedule = protocol.schedule;
  schedule.epochs = task.rates.epochs;
  const std::int64_t batch = std::min(protocol.batch, count);
  const double scale = protocol.per_256 ? static_cast<double>(batch) / 256.0 : 1.0;
  for (std::int64_t epoch = 0; epoch < schedule.epochs; ++epoch) {
    for (const auto& places : epoch_batches(count, batch, epoch, task.seed)) {
      network.input.go_on();
      std::vector<std::int64_t> ids;
      for (const std::int64_t place : places) ids.push_back(task.ids[static_cast<std::size_t>(place)]);
      const Tensor images = cropped_images(network.bank_images, ids, network.input, 0.08F, task.seed, epoch);
      const Tensor logits = classifier.logits(backbone->forward(images, /*training=*/true));
      const Tensor loss =
          supervised_cross_entropy(logits, batch_labels(task.labels, ids, network.input.device));
      slow->clear_gradients();
      fast->clear_gradients();
      tape::backward(loss);
      slow->step(task.rates.backbone * scale * schedule.factor(epoch));
      fast->step(task.rates.head * scale * schedule.factor(epoch));
    }
  }
  const Tensor queries = extract_features(*backbone, network.query_images, network.input, network.batch);
  return classifier.scores(queries, static_cast<double>(schedule.epochs));
}

}  // namespace nagare::ssl
