#include "ssl/train/trainer.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iterator>
#include <limits>
#include <numeric>
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
  return index == 0 || ends_task(stream, index - 1);
}

// What a strategy hears: every task, or, where boundaries are hidden, one that is the whole stream.
bool tells_beginning(const Stream& stream, std::int64_t index) {
  return index == 0 || (stream.exposed && begins_task(stream, index));
}

bool tells_end(const Stream& stream, std::int64_t index) {
  return index + 1 == static_cast<std::int64_t>(stream.batches.size()) ||
         (stream.exposed && ends_task(stream, index));
}

std::optional<HiddenLayer> hidden_layer(const Method& method, Device device) {
  nn::StateList list;
  method.list_state(list);
  return HiddenLayer::of(
      [&](const std::string& name) {
        const nn::StateEntry* entry = list.find(name);
        return entry == nullptr ? Tensor() : entry->tensor;
      },
      device);
}

// Beyond it the square of a loss is no float any more, and neither are norms and second moments of its gradient.
constexpr double kLargestLoss = 1.8e19;

[[noreturn]] void refuse_diverged(const Metric& metric, const Progress& progress, const Batch& batch) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", metric.value);
  throw Diverged(
      metric.name + " is " + (std::isnan(metric.value) ? "NaN" : text) + " in update " +
      std::to_string(progress.step + 1) +
      ": lower the learning rate (--optim.lr), or look at the data of this batch (stream position " +
      std::to_string(batch.position) + ")");
}

// What a schedule goes over, and its number of updates.
struct Span {
  std::string of;     // in messages: "of the run", "of every task ..."
  std::string which;  // the one that is too short: "the run", "task 1"
  std::int64_t steps;
};

void check_warmup(const optim::ScheduleOptions& schedule, const Span& span) {
  if (schedule.warmup_steps <= span.steps) return;
  throw BadConfig("--schedule.warmup-steps is " + std::to_string(schedule.warmup_steps) + " updates " +
                  span.of + ", and " + span.which + " has " + std::to_string(span.steps) + ": need at most " +
                  std::to_string(span.steps));
}

void check_milestones(const optim::ScheduleOptions& schedule, const Span& span) {
  if (schedule.milestones.empty() || schedule.milestones.back() < span.steps) return;
  throw BadConfig("--schedule.milestones ends at update " + std::to_string(schedule.milestones.back()) + " " +
                  span.of + ", and " + span.which + " has " + std::to_string(span.steps) +
                  ": need less than that");
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
      evaluator_(dataset, {stream_.task_classes, stream_.task_domains}, options.evaluation),
      evaluations_(stream_.tasks, evaluator_.readout_names()) {
  if (options.steps_per_batch < 1) throw BadConfig("steps per batch must be at least 1");
  if (evaluator_.needs_hidden_layer() && !hidden_layer(*method_, options.device)) throw no_hidden_layer();
  plan_phases();
  strategy_->attach(*this);
  method_->check_update(largest_update());
  optimizer_ = optim::make_optimizer(options.optimizer, trainable(*method_, *strategy_));
  arrivals_.resize(static_cast<std::size_t>(dataset.train.size()));
  for (const StreamBatch& batch : stream_.batches) {
    for (std::size_t i = 0; i < batch.ids.size(); ++i) {
      Arrival& first = arrivals_[static_cast<std::size_t>(image_of(batch.ids[i], dataset.train.size()))];
      if (first.task < 0)
        first = {.task = batch.task, .position = batch.position + static_cast<std::int64_t>(i)};
    }
  }
  position_ = Tensor::zeros({3}, {.dtype = DType::i64});
}

UpdateSize Trainer::largest_update() const {
  UpdateSize largest;
  for (const StreamBatch& batch : stream_.batches) {
    const UpdateSize size{.arriving = static_cast<std::int64_t>(batch.ids.size()),
                          .replayed = strategy_->most_replayed(batch.position)};
    if (size.total() > largest.total()) largest = size;
  }
  return largest;
}

void Trainer::plan_phases() {
  if ((options_.restart_schedule || options_.restart_optimizer) && !stream_.exposed) {
    throw BadConfig(
        std::string(options_.restart_schedule ? "schedule" : "optim") +
        ".restart is \"task\", and the stream hides where its tasks end: need never, or a stream that shows "
        "its boundaries");
  }
  phases_.resize(options_.restart_schedule ? static_cast<std::size_t>(stream_.tasks) : 1);
  for (std::size_t i = 0; i < stream_.batches.size(); ++i) {
    Phase& phase = phases_[options_.restart_schedule ? static_cast<std::size_t>(stream_.batches[i].task) : 0];
    if (phase.steps == 0) phase.start = static_cast<std::int64_t>(i) * options_.steps_per_batch;
    phase.steps += options_.steps_per_batch;
  }
  const bool restart = options_.restart_schedule;
  const std::string of = restart ? "of every task (--schedule.restart task)" : "of the run";
  Span longest{.of = of, .which = restart ? "the longest task" : "the run", .steps = 0};
  for (std::size_t i = 0; i < phases_.size(); ++i) {
    const std::int64_t steps = phases_[i].steps;
    if (steps == 0 && restart) {
      throw BadConfig(
          "schedule.restart is \"task\", and a task has no updates of its own, as with strategy joint: need "
          "never");
    }
    check_warmup(options_.schedule,
                 {.of = of, .which = restart ? "task " + std::to_string(i + 1) : "the run", .steps = steps});
    options_.schedule.steps = steps;
    optim::check(options_.schedule);
    longest.steps = std::max(longest.steps, steps);
  }
  check_milestones(options_.schedule, longest);
}

const Trainer::Phase& Trainer::phase_of(const StreamBatch& entry) const {
  return phases_.at(options_.restart_schedule ? static_cast<std::size_t>(entry.task) : 0);
}

double Trainer::learning_rate(const Progress& progress) const {
  optim::ScheduleOptions schedule = options_.schedule;
  schedule.steps = progress.total_steps;
  return optim::learning_rate(schedule, progress.since_start());
}

std::int64_t Trainer::planned_steps() const {
  return static_cast<std::int64_t>(stream_.batches.size()) * options_.steps_per_batch;
}

std::int64_t Trainer::last_step() const {
  return options_.max_steps > 0 ? std::min(options_.max_steps, planned_steps()) : planned_steps();
}

std::int64_t Trainer::steps_done() const { return position_.data<std::int64_t>()[kSteps]; }

TrainResult Trainer::run(TrainObserver& observer) {
  const auto* counters = position_.data<std::int64_t>();
  bool stopped = false;
  // What follows the last update may be left to do from before; the observer hears when it is done.
  bool unsettled = counters[kSteps] > 0 && (due_evaluation() || batch_is_used());
  while (!stopped) {
    if (const std::optional<DueEvaluation> due = due_evaluation()) {
      const std::optional<Evaluation> evaluation = evaluate(observer);
      if (!evaluation) break;  // still due for whoever goes on
      evaluations_.record(counters[kSteps], due->ended_task, *evaluation);
      observer.on_evaluation({.step = counters[kSteps],
                              .task = due->ended_task.value_or(-1),
                              .task_end = due->ended_task.has_value(),
                              .evaluation = *evaluation,
                              .stored_by_task = stored_by_task()});
    } else if (batch_is_used()) {
      finish_batch();
    } else if (unsettled) {
      unsettled = false;
      observer.on_settled();
    } else if (at_end()) {
      break;
    } else {
      observer.on_step(next_update());
      unsettled = true;
    }
    stopped = observer.stop_requested();
  }
  return {.finished = finished(), .steps = counters[kSteps], .evaluations = evaluations_};
}

bool Trainer::finished() const { return at_end() && !batch_is_used() && !due_evaluation(); }

// Were all updates on the current batch made?
bool Trainer::batch_is_used() const {
  return position_.data<std::int64_t>()[kStepsOnBatch] == options_.steps_per_batch;
}

bool Trainer::at_end() const {
  const auto* counters = position_.data<std::int64_t>();
  return counters[kBatches] == static_cast<std::int64_t>(stream_.batches.size()) ||
         (options_.max_steps > 0 && counters[kSteps] >= options_.max_steps);
}

// From the position and the evaluations made: whoever goes on from here makes the one that is missing.
std::optional<Trainer::DueEvaluation> Trainer::due_evaluation() const {
  const auto* counters = position_.data<std::int64_t>();
  const std::int64_t steps = counters[kSteps];
  const DueEvaluation between_tasks{.ended_task = std::nullopt};
  if (steps == 0) return evaluations_.has_untrained() ? std::nullopt : std::optional(between_tasks);
  const bool evaluated = evaluations_.last_update() == steps;
  if (counters[kStepsOnBatch] > 0) {
    if (!evaluated && options_.eval_every > 0 && steps % options_.eval_every == 0 && steps < last_step())
      return between_tasks;
    return at_end() && !evaluated && !batch_is_used() ? std::optional(between_tasks) : std::nullopt;
  }
  const std::int64_t batch = counters[kBatches] - 1;
  const std::int64_t task = stream_.batches[static_cast<std::size_t>(batch)].task;
  if (ends_task(stream_, batch) && !evaluations_.has_task(task)) return DueEvaluation{.ended_task = task};
  return at_end() && !evaluated ? std::optional(between_tasks) : std::nullopt;
}

// The update of the current position, with what comes before the first one on a batch.
StepReport Trainer::next_update() {
  const auto* counters = position_.data<std::int64_t>();
  const std::int64_t index = counters[kBatches];
  const StreamBatch& entry = stream_.batches[static_cast<std::size_t>(index)];
  const Batch& arriving = batch_at(index);
  if (counters[kStepsOnBatch] == 0) {
    if (options_.restart_optimizer && begins_task(stream_, index)) optimizer_->restart();
    if (tells_beginning(stream_, index)) strategy_->begin_task(arriving.task);
    strategy_->arrive(arriving);
  }
  return update(entry, arriving);
}

void Trainer::finish_batch() {
  auto* counters = position_.data<std::int64_t>();
  const std::int64_t index = counters[kBatches];
  const Batch& arriving = batch_at(index);
  strategy_->finish(arriving);
  if (tells_end(stream_, index)) strategy_->end_task(arriving.task);
  counters[kStepsOnBatch] = 0;
  counters[kBatches] = index + 1;
}

// Kept for the updates that are made on it.
const Batch& Trainer::batch_at(std::int64_t index) {
  if (arriving_index_ != index) {
    arriving_ = {};  // the memory of the one before
    arriving_ = arriving_batch(stream_.batches[static_cast<std::size_t>(index)]);
    arriving_index_ = index;
  }
  return arriving_;
}

StepReport Trainer::update(const StreamBatch& entry, const Batch& arriving) {
  const std::int64_t start = io::monotonic_nanoseconds();
  auto* counters = position_.data<std::int64_t>();
  const Phase& span = phase_of(entry);
  const Progress progress{.step = counters[kSteps], .total_steps = span.steps, .start = span.start};
  std::optional<profile::Range> phase(std::in_place, "replay");
  const Batch batch = strategy_->compose(arriving, progress);
  phase.reset();

  StepReport report{
      .progress = {.step = progress.step + 1, .total_steps = progress.total_steps, .start = progress.start},
      .task = entry.task,
      .tasks = stream_.tasks,
      .position = entry.position + arriving.images.shape()[0],
      .learning_rate = learning_rate(progress)};
  if (batch.images.defined()) train_on(batch, progress, report);  // else the strategy is still collecting
  ++counters[kSteps];
  ++counters[kStepsOnBatch];
  report.seconds = io::seconds_since(start);
  return report;
}

// One update; fills in what the report says of it.
void Trainer::train_on(const Batch& batch, const Progress& progress, StepReport& report) {
  std::optional<profile::Range> phase(std::in_place, "augment");
  method_->before_step(progress);
  const Views views = strategy_->mix(
      augmenter_.apply(batch, method_->view_plan(), progress.step, options_.precision), batch, progress);
  phase.emplace("forward");
  const StepOutput output = method_loss(views, batch, Pass::step);
  const Update update{.batch = batch, .views = views, .output = output, .progress = progress};
  const Tensor penalty = strategy_->penalty(update);
  const Tensor total = !penalty.defined()           ? output.loss
                       : strategy_->replaces_loss() ? penalty
                                                    : add(output.loss, penalty);
  report.trained_images = batch.images.shape()[0];
  report.metrics = output.metrics;
  if (penalty.defined()) report.metrics.push_back({"penalty", penalty.item()});
  report.loss = total.item();
  if (!(std::abs(report.loss) <= kLargestLoss))
    refuse_diverged({.name = "the loss", .value = report.loss}, progress, batch);
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
  // They are on the host anyway, and features that are not finite spoil them.
  for (const Metric& metric : report.metrics) {
    if (!std::isfinite(metric.value)) refuse_diverged(metric, progress, batch);
  }
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
    const auto image = static_cast<std::size_t>(image_of(id, dataset_.train.size()));
    classes.push_back(dataset_.train.labels.classes.at(image));
  }
  const auto count = static_cast<std::int64_t>(classes.size());
  return supervised->supervised_loss(views, {.classes = Tensor::from(classes, {count}, options_.device)},
                                     pass);
}

// As they arrived (first): an image that moves with the stream's position is the same again.
Batch Trainer::read(const std::vector<std::int64_t>& ids) const {
  const std::int64_t count = dataset_.train.size();
  std::vector<std::int64_t> positions;
  for (const std::int64_t id : ids) {
    const Arrival& first = arrivals_.at(static_cast<std::size_t>(image_of(id, count)));
    positions.push_back(first.position + id / count);
  }
  const Tensor images = arriving_images(dataset_.train.images, ids, positions, stream_.motion);
  return {.images = images.to(options_.device), .ids = ids};
}

Batch Trainer::arriving_batch(const StreamBatch& entry) const {
  std::vector<std::int64_t> positions(entry.ids.size());
  std::iota(positions.begin(), positions.end(), entry.position);
  const Tensor images = arriving_images(dataset_.train.images, entry.ids, positions, stream_.motion);
  return {.images = images.to(options_.device),
          .ids = entry.ids,
          .position = entry.position,
          .task = stream_.exposed ? entry.task : 0};
}

FeatureInput Trainer::feature_input() const {
  const ViewRecipe& recipe = method_->view_plan().views.front();
  return {.mean = recipe.mean,
          .std = recipe.std,
          .size = recipe.size,
          .dtype = options_.precision,
          .device = options_.device};
}

// None when the observer would not wait for the end of it.
std::optional<Evaluation> Trainer::evaluate(TrainObserver& observer) {
  const auto* counters = position_.data<std::int64_t>();
  // Between batches the last task seen is that of the one before, also where another task comes next.
  const std::int64_t batch =
      counters[kBatches] - (counters[kStepsOnBatch] == 0 && counters[kBatches] > 0 ? 1 : 0);
  const std::optional<HiddenLayer> hidden =
      evaluator_.needs_hidden_layer() ? hidden_layer(*method_, options_.device) : std::nullopt;
  FeatureInput input = feature_input();
  input.given_up = [&observer] { return observer.stop_requested(); };
  try {
    return evaluator_.evaluate(method_->backbone(), input,
                               stream_.batches[static_cast<std::size_t>(batch)].task + 1,
                               hidden ? &*hidden : nullptr);
  } catch (const GivenUp&) {
    return std::nullopt;
  } catch (const Diverged& error) {
    throw Diverged("evaluation after update " + std::to_string(counters[kSteps]) + ": " + error.what());
  }
}

std::vector<std::int64_t> Trainer::stored_by_task() const {
  const std::vector<std::int64_t> ids = strategy_->stored_ids();
  if (ids.empty()) return {};
  std::vector<std::int64_t> counts(static_cast<std::size_t>(stream_.tasks));
  for (const std::int64_t id : ids) {
    const auto image = static_cast<std::size_t>(image_of(id, dataset_.train.size()));
    ++counts.at(static_cast<std::size_t>(arrivals_.at(image).task));
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
  list.add("position", position_, {.min = 0, .max = planned_steps()});
  list.add("evaluations", evaluations_.tensor(), nn::Role::buffer);
  list.add_check([this] { return problem_of_position(); });
  list.add_check([this] { return problem_of_evaluations(); });
  list.add_check([this] { return problem_of_strategy(); });
}

// "" when the three counters tell of one place in the stream.
std::string Trainer::problem_of_position() const {
  const auto* counters = position_.data<std::int64_t>();
  const std::int64_t batches = counters[kBatches];
  const std::int64_t on_batch = counters[kStepsOnBatch];
  const auto all = static_cast<std::int64_t>(stream_.batches.size());
  const bool inside = batches < all ? on_batch <= options_.steps_per_batch : batches == all && on_batch == 0;
  if (inside && counters[kSteps] == batches * options_.steps_per_batch + on_batch) return "";
  return "position: " + std::to_string(counters[kSteps]) + " updates after " + std::to_string(batches) +
         " of " + std::to_string(all) + " batches and " + std::to_string(on_batch) + " of " +
         std::to_string(options_.steps_per_batch) + " updates on the next";
}

// "" when no evaluation is told of that lies ahead.
std::string Trainer::problem_of_evaluations() const {
  const auto* counters = position_.data<std::int64_t>();
  const std::string problem = evaluations_.problem();
  if (!problem.empty()) return problem;
  if (evaluations_.last_update() > counters[kSteps]) {
    return "evaluations: one of update " + std::to_string(evaluations_.last_update()) + ", after " +
           std::to_string(counters[kSteps]) + " updates";
  }
  std::vector<bool> ended(static_cast<std::size_t>(stream_.tasks));
  for (std::int64_t i = 0; i < counters[kBatches]; ++i)
    if (ends_task(stream_, i))
      ended[static_cast<std::size_t>(stream_.batches[static_cast<std::size_t>(i)].task)] = true;
  for (std::int64_t task = 0; task < stream_.tasks; ++task) {
    if (evaluations_.has_task(task) && !ended[static_cast<std::size_t>(task)])
      return "evaluations: one after task " + std::to_string(task + 1) + ", which has not ended";
  }
  return "";
}

// "" when the strategy can be so at this position, and holds images of this stream alone.
std::string Trainer::problem_of_strategy() const {
  const auto* counters = position_.data<std::int64_t>();
  const bool under_way = counters[kStepsOnBatch] > 0;
  const std::int64_t begun = counters[kBatches] + (under_way ? 1 : 0);
  Place place;
  for (std::int64_t i = 0; i < begun; ++i) place.tasks_begun += tells_beginning(stream_, i) ? 1 : 0;
  if (under_way) {
    const StreamBatch& batch = stream_.batches[static_cast<std::size_t>(counters[kBatches])];
    place.arriving = static_cast<std::int64_t>(batch.ids.size());
  }
  const std::string problem = strategy_->problem_at(place);
  const std::vector<std::int64_t> held = strategy_->held_ids();
  if (!problem.empty() || held.empty()) return problem;
  std::int64_t last = -1;
  for (const StreamBatch& batch : stream_.batches)
    for (const std::int64_t id : batch.ids) last = std::max(last, id);
  for (const std::int64_t id : held) {
    const bool known = id >= 0 && id <= last;
    if (known && arrivals_[static_cast<std::size_t>(image_of(id, dataset_.train.size()))].task >= 0) continue;
    return "the strategy holds image " + std::to_string(id) + ", which the stream has not";
  }
  return "";
}

}  // namespace nagare::ssl
