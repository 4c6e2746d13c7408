#include "apps/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "apps/ignored_options.h"
#include "apps/machine.h"
#include "build_config.h"
#include "engine/device/errors.h"
#include "engine/text/nearest.h"
#include "engine/text/printable.h"
#include "ssl/methods/table.h"
#include "ssl/strategies/table.h"
#include "ssl/streams/spec.h"

namespace nagare::apps {
namespace {

std::array<float, 3> three(const std::vector<float>& values) {
  return {values.at(0), values.at(1), values.at(2)};
}

// An unknown method or --method.KEY; the latter is refused where it was written. `table` has rows with name and options().
template <class Rows>
void check_choice(const Settings& settings, const Rows& table, const std::string& kind,
                  const std::string& name, const FreeOptions& given) {
  const auto row = std::ranges::find_if(table, [&](const auto& r) { return name == r.name; });
  std::vector<std::string> known;
  if (row == table.end()) {
    for (const auto& r : table) known.emplace_back(r.name);
    throw BadConfig(unknown_name(kind, name, known));
  }
  for (const ssl::OptionInfo& info : row->options()) known.push_back(info.name);
  for (const auto& [key, text] : given) {
    if (std::ranges::find(known, key) != known.end()) continue;
    throw BadConfig(settings.origin(kind + "." + key) + ": " + name + ": " +
                    unknown_name("option", key, known));
  }
}

// "never" or "task".
bool restarts(const Settings& settings, const char* key, const std::string& when) {
  if (when == "task") return true;
  if (when == "never") return false;
  throw BadConfig(settings.origin(key) + ": " + key + " is \"" + printable(when) + "\": need never or task");
}

ssl::TrainOptions train_options(const Settings& settings, const Session& session) {
  const Options& options = settings.options();
  return {.seed = static_cast<std::uint64_t>(options.seed),
          .device = session.device,
          .precision = session.precision,
          .steps_per_batch = options.steps_per_batch,
          .max_steps = options.max_steps,
          .eval_every = options.eval_every,
          .optimizer = options.optimizer,
          .schedule = options.schedule,
          .restart_schedule = restarts(settings, "schedule.restart", options.restart_schedule),
          .restart_optimizer = restarts(settings, "optim.restart", options.restart_optimizer),
          .evaluation = evaluation_options(options)};
}

}  // namespace

ssl::EvaluationOptions evaluation_options(const Options& options) {
  ssl::EvaluationOptions evaluation = options.evaluation;
  evaluation.seed = static_cast<std::uint64_t>(options.seed);
  return evaluation;
}

ssl::Dataset load_data(const Options& options, Device device) {
  return ssl::load_dataset(options.data, {.seed = static_cast<std::uint64_t>(options.seed),
                                          .cache_dir = options.cache_dir,
                                          .device = device,
                                          .labels = options.data_labels});
}

ssl::StreamOptions stream_options(const Options& options) {
  return {.spec = options.stream,
          .class_order = options.class_order,
          .batch = options.stream_batch,
          .epochs = options.epochs,
          .seed = static_cast<std::uint64_t>(options.seed)};
}

void check_choices(const Settings& settings) {
  const Options& options = settings.options();
  check_choice(settings, ssl::method_table(), "method", options.method, options.method_options);
  check_choice(settings, ssl::strategy_table(), "strategy", options.strategy, options.strategy_options);
  refuse_ignored_schedule(settings);
  refuse_ignored_optimizer(settings);
  refuse_ignored_evaluation(settings);
}

Session make_session(const Settings& settings) {
  const Options& options = settings.options();
  check_choices(settings);
  ssl::check_pair(options.strategy, options.method, ssl::parse_stream(options.stream).exposed);

  Session session;
  DeviceChoice choice = choose_device(options.device);
  session.device = choice.device;
  session.device_note = std::move(choice.note);
  session.precision = choose_precision(options.precision, session.device);
  session.threads = choose_threads(options.threads);
  session.dataset = std::make_unique<ssl::Dataset>(load_data(options, session.device));
  const ssl::Dataset& data = *session.dataset;
  const auto seed = static_cast<std::uint64_t>(options.seed);
  ssl::Stream stream = ssl::make_stream(data, stream_options(options));
  ssl::check_trainable(stream, stream_options(options));
  stream = ssl::arranged(options.strategy, stream, seed);

  const std::string model = ssl::model_under(options.strategy, options.model, stream.tasks);
  auto method = ssl::make_method(
      options.method, {.backbone = models::make_backbone(
                           model, {.image_size = data.image_size(), .seed = seed, .device = session.device}),
                       .image_size = data.image_size(),
                       .mean = three(data.mean),
                       .std = three(data.std),
                       .seed = seed,
                       .device = session.device,
                       .classes = data.classes(),
                       .options = options.method_options});
  const Shape& shape = data.train.images.shape();
  auto strategy = ssl::make_strategy(options.strategy, {.capacity = options.buffer,
                                                        .replay = options.replay,
                                                        .stream_batch = options.stream_batch,
                                                        .embedding_dim = method->embedding_dim(),
                                                        .image_shape = {shape[1], shape[2], shape[3]},
                                                        .seed = seed,
                                                        .device = session.device,
                                                        .method = ssl::method_traits(options.method),
                                                        .options = options.strategy_options});
  const ssl::ViewRecipe recipe = method->view_plan().views.front();
  session.manifest = {.version = kVersion,
                      .step = 0,
                      .task = 0,
                      .model = model,
                      .image_size = recipe.size,
                      .mean = recipe.mean,
                      .std = recipe.std,
                      .precision = precision_name(session.precision),
                      .method = options.method,
                      .strategy = options.strategy,
                      .data = options.data,
                      .data_labels = options.data_labels,
                      .stream = options.stream,
                      .class_order = options.class_order,
                      .seed = options.seed,
                      .readouts = options.evaluation.readouts,
                      .stream_digest = fmt::format("{:016x}", ssl::stream_digest(stream)),
                      .arithmetic = {.device = to_string(session.device),
                                     .threads = session.threads,
                                     .cpu = fmt::format("{}", fmt::join(describe_machine().features, " "))}};
  session.stream_digest = ssl::stream_digest(stream);
  session.task_classes = stream.task_classes;
  session.trainer = std::make_unique<ssl::Trainer>(data, std::move(stream), std::move(method),
                                                   std::move(strategy), train_options(settings, session));
  return session;
}

}  // namespace nagare::apps
