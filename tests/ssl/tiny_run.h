#pragma once
// A whole training run in milliseconds: 4 classes of 8 images of 8 x 8 pixels, two tasks, a ResNet-18 of width 2.
#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "kernels/philox.h"
#include "models/backbone.h"
#include "ssl/methods/table.h"
#include "ssl/strategies/table.h"
#include "ssl/train/trainer.h"

namespace nagare::ssl::test {

constexpr std::int64_t kTinySize = 8;
constexpr std::int64_t kTinyBatch = 8;
constexpr std::int64_t kTinyImages = 32;

inline Split tiny_split(std::uint32_t seed) {
  std::vector<std::uint8_t> pixels;
  std::vector<std::int64_t> classes;
  for (std::int64_t i = 0; i < kTinyImages; ++i) {
    const std::int64_t label = i % 4;
    Philox random({.seed = seed, .purpose = Purpose::synthetic, .sample = static_cast<std::uint32_t>(i)});
    for (std::int64_t p = 0; p < kTinySize * kTinySize * 3; ++p) {
      pixels.push_back(static_cast<std::uint8_t>(40 * label + random.below(100)));
    }
    classes.push_back(label);
  }
  return {.images = Tensor::from(pixels, {kTinyImages, kTinySize, kTinySize, 3}), .labels = {classes}};
}

inline const Dataset& tiny_dataset() {
  static const Dataset dataset{.spec = "tiny",
                               .train = tiny_split(1),
                               .test = tiny_split(2),
                               .class_names = {"a", "b", "c", "d"},
                               .mean = {0.5F, 0.5F, 0.5F},
                               .std = {0.25F, 0.25F, 0.25F},
                               .skipped = {},
                               .notes = {}};
  return dataset;
}

inline OptionValues tiny_method_options(const std::string& name) {
  if (name == "byol" || name == "simsiam")
    return {{"hidden", "16"}, {"dim", "12"}, {"predictor-hidden", "6"}};
  if (name == "moco") return {{"hidden", "16"}, {"dim", "12"}, {"queue", "64"}};
  if (name == "supervised") return {};
  if (name == "swav") {
    return {{"hidden", "16"}, {"dim", "12"},        {"prototypes", "10"},
            {"queue", "16"},  {"queue-start", "3"}, {"freeze-steps", "2"}};
  }
  if (name == "dino") {
    return {{"hidden", "16"},     {"dim", "12"},          {"prototypes", "10"},
            {"local-views", "1"}, {"warmup-steps", "12"}, {"warmup-temperature", "0.06"},
            {"freeze-steps", "2"}};
  }
  if (name.starts_with("emp-ssl")) return {{"hidden", "16"}, {"dim", "12"}, {"patches", "3"}};
  return {{"hidden", "16"}, {"dim", "12"}};
}

inline std::unique_ptr<Method> tiny_method(const std::string& name, std::uint64_t seed = 1,
                                           const std::string& model = "resnet18:width=2,stem=cifar") {
  return make_method(name, {.backbone = models::make_backbone(
                                model, {.image_size = kTinySize, .seed = seed, .device = Device::cpu}),
                            .image_size = kTinySize,
                            .seed = seed,
                            .classes = 4,
                            .options = tiny_method_options(name)});
}

struct TinyRun {
  std::string strategy = "finetune";
  std::string method = "simsiam";
  OptionValues options = {};
  std::int64_t epochs = 5;  // 4 updates each, K = 1: 20
  std::int64_t steps_per_batch = 1;
  double learning_rate = 0.01;
  std::string stream = "seq:2";
  bool restart = false;  // schedule and optimiser, with every task
  std::int64_t eval_every = 0;
};

inline StrategyContext tiny_context(const Method& method, const OptionValues& options,
                                    const std::string& method_name = "") {
  return {.capacity = 12,
          .replay = 6,
          .stream_batch = kTinyBatch,
          .embedding_dim = method.embedding_dim(),
          .image_shape = {kTinySize, kTinySize, 3},
          .seed = 7,
          .method = method_traits(method_name),
          .options = options};
}

inline std::unique_ptr<Trainer> tiny_trainer(std::unique_ptr<Method> method,
                                             std::unique_ptr<Strategy> strategy, const TinyRun& run) {
  const Dataset& data = tiny_dataset();
  TrainOptions options;
  options.seed = 7;
  options.steps_per_batch = run.steps_per_batch;
  options.eval_every = run.eval_every;
  options.optimizer.momentum = 0.9;
  options.schedule.name = "constant";
  options.schedule.base = run.learning_rate;
  options.restart_schedule = run.restart;
  options.restart_optimizer = run.restart;
  options.evaluation.neighbours = 3;
  Stream stream = arranged(
      run.strategy,
      make_stream(data, {.spec = run.stream, .batch = kTinyBatch, .epochs = run.epochs, .seed = 7}), 7);
  return std::make_unique<Trainer>(data, std::move(stream), std::move(method), std::move(strategy), options);
}

inline std::unique_ptr<Trainer> tiny_trainer(const TinyRun& run) {
  auto method = tiny_method(run.method, 1, model_under(run.strategy, "resnet18:width=2,stem=cifar", 2));
  auto strategy = make_strategy(run.strategy, tiny_context(*method, run.options, run.method));
  return tiny_trainer(std::move(method), std::move(strategy), run);
}

using SavedState = std::vector<std::pair<std::string, Tensor>>;

inline SavedState save(const Trainer& trainer) {
  nn::StateList list;
  trainer.list_state(list);
  SavedState saved;
  for (const nn::StateEntry& entry : list.entries()) saved.emplace_back(entry.name, entry.tensor.clone());
  return saved;
}

inline void restore(Trainer& trainer, const SavedState& saved) {
  nn::StateList list;
  trainer.list_state(list);
  for (const auto& [name, tensor] : saved) list.find(name)->tensor.copy_from(tensor);
  for (const nn::StateCheck& check : list.checks()) {
    const std::string problem = check();
    if (!problem.empty()) throw std::logic_error(problem);
  }
}

inline bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() &&
         std::equal(static_cast<const std::byte*>(a.raw()),
                    static_cast<const std::byte*>(a.raw()) + a.bytes(),
                    static_cast<const std::byte*>(b.raw()));
}

// Keeps what it is told, and a copy of the state as it is in on_step() of one update: where a checkpoint is taken.
class TinyObserver final : public TrainObserver {
 public:
  explicit TinyObserver(std::int64_t save_at = -1) : save_at_(save_at) {}

  void watch(const Trainer& trainer) { trainer_ = &trainer; }
  void on_step(const StepReport& report) override {
    steps.push_back(report);
    if (report.progress.step == save_at_) saved = save(*trainer_);
  }
  void on_evaluation(const EvaluationReport& /*report*/) override {}
  void on_settled() override {}
  bool stop_requested() override { return false; }

  std::vector<StepReport> steps;
  SavedState saved;

 private:
  std::int64_t save_at_;
  const Trainer* trainer_ = nullptr;
};

}  // namespace nagare::ssl::test
