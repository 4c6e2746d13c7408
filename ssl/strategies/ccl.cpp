#include "ssl/strategies/ccl.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include "engine/autograd/tape.h"
#include "engine/device/errors.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/normalize.h"
#include "engine/ops/shape_ops.h"
#include "ssl/augment/augmenter.h"
#include "ssl/buffers/exemplars.h"
#include "ssl/buffers/feature_queue.h"
#include "ssl/buffers/fifo.h"
#include "ssl/buffers/seen_images.h"
#include "ssl/losses/ccl.h"
#include "ssl/losses/info_nce.h"
#include "ssl/methods/common.h"
#include "ssl/strategies/past_network.h"

namespace nagare::ssl {
namespace {

constexpr std::int64_t kSelectionDraw = 1;
constexpr std::uint32_t kQueueSeed = 65;  // beside the methods' heads

class ContinualContrast final : public Strategy {
 public:
  ContinualContrast(const CclOptions& options, const StrategyContext& context)
      : options_(options),
        context_(context),
        memory_(context.capacity, context.image_shape, context.device) {}

  void attach(Learner& learner) override {
    learner_ = &learner;
    method_ = dynamic_cast<KeyedMethod*>(&learner.method());
    if (method_ == nullptr) throw BadConfig("ccl: the method has no queue of keys: need moco");
    share_ = context_.capacity / learner.tasks();
    if (share_ < 1) {
      throw BadConfig("ccl: a buffer of " + std::to_string(context_.capacity) + " exemplars for " +
                      std::to_string(learner.tasks()) + " tasks: need at least one a task (--buffer)");
    }
    const Shape& queue = method_->queue().shape();
    queue_.emplace(Shape{std::min(options_.queue, queue[0]), queue[1]}, head_seed(context_.seed, kQueueSeed),
                   context_.device);
    teacher_.emplace(learner.method().network());
    seen_.emplace(learner.train_images());
    pass_.emplace(learner.train_images());
  }

  // An image that comes again begins another pass over the task: the teacher moves.
  void arrive(const Batch& batch) override {
    seen_->insert(batch);
    if (pass_->any(batch)) {
      if (teacher_->taken()) teacher_->follow(method_->network(), options_.teacher_momentum);
      pass_->clear();
    }
    pass_->insert(batch);
  }

  Batch compose(const Batch& batch, const Progress& progress) override {
    arrived_ = static_cast<std::int64_t>(batch.ids.size());
    const auto slots =
        draw_without_replacement(memory_.size(), context_.replay, replay_key(context_.seed, progress.step));
    return with_replay(batch, memory_.stored(), slots);
  }

  std::int64_t most_replayed(std::int64_t earlier) const override { return context_.most_drawn(earlier); }

  Tensor penalty(const Update& update) override {
    if (!teacher_->taken()) return {};
    const std::vector<KeyedMethod::Pair> pairs = method_->pairs();
    Tensor total;
    for (const KeyedMethod::Pair& pair : pairs) {
      const Tensor loss = scale(queue_info_nce(pair.query, pair.key, queue_->rows(), method_->temperature()),
                                options_.queue_strength);
      total = total.defined() ? add(total, loss) : loss;
    }
    const std::int64_t old = update.views.batch - arrived_;
    if (old < 2) return total;  // one exemplar resembles itself
    keep_keys(pairs, old);
    return add(total, distillation(update, pairs, old));
  }

  void after_step(const Update& /*update*/) override {
    if (old_keys_.defined()) queue_->push(old_keys_);
    old_keys_ = {};
  }

  void end_task(std::int64_t task) override {
    const std::vector<std::int64_t> ids = seen_->ids();
    const std::vector<std::int64_t> chosen = options_.selection == "random"
                                                 ? draw_from(ids, share_, selection_key(task))
                                                 : steadiest_of(ids, task);
    if (!chosen.empty()) memory_.insert(learner_->read(chosen));
    seen_->clear();
    pass_->clear();
    const Tensor& keys = method_->queue();
    if (!teacher_->taken()) queue_->push(keys.rows(0, queue_->rows().shape()[0]));
    teacher_->take(method_->network());
    method_->restart_keys();
  }

  std::vector<std::int64_t> stored_ids() const override { return ids_of(memory_.stored(), memory_.by_age()); }
  std::vector<std::int64_t> held_ids() const override {
    std::vector<std::int64_t> ids = stored_ids();
    for (const SeenImages* marks : {&*seen_, &*pass_})
      std::ranges::copy(marks->ids(), std::back_inserter(ids));
    return ids;
  }

  void list_state(nn::StateList& list) const override {
    const auto add = [&](const char* name, const auto& part) {
      const nn::StateList::Scope scope(list, name);
      part.list_state(list);
    };
    add("memory", memory_);
    add("exemplars", *queue_);
    add("task", *seen_);
    add("pass", *pass_);
    teacher_->list_state(list);
  }

 private:
  Tensor anchors(const Tensor& images) const {
    const ViewRecipe& recipe = method_->view_plan().views.front();
    return evaluation_images(images, recipe.mean, recipe.std, recipe.size, learner_->precision());
  }

  PastNetwork::Norm norm() const { return PastNetwork::norm_named(options_.norm); }

  // The keys of the exemplars in this batch, the newest where they are more than the queue holds.
  void keep_keys(const std::vector<KeyedMethod::Pair>& pairs, std::int64_t old) {
    std::vector<Tensor> keys;
    for (const KeyedMethod::Pair& pair : pairs) keys.push_back(pair.key.rows(arrived_, old));
    const Tensor all = concat(keys, 0);
    const std::int64_t count = std::min(all.shape()[0], queue_->rows().shape()[0]);
    old_keys_ = all.rows(all.shape()[0] - count, count);
  }

  // Mean over the views that are queries. The student's anchors carry gradient.
  Tensor distillation(const Update& update, const std::vector<KeyedMethod::Pair>& pairs, std::int64_t old) {
    const Tensor images = anchors(update.batch.images.rows(arrived_, old));
    const Tensor now = method_->network().forward(images, /*training=*/true).projections;
    const Tensor before = teacher_->forward({.images = images, .views = 1, .batch = old}, norm()).projections;
    Tensor total;
    for (const KeyedMethod::Pair& pair : pairs) {
      const Views queries{
          .images = view_images(update.views, pair.view).rows(arrived_, old), .views = 1, .batch = old};
      const Tensor loss = ccl_distillation_loss({.queries = slice(pair.query, 0, arrived_, old),
                                                 .exemplars = now,
                                                 .temperature = options_.student_temperature},
                                                {.queries = teacher_->forward(queries, norm()).projections,
                                                 .exemplars = before,
                                                 .temperature = options_.teacher_temperature});
      total = total.defined() ? add(total, loss) : loss;
    }
    return scale(total, options_.distil_strength / static_cast<float>(pairs.size()));
  }

  // Unit projections, running statistics: of the views drawn for a choice, and of the anchor behind them, (V + 1, N, D).
  Tensor embeddings(const std::vector<std::int64_t>& ids, std::int64_t task) const {
    const tape::NoGrad guard;
    const Network& network = method_->network();
    const auto unit = [&](const Tensor& images) {
      return l2_normalize(cast(network.forward(images, /*training=*/false).projections, DType::f32))
          .to(Device::cpu);
    };
    const auto views = static_cast<std::size_t>(options_.views);
    const ViewPlan plan{.views = std::vector<ViewRecipe>(views, method_->view_plan().views.front())};
    const auto count = static_cast<std::int64_t>(ids.size());
    const Tensor rows = Tensor::empty({options_.views + 1, count, network.dim()});
    for (std::int64_t begin = 0; begin < count; begin += context_.stream_batch) {
      const std::int64_t size = std::min(context_.stream_batch, count - begin);
      const Batch batch = learner_->read({ids.begin() + begin, ids.begin() + begin + size});
      const Views drawn = learner_->views(batch, plan, task, kSelectionDraw);
      for (std::int64_t v = 0; v <= options_.views; ++v) {
        const Tensor images = v < options_.views ? view_images(drawn, v) : anchors(batch.images);
        rows.reshaped({(options_.views + 1) * count, network.dim()})
            .rows(v * count + begin, size)
            .copy_from(unit(images));
      }
    }
    return rows;
  }

  std::vector<std::int64_t> steadiest_of(const std::vector<std::int64_t>& ids, std::int64_t task) const {
    if (ids.empty()) return {};
    const Tensor rows = embeddings(ids, task);
    const Tensor anchor_rows = rows.rows(options_.views, 1).reshaped({rows.shape()[1], rows.shape()[2]});
    const std::int64_t groups = std::min({options_.groups, share_, rows.shape()[1]});
    const auto group_of = k_means(anchor_rows, groups, selection_key(task));
    std::vector<std::int64_t> chosen;
    for (const std::int64_t i : smallest_of_groups(view_variance(rows), group_of, share_ / groups))
      chosen.push_back(ids[static_cast<std::size_t>(i)]);
    return chosen;
  }

  RandomKey selection_key(std::int64_t task) const {
    return {.seed = context_.seed, .purpose = Purpose::exemplars, .step = static_cast<std::uint32_t>(task)};
  }

  CclOptions options_;
  StrategyContext context_;
  Learner* learner_ = nullptr;
  KeyedMethod* method_ = nullptr;
  std::int64_t share_ = 0;  // exemplars of a task
  Fifo memory_;             // exemplars of the tasks that have ended
  std::optional<FeatureQueue> queue_;
  std::optional<PastNetwork> teacher_;
  std::optional<SeenImages> seen_;  // of the task under way
  std::optional<SeenImages> pass_;  // of the pass over it under way
  // Of the update under way.
  std::int64_t arrived_ = 0;
  Tensor old_keys_;
};

}  // namespace

OptionSet CclOptions::bind() {
  OptionSet set;
  set.choice("selection", selection, {"min-var", "random"},
             "exemplars: of every group those whose views differ least, or a draw");
  set.integer("groups", groups, {.low = 1, .high = 65536}, "groups that a task's images are clustered into");
  set.integer("views", views, {.low = 1, .high = 1000}, "views whose variance is taken, beside the anchor");
  set.integer("queue", queue, {.low = 1, .high = 1 << 24},
              "keys of exemplars to contrast with; at most the method's own queue");
  set.number("queue-strength", queue_strength, {.low = 0.0, .high = 1e6},
             "weight of the loss against the exemplars' keys");
  set.number("distil-strength", distil_strength, {.low = 0.0, .high = 1e6}, "weight of the distillation");
  set.number("teacher-temperature", teacher_temperature, {.low = 0.005, .high = 100.0},
             "of the teacher's resemblances");
  set.number("student-temperature", student_temperature, {.low = 0.005, .high = 100.0},
             "of the student's resemblances");
  set.number("teacher-momentum", teacher_momentum, {.low = 0.0, .high = 1.0},
             "share of the teacher that a pass over the task keeps");
  set.choice("norm", norm, {"batch", "running"}, "batch-norm statistics of the teacher");
  return set;
}

std::unique_ptr<Strategy> make_ccl(const StrategyContext& context) {
  CclOptions options;
  options.bind().assign("ccl", context.options);
  return std::make_unique<ContinualContrast>(options, context);
}

}  // namespace nagare::ssl
