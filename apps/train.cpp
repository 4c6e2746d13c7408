#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <ctime>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/command.h"
#include "apps/machine.h"
#include "apps/presets.h"
#include "apps/recorder.h"
#include "apps/report.h"
#include "apps/run_directory.h"
#include "apps/session.h"
#include "apps/signals.h"
#include "engine/device/errors.h"
#include "engine/device/memory.h"
#include "engine/io/clock.h"
#include "engine/profile/profile.h"

namespace nagare::apps {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kConfigName[] = "config.resolved.toml";

std::string default_out() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  localtime_r(&now, &parts);
  char name[40];
  std::strftime(name, sizeof name, "runs/%Y%m%d-%H%M%S", &parts);
  return name;
}

// The configuration of the run is the base; what it cannot change is compared with what was asked for.
Settings resumed_settings(const Settings& asked, const io::Path& run) {
  Settings stored;
  const std::string name = (run / kConfigName).string();
  stored.assign_toml(io::read_text(run / kConfigName), name);
  Settings merged = stored;
  merged.assign_all(asked);
  const std::vector<std::string> changed = merged.differences(stored);
  if (!changed.empty()) {
    std::string list;
    for (const std::string& line : changed) list += "\n" + line;
    throw BadConfig("--resume: the run in " + run.string() +
                    " was begun with other values; leave them out, or begin another run" + list);
  }
  return merged;
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
  console.note("run directory: " + out.string());
}

struct Run {
  const Settings& settings;
  const Options& options;
  Session& session;
  RunDirectory& directory;
  Console& console;
};

ExitCode finish(const Run& run, const ssl::TrainResult& result, Recorder& recorder) {
  recorder.save();
  const RunSummary summary{.result = result,
                           .images_trained = recorder.images_trained(),
                           .training_seconds = recorder.training_seconds(),
                           .peak_bytes = memory_use(run.session.device).peak,
                           .out = run.directory.path().string(),
                           .manifest = run.session.manifest};
  const std::string json = results_json(summary);
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
  run.directory.write("results.json", json);
  run.directory.write_status({.state = "finished",
                              .step = result.steps,
                              .planned_steps = run.session.trainer->planned_steps(),
                              .reason = "",
                              .exit_code = 0});
  run.console.result(run.options.json ? json : results_text(summary));
  return ExitCode::done;
}

ExitCode train(const Run& run) {
  Recorder recorder(run.session, run.options, run.directory, run.console);
  catch_stop_signals();
  if (!run.options.profile.empty()) profile::start(run.session.device);
  const ssl::TrainResult result = run.session.trainer->run(recorder);
  if (!run.options.profile.empty()) {
    io::write_file(run.options.profile, profile::trace_json());
    run.console.note("trace: " + run.options.profile + " (open it in ui.perfetto.dev or chrome://tracing)");
  }
  return finish(run, result, recorder);
}

void restore(Session& session, const io::Path& out, Console& console) {
  const io::Path checkpoint = newest_checkpoint(out);
  read_manifest(checkpoint);
  nn::StateList state;
  session.trainer->list_state(state);
  load_checkpoint(checkpoint, state);
  session.trainer->state_restored();
  console.note(fmt::format("resumed from {} (step {})", checkpoint.string(), session.trainer->steps_done()));
}

ExitCode dry_run(const Settings& settings, const Session& session, Console& console) {
  announce(session, settings.options(), "(none: --dry-run)", console);
  console.result(settings.resolved_toml());
  return ExitCode::done;
}

}  // namespace

ExitCode run_train(const Settings& asked, Console& console) {
  if (asked.options().resume && asked.options().out.empty()) {
    throw UsageError("--resume needs --out RUN, the run to go on with");
  }
  const bool resume = asked.options().resume;
  const io::Path out = asked.options().out.empty() ? default_out() : asked.options().out;
  RunDirectory::check(out, resume);  // before anything slow, and before anything is written
  std::optional<RunDirectory> directory;
  if (resume) directory.emplace(out, resume);  // held from the start: nobody else may read it half-way
  const Settings settings = resume ? resumed_settings(asked, out) : asked;
  const Options& options = settings.options();
  Session session = make_session(settings);
  if (options.dry_run) return dry_run(settings, session, console);

  if (!resume) directory.emplace(out, resume);
  console.set_log([&](std::string_view text) { directory->add_log(text); });
  directory->write(kConfigName, settings.resolved_toml());
  directory->write("env.json", environment_json(session).dump(2) + "\n");
  if (!session.dataset->skipped.empty()) {
    directory->write("bad_images.jsonl", bad_images_jsonl(*session.dataset));
  }
  if (!resume) {
    directory->add_metrics(
        Json{{"schema", 1}, {"run", out.filename().string()}, {"version", kVersion}}.dump());
  }
  announce(session, options, out, console);
  if (resume) restore(session, out, console);

  const auto status = [&](const std::string& state, const std::string& reason, ExitCode code) {
    directory->write_status({.state = state,
                             .step = session.trainer->steps_done(),
                             .planned_steps = session.trainer->planned_steps(),
                             .reason = reason,
                             .exit_code = static_cast<int>(code)});
  };
  ExitCode code = ExitCode::internal;
  try {
    status("running", "", ExitCode::done);
    code = train({.settings = settings,
                  .options = options,
                  .session = session,
                  .directory = *directory,
                  .console = console});
  } catch (...) {
    const Failure failure = describe(std::current_exception());
    console.set_log({});
    directory->add_log("error: " + failure.message + "\n");
    status("failed", failure.message, failure.code);
    throw;
  }
  console.set_log({});
  return code;
}

}  // namespace nagare::apps
