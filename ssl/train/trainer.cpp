#include "ssl/train/trainer.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>
#include <limits>
#include <optional>
#include <stdexcept>

#include "engine/autograd/tape.h"
#include "engine/device/errors.h"
#include "engine/io/clock.h"
#include "engine/ops/elementwise.h"
#include "engine/profile/profile.h"

namespace nagare::ssl {
namespace {

enum Counter { kSteps, kBatches, kStepsOnBatch };

// The strategy's own parameters keep the prefix that they have in a checkpoint; the method's stand first.
std::vector<nn::StateEntry> trainable(const Method& method, const Strategy& strategy) {
  nn::StateList list;
  method.list_state(list);
  const nn::StateList::Scope scope(list, "strategy");
  strategy.list_state(list);
  return list.parameters();
}

bool ends_task(const Stream& stream, std::int64_t index) {
  const auto i = static_cast<std::size_t>(index);
  return i + 1 == stream.batches.size() || stream.batches[i + 1].task != stream.batches[i].task;
}

bool begins_task(const Stream& stream, std::int64_t index) {
  const auto i = static_cast<std::size_t>(index);
  return i == 0 || stream.batches[i - 1].task != stream.batches[i].task;
}

}  // namespace

Trainer::Trainer(const Dataset& dataset, Stream stream, std::unique_ptr<Method> method,
                 std::unique_ptr<Strategy> strategy, const TrainOptions& options)
    : dataset_(dataset),
      stream_(std::move(stream)),
      method_(std::move(method)),
      strategy_(std::move(strategy)),
      options_(options),
      augmenter_(options.seed),
      evaluator_(dataset, stream_.task_classes, options.evaluation),
      evaluations_(stream_.tasks, evaluator_.readout_names()) {
  if (options.steps_per_batch < 1) throw BadConfig("steps per batch must be at least 1");
  options_.schedule.steps = planned_steps();
  optim::check(options_.schedule);
  strategy_->attach(*this);
  optimizer_ = optim::make_optimizer(options.optimizer, trainable(*method_, *strategy_));
  arrival_task_.assign(static_cast<std::size_t>(dataset.train.size()), -1);
  for (const StreamBatch& batch : stream_.batches) {
    for (const std::int64_t id : batch.ids) {
      std::int64_t& task = arrival_task_[static_cast<std::size_t>(id)];
      if (task < 0) task = batch.task;
    }
  }
  position_ = Tensor::zeros({3}, {.dtype = DType::i64});
}

std::int64_t Trainer::planned_steps() const {
  return static_cast<std::int64_t>(stream_.batches.size()) * options_.steps_per_batch;
}

std::int64_t Trainer::steps_done() const { return position_.data<std::int64_t>()[kSteps]; }

TrainResult Trainer::run(TrainObserver& observer) {
  auto* counters = position_.data<std::int64_t>();
  const auto batches = static_cast<std::int64_t>(stream_.batches.size());
  const std::int64_t last_step =
      options_.max_steps > 0 ? std::min(options_.max_steps, planned_steps()) : planned_steps();
  const auto report = [&](std::optional<std::int64_t> ended_task) {
    const Evaluation evaluation = evaluate();
    evaluations_.record(counters[kSteps], ended_task, evaluation);
    observer.on_evaluation({.step = counters[kSteps],
                            .task = ended_task.value_or(-1),
                            .task_end = ended_task.has_value(),
                            .evaluation = evaluation,
                            .stored_by_task = stored_by_task()});
  };

  bool stopped = false;
  if (counters[kSteps] == 0 && !evaluations_.has_untrained()) report({});
  while (!stopped && counters[kBatches] < batches && counters[kSteps] < last_step) {
    const std::int64_t index = counters[kBatches];
    const StreamBatch& entry = stream_.batches[static_cast<std::size_t>(index)];
    Batch arriving = read(entry.ids);
    arriving.position = entry.position;
    arriving.task = entry.task;
    if (counters[kStepsOnBatch] == 0) {
      if (begins_task(stream_, index)) strategy_->begin_task(entry.task);
      strategy_->arrive(arriving);
    }
    while (!stopped && counters[kStepsOnBatch] < options_.steps_per_batch && counters[kSteps] < last_step) {
      observer.on_step(update(entry, arriving));
      const bool due = options_.eval_every > 0 && counters[kSteps] % options_.eval_every == 0;
      if (due && counters[kSteps] < last_step) report({});
      stopped = observer.stop_requested();
    }
    if (counters[kStepsOnBatch] < options_.steps_per_batch) break;  // stopped within the batch: go on there
    strategy_->finish(arriving);
    counters[kStepsOnBatch] = 0;
    counters[kBatches] = index + 1;
    if (ends_task(stream_, index)) {
      strategy_->end_task(entry.task);
      report(entry.task);
    }
  }

  TrainResult result{.finished = counters[kBatches] == batches || counters[kSteps] >= last_step,
                     .steps = counters[kSteps],
                     .evaluations = evaluations_};
  const bool at_task_end = counters[kBatches] > 0 && counters[kStepsOnBatch] == 0 && counters[kSteps] > 0 &&
                           ends_task(stream_, counters[kBatches] - 1);
  if (result.finished && !at_task_end) report({});
  return result;
}

StepReport Trainer::update(const StreamBatch& entry, const Batch& arriving) {
  const std::int64_t start = io::monotonic_nanoseconds();
  auto* counters = position_.data<std::int64_t>();
  const Progress progress{.step = counters[kSteps], .total_steps = planned_steps()};
  std::optional<profile::Range> phase(std::in_place, "replay");
  const Batch batch = strategy_->compose(arriving, progress);
  phase.reset();

  StepReport report{.progress = {.step = progress.step + 1, .total_steps = progress.total_steps},
                    .task = entry.task,
                    .tasks = stream_.tasks,
                    .position = entry.position + arriving.images.shape()[0],
                    .learning_rate = optim::learning_rate(options_.schedule, progress.step)};
  if (batch.images.defined()) train_on(batch, progress, report);  // else the strategy is still collecting
  ++counters[kSteps];
  ++counters[kStepsOnBatch];
  report.seconds = io::seconds_since(start);
  return report;
}

// One update; fills in what the report says of it.
void Trainer::train_on(const Batch& batch, const Progress& progress, StepReport& report) {
  std::optional<profile::Range> phase(std::in_place, "augment");
  const Views views = strategy_->mix(
      augmenter_.apply(batch, method_->view_plan(), progress.step, options_.precision), batch, progress);
  phase.emplace("forward");
  const StepOutput output = method_loss(views, batch, Pass::step);
  const Update update{.batch = batch, .views = views, .output = output, .progress = progress};
  const Tensor penalty = strategy_->penalty(update);
  const Tensor total = penalty.defined() ? add(output.loss, penalty) : output.loss;
  report.trained_images = batch.images.shape()[0];
  report.metrics = output.metrics;
  if (penalty.defined()) report.metrics.push_back({"penalty", penalty.item()});
  report.loss = total.item();
  if (!std::isfinite(report.loss)) {
    throw Diverged("the loss is " + std::to_string(report.loss) + " at step " +
                   std::to_string(progress.step) +
                   ": lower the learning rate, or look at the data of this batch (stream position " +
                   std::to_string(batch.position) + ")");
  }
  phase.emplace("backward");
  optimizer_->clear_gradients();
  tape::backward(total);
  strategy_->edit_gradients(update);
  phase.emplace("optimiser");
  optimizer_->step(report.learning_rate);
  method_->after_step(progress);
  phase.emplace("buffer");
  strategy_->after_step(update);
  std::ranges::move(strategy_->metrics(), std::back_inserter(report.metrics));
}

Views Trainer::views(const Batch& batch, const ViewPlan& plan, std::int64_t step, std::int64_t draw) const {
  return augmenter_.apply(batch, plan, step, options_.precision, draw);
}

StepOutput Trainer::extra_loss(const Views& views, const Batch& batch, Pass pass) {
  if (pass == Pass::step) throw std::invalid_argument("extra_loss: Pass::step is the training loop's own");
  return method_loss(views, batch, pass);
}

// Labels are looked up for a supervised method alone; every other kind has no parameter to receive them.
StepOutput Trainer::method_loss(const Views& views, const Batch& batch, Pass pass) {
  auto* supervised = dynamic_cast<SupervisedMethod*>(method_.get());
  if (supervised == nullptr) return method_->loss(views, pass);
  std::vector<std::int64_t> classes;
  for (const std::int64_t id : batch.ids) {
    classes.push_back(dataset_.train.labels.classes[static_cast<std::size_t>(id)]);
  }
  const auto count = static_cast<std::int64_t>(classes.size());
  return supervised->supervised_loss(views, {.classes = Tensor::from(classes, {count}, options_.device)},
                                     pass);
}

Batch Trainer::read(const std::vector<std::int64_t>& ids) const {
  const Shape& shape = dataset_.train.images.shape();
  const auto count = static_cast<std::int64_t>(ids.size());
  const Tensor images = Tensor::empty({count, shape[1], shape[2], shape[3]}, {.dtype = DType::u8});
  const auto bytes = static_cast<std::size_t>(shape[1] * shape[2] * shape[3]);
  for (std::int64_t i = 0; i < count; ++i) {
    std::memcpy(images.rows(i, 1).raw(),
                dataset_.train.images.rows(ids[static_cast<std::size_t>(i)], 1).raw(), bytes);
  }
  return {.images = images.to(options_.device), .ids = ids};
}

FeatureInput Trainer::feature_input() const {
  const ViewRecipe& recipe = method_->view_plan().views.front();
  return {.mean = recipe.mean,
          .std = recipe.std,
          .size = recipe.size,
          .dtype = options_.precision,
          .device = options_.device};
}

Evaluation Trainer::evaluate() {
  const auto* counters = position_.data<std::int64_t>();
  // Between batches the last task seen is that of the one before, also where another task comes next.
  const std::int64_t batch =
      counters[kBatches] - (counters[kStepsOnBatch] == 0 && counters[kBatches] > 0 ? 1 : 0);
  return evaluator_.evaluate(method_->backbone(), feature_input(),
                             stream_.batches[static_cast<std::size_t>(batch)].task + 1);
}

std::vector<std::int64_t> Trainer::stored_by_task() const {
  const std::vector<std::int64_t> ids = strategy_->stored_ids();
  if (ids.empty()) return {};
  std::vector<std::int64_t> counts(static_cast<std::size_t>(stream_.tasks));
  for (const std::int64_t id : ids) {
    ++counts.at(static_cast<std::size_t>(arrival_task_.at(static_cast<std::size_t>(id))));
  }
  return counts;
}

void Trainer::list_state(nn::StateList& list) const {
  {
    const nn::StateList::Scope scope(list, "method");
    method_->list_state(list);
  }
  {
    const nn::StateList::Scope scope(list, "optimizer");
    optimizer_->list_state(list);
  }
  {
    const nn::StateList::Scope scope(list, "strategy");
    strategy_->list_state(list);
  }
  const nn::StateList::Scope scope(list, "trainer");
  list.add("position", position_, nn::Role::buffer);
  list.add("evaluations", evaluations_.tensor(), nn::Role::buffer);
}

void Trainer::state_restored() { strategy_->state_restored(); }

}  // namespace nagare::ssl
