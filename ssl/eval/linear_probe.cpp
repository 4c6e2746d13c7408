#include "ssl/eval/linear_probe.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "engine/autograd/tape.h"
#include "engine/nn/modules.h"
#include "engine/ops/linear.h"
#include "kernels/philox.h"
#include "ssl/eval/classifier.h"
#include "ssl/losses/supervised.h"

namespace nagare::ssl {

double EpochSchedule::factor(std::int64_t epoch) const {
  if (cosine) {
    return 0.5 *
           (1.0 + std::cos(std::numbers::pi * static_cast<double>(epoch) / static_cast<double>(epochs)));
  }
  const auto passed = std::ranges::count_if(milestones, [&](std::int64_t m) { return m <= epoch; });
  return std::pow(gamma, static_cast<double>(passed));
}

std::vector<std::vector<std::int64_t>> epoch_batches(std::int64_t count, std::int64_t batch,
                                                     std::int64_t epoch, std::uint64_t seed) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  Philox random({.seed = seed, .purpose = Purpose::evaluation, .step = static_cast<std::uint32_t>(epoch)});
  for (std::size_t i = order.size(); i > 1; --i)
    std::swap(order[i - 1], order[random.below(static_cast<std::uint32_t>(i))]);
  std::vector<std::vector<std::int64_t>> batches;
  for (std::int64_t begin = 0; begin < count; begin += batch) {
    const std::int64_t size = std::min(batch, count - begin);
    const auto first = order.begin() + static_cast<std::ptrdiff_t>(begin);
    if (size == 1 && !batches.empty()) {
      batches.back().push_back(*first);
    } else {
      batches.emplace_back(first, first + static_cast<std::ptrdiff_t>(size));
    }
  }
  return batches;
}

Scores linear_probe(const LinearProtocol& protocol, const LinearTask& task, const Tensor& queries) {
  const auto count = static_cast<std::int64_t>(task.labels.size());
  const std::int64_t batch = std::min(protocol.batch, count);
  const Classifier classifier(task.feature_dim, task.classes, protocol.init, task.seed, task.device);
  const auto optimizer = optim::make_optimizer(protocol.optimizer, classifier.parameters());
  const double rate = protocol.rate * (protocol.per_256 ? static_cast<double>(batch) / 256.0 : 1.0);
  for (std::int64_t epoch = 0; epoch < protocol.schedule.epochs; ++epoch) {
    for (const auto& ids : epoch_batches(count, batch, epoch, task.seed)) {
      const Tensor loss = supervised_cross_entropy(classifier.logits(task.features(ids, epoch)),
                                                   batch_labels(task.labels, ids, task.device));
      optimizer->clear_gradients();
      tape::backward(loss);
      optimizer->step(rate * protocol.schedule.factor(epoch));
    }
  }
  return classifier.scores(queries, static_cast<double>(protocol.schedule.epochs));
}

}  // namespace nagare::ssl
