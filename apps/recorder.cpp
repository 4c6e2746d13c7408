#include "apps/recorder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/crash.h"
#include "apps/results.h"
#include "apps/signals.h"
#include "engine/device/memory.h"
#include "engine/io/clock.h"

namespace nagare::apps {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kWarmUpSteps = 20;  // at most; a short run leaves out its first tenth

double seconds_now() { return static_cast<double>(io::monotonic_nanoseconds()) * 1e-9; }

// NaN and infinity are not JSON: null, and the name in "nonfinite".
void put(Json& object, const std::string& name, double value) {
  if (std::isfinite(value)) {
    object[name] = value;
    return;
  }
  object[name] = nullptr;
  object["nonfinite"].push_back(name);
}

std::string clock_text(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::max(0.0, seconds));
  if (whole >= 3600) return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

}  // namespace

Recorder::Recorder(Session& session, const Options& options, RunDirectory& run, Console& console,
                   const Trained& before)
    : session_(session),
      options_(options),
      run_(run),
      console_(console),
      events_(run.path(), session.trainer->steps_done()),
      checkpoints_(run, options.checkpoint_keep, options.checkpoint_async),
      start_(seconds_now()),
      images_trained_(before.images),
      training_seconds_(before.seconds) {
  const std::int64_t planned = session.trainer->planned_steps();
  last_step_ = options.max_steps > 0 ? std::min(options.max_steps, planned) : planned;
  step_ = session.trainer->steps_done();
  crash::set_step(step_);
  task_ = session.manifest.task;
  saved_ = step_ > 0;  // it comes from a checkpoint
}

void Recorder::warn(const std::vector<std::string>& warnings) {
  for (const std::string& line : warnings) console_.warning(line);
}

void Recorder::write(const Json& line) {
  run_.add_metrics(line.dump());
  events_.add(line);
}

void Recorder::on_step(const ssl::StepReport& report) {
  warn(checkpoints_.check());
  saved_ = false;
  task_ended_ = false;
  step_ = report.progress.step;
  crash::set_step(step_);
  task_ = report.task;
  ++steps_seen_;
  images_trained_ += report.trained_images;
  training_seconds_ += report.seconds;
  if (steps_seen_ > std::min(kWarmUpSteps, last_step_ / 10)) {
    rated_images_ += report.trained_images;
    rated_seconds_ += report.seconds;
  }

  Json line = {{"kind", "step"},
               {"step", step_},
               {"t", seconds_now() - start_},
               {"wall", io::wall_seconds()},
               {"task", report.task},
               {"position", report.position},
               {"images", report.trained_images}};
  put(line, "loss", report.loss);
  put(line, "lr", report.learning_rate);
  put(line, "seconds", report.seconds);
  line["memory_bytes"] = memory_use(session_.device).in_use;
  for (const ssl::Metric& metric : report.metrics) put(line, metric.name, metric.value);
  write(line);

  show_progress(report, step_ == last_step_);
}

void Recorder::on_settled() {
  const bool due = options_.checkpoint_every > 0 ? step_ % options_.checkpoint_every == 0 : task_ended_;
  if (!due) return;
  begin_saving();
  console_.debug(fmt::format("checkpoint of step {}: copied, being stored", step_));
}

void Recorder::show_progress(const ssl::StepReport& report, bool last) {
  const double rate = rated_seconds_ > 0 ? static_cast<double>(rated_images_) / rated_seconds_ : 0.0;
  Console::Fields fields = {
      {"task", fmt::format("{}/{}", report.task + 1, report.tasks)},
      {"step", fmt::format("{}/{} {}%", step_, last_step_, last_step_ > 0 ? 100 * step_ / last_step_ : 100)}};
  if (rate > 0) fields.emplace_back("img/s", fmt::format("{:.0f}", rate));
  fields.emplace_back("loss", fmt::format("{:.4g}", report.loss));
  fields.emplace_back("lr", fmt::format("{:.3g}", report.learning_rate));
  if (last_accuracy_ >= 0)
    fields.emplace_back(session_.trainer->readouts().front(), fmt::format("{:.1f}", last_accuracy_));
  const double elapsed = seconds_now() - start_;
  if (steps_seen_ > 1) {
    const double per_step = elapsed / static_cast<double>(steps_seen_);
    fields.emplace_back("eta", clock_text(per_step * static_cast<double>(last_step_ - step_)));
  }
  console_.progress(fields, last);
}

void Recorder::on_evaluation(const ssl::EvaluationReport& report) {
  const std::vector<std::string>& names = session_.trainer->readouts();
  const ssl::Evaluation& evaluation = report.evaluation;
  saved_ = false;
  task_ended_ = report.task_end;
  last_accuracy_ = evaluation.readouts.front().accuracy;
  const Json line = {{"kind", "evaluation"},
                     {"step", report.step},
                     {"t", seconds_now() - start_},
                     {"wall", io::wall_seconds()},
                     {"task", report.task},
                     {"task_end", report.task_end},
                     {"readouts", readouts_json(names, evaluation.readouts, true)},
                     {"measures", measures_json(evaluation.measures)},
                     {"seconds", number_json(evaluation.seconds)},
                     {"stored_by_task", report.stored_by_task}};
  write(line);

  const std::string when = report.step == 0  ? "untrained network"
                           : report.task_end ? fmt::format("after task {}", report.task + 1)
                                             : fmt::format("at step {}", report.step);
  std::string found;
  for (std::size_t i = 0; i < names.size(); ++i)
    found += fmt::format("{}{} {:.2f} %", i == 0 ? "" : ", ", names[i], evaluation.readouts[i].accuracy);
  console_.note(fmt::format("{}: {} ({:.1f} s)", when, found, evaluation.seconds));
  run_.write_status(
      {.state = "running", .step = report.step, .planned_steps = last_step_, .reason = "", .exit_code = 0});
}

bool Recorder::stop_requested() { return apps::stop_requested(); }

void Recorder::begin_saving() {
  nn::StateList state;
  session_.trainer->list_state(state);
  Manifest manifest = session_.manifest;
  manifest.step = step_;
  manifest.task = task_;
  checkpoints_.save(std::move(manifest), state);
  saved_ = true;
}

void Recorder::save() {
  if (!saved_) begin_saving();
  warn(checkpoints_.wait());
}

}  // namespace nagare::apps
