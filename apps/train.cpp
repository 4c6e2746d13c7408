#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <ctime>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/command.h"
#include "apps/crash.h"
#include "apps/machine.h"
#include "apps/memory_plan.h"
#include "apps/presets.h"
#include "apps/recorder.h"
#include "apps/report.h"
#include "apps/resume.h"
#include "apps/run_directory.h"
#include "apps/session.h"
#include "apps/signals.h"
#include "engine/device/errors.h"
#include "engine/device/memory.h"
#include "engine/io/clock.h"
#include "engine/profile/profile.h"
#include "engine/text/printable.h"
#include "ssl/eval/gallery.h"

namespace nagare::apps {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kResultsName[] = "results.json";
constexpr char kGalleryName[] = "gallery.safetensors";

std::string default_out() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  localtime_r(&now, &parts);
  char name[40];
  std::strftime(name, sizeof name, "runs/%Y%m%d-%H%M%S", &parts);
  return name;
}

Json environment_json(const Session& session) {
  const Machine machine = describe_machine();
  return {{"version", kVersion},
          {"cuda_build", kBuiltWithCuda},
          {"device", to_string(session.device)},
          {"device_note", session.device_note},
          {"precision", session.manifest.precision},
          {"threads", session.threads},
          {"host", machine.host},
          {"system", machine.system},
          {"cpu", machine.cpu},
          {"cpu_features", machine.features},
          {"memory_bytes", machine.memory_bytes},
          {"pid", getpid()}};
}

std::string bad_images_jsonl(const ssl::Dataset& data) {
  std::string lines;
  for (const ssl::SkippedFile& file : data.skipped) {
    lines += Json{{"path", file.path}, {"reason", file.reason}}.dump() + "\n";
  }
  return lines;
}

void announce(const Session& session, const Options& options, const io::Path& out, Console& console) {
  if (!session.device_note.empty()) console.note(session.device_note);
  const ssl::Dataset& data = *session.dataset;
  console.note(fmt::format("{}: {} training and {} test images of {} classes, {}x{}", options.data,
                           data.train.size(), data.test.size(), data.classes(), data.image_size(),
                           data.image_size()));
  for (const std::string& note : data.notes) console.warning(note);
  if (!data.skipped.empty()) {
    console.warning(
        fmt::format("{} bad image files were replaced by neighbours, see bad_images.jsonl; first: {}: {}",
                    data.skipped.size(), data.skipped[0].path, data.skipped[0].reason));
  }
  console.note(fmt::format("{} + {} on {}, {} updates, {} {}, {} thread{}, seed {}", options.method,
                           options.strategy, options.model, session.trainer->planned_steps(),
                           to_string(session.device), session.manifest.precision, session.threads,
                           session.threads == 1 ? "" : "s", options.seed));
  console.note("run directory: " + printable(out.string()));
}

struct Run {
  const Settings& settings;
  const Options& options;
  Session& session;
  RunDirectory& directory;
  Console& console;
};

// What `nagare report` shows of the run beside its numbers.
void keep_gallery(const Run& run) {
  ssl::Trainer& trainer = *run.session.trainer;
  const ssl::Gallery gallery = ssl::make_gallery({.dataset = *run.session.dataset,
                                                  .task_classes = trainer.stream().task_classes,
                                                  .plan = trainer.method().view_plan(),
                                                  .backbone = trainer.method().backbone(),
                                                  .input = trainer.feature_input()},
                                                 {.points = run.options.gallery,
                                                  .batch = run.options.evaluation.batch,
                                                  .seed = static_cast<std::uint64_t>(run.options.seed)});
  ssl::write_gallery(run.directory.path() / kGalleryName, gallery);
}

ExitCode finish(const Run& run, const ssl::TrainResult& result, const Recorder& recorder) {
  const RunSummary summary{.result = result,
                           .images_trained = recorder.images_trained(),
                           .training_seconds = recorder.training_seconds(),
                           .peak_bytes = memory_use(run.session.device).peak,
                           .out = run.directory.path().string(),
                           .manifest = run.session.manifest,
                           .stream_digest = run.session.stream_digest,
                           .task_classes = run.session.task_classes};
  const std::string json = results_json(summary).dump(2) + "\n";
  if (!result.finished) {
    run.directory.write_status({.state = "stopped",
                                .step = result.steps,
                                .planned_steps = run.session.trainer->planned_steps(),
                                .reason = "signal",
                                .exit_code = static_cast<int>(ExitCode::saved_by_signal)});
    run.console.note(
        fmt::format("stopped after step {} and saved; go on with: nagare train --resume --out {}",
                    result.steps, run.directory.path().string()));
    if (run.options.json) run.console.result(json);
    return ExitCode::saved_by_signal;
  }
  run.directory.write(kResultsName, json);
  if (run.options.gallery > 0) keep_gallery(run);
  run.directory.write_status({.state = "finished",
                              .step = result.steps,
                              .planned_steps = run.session.trainer->planned_steps(),
                              .reason = "",
                              .exit_code = 0});
  run.console.result(run.options.json ? json : results_text(summary));
  return ExitCode::done;
}

ExitCode train(const Run& run, const Trained& before) {
  Recorder recorder(run.session, run.options, run.directory, run.console, before);
  if (!run.options.profile.empty()) profile::start(run.session.device);
  const ssl::TrainResult result = run.session.trainer->run(recorder);
  recorder.save();  // before anything that can fail
  if (!run.options.profile.empty()) {
    io::write_file(run.options.profile, profile::trace_json());
    run.console.note("trace: " + run.options.profile + " (open it in ui.perfetto.dev or chrome://tracing)");
  }
  return finish(run, result, recorder);
}

ExitCode dry_run(const Settings& settings, const Session& session, Console& console) {
  announce(session, settings.options(), "(none: --dry-run)", console);
  console.result(settings.resolved_toml());
  return ExitCode::done;
}

// Text that is not UTF-8 (a path may be anything) is shown as far as it is.
std::string log_line(LogLevel level, std::int64_t step, std::string_view text) {
  const Json line = {
      {"wall", io::wall_seconds()}, {"level", to_string(level)}, {"step", step}, {"text", text}};
  return line.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// The console's lines go into the run's log for as long as this lives.
class LogToRun {
 public:
  explicit LogToRun(const Run& run) : console_(run.console) {
    const ssl::Trainer& trainer = *run.session.trainer;
    console_.set_log([&directory = run.directory, &trainer](LogLevel level, std::string_view text) {
      directory.add_log(log_line(level, trainer.steps_done(), text));
    });
  }
  ~LogToRun() { console_.set_log({}); }
  LogToRun(const LogToRun&) = delete;
  LogToRun& operator=(const LogToRun&) = delete;

 private:
  Console& console_;
};

// The first line of metrics.jsonl.
std::string schema_line(const RunDirectory& directory) {
  return Json{
      {"schema", kResultsSchema}, {"run", directory.path().filename().string()}, {"version", kVersion}}
      .dump();
}

// What the run did until now, its files as they were then.
Trained begin_files(const Run& run, ResumePoint* point) {
  run.directory.sweep();
  run.directory.write(kConfigName, run.settings.resolved_toml());
  run.directory.write("env.json", environment_json(run.session).dump(2) + "\n");
  if (!run.session.dataset->skipped.empty()) {
    run.directory.write("bad_images.jsonl", bad_images_jsonl(*run.session.dataset));
  }
  const Trained before = point != nullptr ? rewind(run.directory, *point) : Trained{};
  if (run.directory.metrics_bytes() == 0) run.directory.add_metrics(schema_line(run.directory));
  if (point == nullptr) return before;
  for (const std::string& warning : point->warnings) run.console.warning(warning);
  run.console.note(point->checkpoint
                       ? fmt::format("resumed from {} (step {})", printable(point->checkpoint->path.string()),
                                     point->checkpoint->manifest.step)
                       : "no checkpoint was saved yet: from the beginning");
  return before;
}

// Whatever happens from here on stands in STATUS.json.
// point: of a run that goes on; nullptr for a new one.
ExitCode train_in_directory(const Run& run, ResumePoint* point) {
  const MemoryPlan plan = plan_memory(run.session);
  const MemoryLimit limit = memory_limit();
  check_memory(plan, limit);
  const LogToRun log(run);
  crash::set_run({.directory = run.directory.path().string(),
                  .configuration = (run.directory.path() / kConfigName).string(),
                  .method = run.options.method,
                  .strategy = run.options.strategy});
  const ssl::Trainer& trainer = *run.session.trainer;
  const auto status = [&](const std::string& state, const Failure& failure) {
    run.directory.write_status({.state = state,
                                .step = trainer.steps_done(),
                                .planned_steps = trainer.planned_steps(),
                                .reason = failure.message,
                                .exit_code = static_cast<int>(failure.code)});
  };
  try {
    const Trained before = begin_files(run, point);
    status("running", {.code = ExitCode::done, .message = ""});
    announce(run.session, run.options, run.directory.path(), run.console);
    run.console.debug(describe(plan, limit));
    return train(run, before);
  } catch (...) {
    const Failure failure = describe(std::current_exception());
    try {
      run.directory.add_log(log_line(LogLevel::error, trainer.steps_done(), failure.message));
      status("failed", failure);
    } catch (const CannotWrite&) {
      // What went wrong first is what the user must hear of.
    }
    throw;
  }
}

// Stopped by a signal before the first update of this session: as it was, it is to be run again.
ExitCode stopped_at_start(Console& console) {
  console.note("stopped before the first update: nothing was changed");
  return ExitCode::saved_by_signal;
}

ExitCode begin(const Settings& settings, const io::Path& out, Console& console) {
  Session session = make_session(settings);
  if (settings.options().dry_run) return dry_run(settings, session, console);
  if (stop_requested()) return stopped_at_start(console);
  RunDirectory directory(out, /*resume=*/false);
  return train_in_directory({.settings = settings,
                             .options = settings.options(),
                             .session = session,
                             .directory = directory,
                             .console = console},
                            nullptr);
}

ExitCode go_on(const Settings& asked, const io::Path& out, Console& console) {
  RunDirectory directory(out, /*resume=*/true);  // held from the start: nobody else may change it half-way
  ResumePoint point = find_resume_point(out);
  if (!point.checkpoint && directory.state() == "finished") {
    throw BadCheckpoint(
        printable(out.string()) +
        ": is finished, and its checkpoints are gone: to begin again would replace its results\n"
        "choose another --out");
  }
  const Settings settings = resumed_settings(asked, out, point);
  Session session = make_session(settings);
  if (settings.options().dry_run) return dry_run(settings, session, console);
  restore(session, point, settings.options().allow_inexact);
  if (directory.state() == "finished" && session.trainer->finished() && io::exists(out / kResultsName)) {
    console.note(fmt::format("{} is finished: nothing is left to do", printable(out.string())));
    if (settings.options().json) console.result(io::read_text(out / kResultsName));
    return ExitCode::done;
  }
  if (stop_requested()) return stopped_at_start(console);
  return train_in_directory({.settings = settings,
                             .options = settings.options(),
                             .session = session,
                             .directory = directory,
                             .console = console},
                            &point);
}

}  // namespace

ExitCode run_train(const Settings& asked, Console& console) {
  const bool resume = asked.options().resume;
  if (resume && asked.options().out.empty())
    throw UsageError("--resume needs --out RUN, the run to go on with");
  const io::Path out = asked.options().out.empty() ? default_out() : asked.options().out;
  catch_stop_signals();
  RunDirectory::check(out, resume);  // before anything slow, and before anything is written
  return resume ? go_on(asked, out, console) : begin(asked, out, console);
}

}  // namespace nagare::apps
