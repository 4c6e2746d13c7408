#pragma once
// The training loop: stream -> strategy -> augmentation -> method -> update -> evaluation (see docs/architecture.md).
//
// The loop owns nothing that must not be lost: list_state() names every tensor that a run needs to go on, and
// all else is a function of the options, the seed and the position. Printing, files and signals belong to the
// observer.
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "engine/optim/optimizer.h"
#include "engine/optim/schedule.h"
#include "ssl/augment/augmenter.h"
#include "ssl/core/learner.h"
#include "ssl/core/method.h"
#include "ssl/core/strategy.h"
#include "ssl/data/dataset.h"
#include "ssl/eval/evaluation_table.h"
#include "ssl/eval/evaluator.h"
#include "ssl/streams/stream.h"

namespace nagare::ssl {

struct TrainOptions {
  std::uint64_t seed = 0;
  Device device = Device::cpu;
  DType precision = DType::f32;      // of activations: f32 or bf16
  std::int64_t steps_per_batch = 1;  // K updates on every arriving batch, >= 1
  std::int64_t max_steps = 0;        // end after this many updates; 0: with the stream
  std::int64_t eval_every = 0;       // updates between evaluations; 0: at task ends only
  optim::OptimizerOptions optimizer;
  // Its length is set to the planned number of updates, of the run or of the task.
  optim::ScheduleOptions schedule;
  // At the first batch of every task: the schedules of rates and momentum networks begin anew, each for the length of its
  // task; the optimiser forgets its momenta and counts. Both need a stream that exposes its boundaries.
  bool restart_schedule = false;
  bool restart_optimizer = false;
  EvaluationOptions evaluation;
};

struct StepReport {
  Progress progress;  // after the update: step counts it
  std::int64_t task = 0;
  std::int64_t tasks = 1;
  std::int64_t position = 0;        // images of the stream seen, this batch included
  std::int64_t trained_images = 0;  // images in this update, replayed ones included
  double loss = 0.0;
  double learning_rate = 0.0;
  std::vector<Metric> metrics = {};
  double seconds = 0.0;  // of this update
};

struct EvaluationReport {
  std::int64_t step = 0;
  std::int64_t task = -1;  // the task just ended; -1: before training, or between task ends
  bool task_end = false;
  Evaluation evaluation;
  // Images that the strategy holds, by the task in which they (first) arrived; empty: it holds none.
  std::vector<std::int64_t> stored_by_task = {};
};

// What the loop tells the outside. Called on the training thread, between updates.
class TrainObserver {
 public:
  virtual ~TrainObserver() = default;
  virtual void on_step(const StepReport& report) = 0;
  virtual void on_evaluation(const EvaluationReport& report) = 0;
  // Once after every update, when all that follows it is done: the end of a batch and of a task, evaluations. What
  // list_state() names then goes on with the next update. Not after an update that the run is stopped at.
  virtual void on_settled() = 0;
  // Asked after every update, after each thing that follows it and before every pass of an evaluation; true ends run()
  // there; an evaluation under way is dropped. The state is one to save: a run that goes on with it makes up for what was left out.
  virtual bool stop_requested() = 0;
};

struct TrainResult {
  bool finished = false;  // false: stopped on request, the stream is not used up
  std::int64_t steps = 0;
  EvaluationTable evaluations;
};

class Trainer final : private Learner {
 public:
  // method and strategy are moved in; dataset must outlive the trainer.
  // errors  BadConfig: steps per batch below 1, updates of more images than the method takes, a restart where boundaries are
  //         hidden, a schedule that does not fit into the run or, restarted, into a task
  Trainer(const Dataset& dataset, Stream stream, std::unique_ptr<Method> method,
          std::unique_ptr<Strategy> strategy, const TrainOptions& options);
  // The strategy holds on to it.
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  // From the current position to the end of the stream, max_steps or a stop request. Nothing is done twice: the
  // evaluations that the position asks for and that the state does not hold are made, no others.
  // errors  Diverged, naming the update, when the loss is not finite or beyond 1.8e19, or when a metric or the features of an
  //         evaluation are not finite
  TrainResult run(TrainObserver& observer);

  // Everything a run needs to go on: "method.", "optimizer.", "strategy.", "trainer.".
  void list_state(nn::StateList& list) const;
  // The readouts that judge the network.
  const std::vector<std::string>& readouts() const { return evaluations_.readouts(); }

  Method& method() override { return *method_; }
  const Stream& stream() const { return stream_; }
  // How the evaluated network is fed.
  FeatureInput feature_input() const;
  std::int64_t steps_done() const;
  std::int64_t planned_steps() const;
  // Is nothing left to do, up to the end of the stream or max_steps?
  bool finished() const;

 private:
  // Learner, as the strategy sees this
  DType precision() const override { return options_.precision; }
  std::int64_t tasks() const override { return stream_.tasks; }
  Views views(const Batch& batch, const ViewPlan& plan, std::int64_t step, std::int64_t draw) const override;
  StepOutput extra_loss(const Views& views, const Batch& batch, Pass pass) override;
  Batch read(const std::vector<std::int64_t>& ids) const override;
  std::int64_t train_images() const override {
    return dataset_.train.images.shape()[0] * stream_.motion.runs;
  }

  // When a training image arrived first; task -1: it does not.
  struct Arrival {
    std::int64_t task = -1;
    std::int64_t position = 0;
  };

  // What a schedule goes over: the run, or with restart_schedule a task.
  struct Phase {
    std::int64_t start = 0;  // its first step
    std::int64_t steps = 0;
  };

  UpdateSize largest_update() const;
  void plan_phases();
  const Phase& phase_of(const StreamBatch& entry) const;
  double learning_rate(const Progress& progress) const;
  struct DueEvaluation {
    std::optional<std::int64_t> ended_task;
  };

  bool at_end() const;
  bool batch_is_used() const;
  std::int64_t last_step() const;
  std::optional<DueEvaluation> due_evaluation() const;
  StepReport next_update();
  void finish_batch();
  const Batch& batch_at(std::int64_t index);
  Batch arriving_batch(const StreamBatch& entry) const;
  StepReport update(const StreamBatch& entry, const Batch& arriving);
  void train_on(const Batch& batch, const Progress& progress, StepReport& report);
  StepOutput method_loss(const Views& views, const Batch& batch, Pass pass);
  std::optional<Evaluation> evaluate(TrainObserver& observer);
  std::vector<std::int64_t> stored_by_task() const;
  std::string problem_of_position() const;
  std::string problem_of_evaluations() const;
  std::string problem_of_strategy() const;

  const Dataset& dataset_;
  Stream stream_;
  std::vector<Arrival> arrivals_;  // of every training image
  std::vector<Phase> phases_;      // one, or one for every task
  std::unique_ptr<Method> method_;
  std::unique_ptr<Strategy> strategy_;
  TrainOptions options_;
  Augmenter augmenter_;
  Evaluator evaluator_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  EvaluationTable evaluations_;
  Batch arriving_;
  std::int64_t arriving_index_ = -1;
  Tensor position_;  // i64 (3): updates done, batches finished, updates done on the current batch
};

}  // namespace nagare::ssl
