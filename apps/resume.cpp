#include "apps/resume.h"

#include "apps/checkpoint_writer.h"
#include "apps/ignored_options.h"
#include "engine/device/errors.h"
#include "engine/text/printable.h"

namespace nagare::apps {
namespace {

std::string differs(const std::string& what, const std::string& here, const std::string& there) {
  return here == there ? "" : "\n" + what + ": " + printable(here) + " here, " + printable(there) + " there";
}

// "" when the same bits come out; else a line for each difference.
std::string inexact(const Manifest& here, const Manifest& there) {
  const Arithmetic& a = here.arithmetic;
  const Arithmetic& b = there.arithmetic;
  std::string list =
      differs("device", a.device, b.device) + differs("precision", here.precision, there.precision);
  if (a.device == "cpu" && b.device == "cpu") {
    list += differs("threads", std::to_string(a.threads), std::to_string(b.threads)) +
            differs("processor", a.cpu, b.cpu);
  }
  return list;
}

}  // namespace

ResumePoint find_resume_point(const io::Path& run) {
  if (!has_checkpoint(run)) return {};
  ResumePoint point{.checkpoint = newest_checkpoint(run)};
  for (const RejectedCheckpoint& one : point.checkpoint->rejected)
    point.warnings.push_back(one.reason + ": this checkpoint is not used, the one before is");
  return point;
}

Settings resumed_settings(const Settings& asked, const io::Path& run, const ResumePoint& point) {
  Settings stored;
  const std::string name = (run / kConfigName).string();
  stored.assign_toml(io::read_text(run / kConfigName), name);
  forget_ignored(stored, name);
  Settings merged = stored;
  merged.assign_all(asked);
  const std::vector<std::string> changed = merged.differences(stored);
  if (!changed.empty()) {
    std::string list;
    for (const std::string& line : changed) list += "\n" + line;
    throw BadConfig("--resume: the run in " + run.string() +
                    " was begun with other values; leave them out, or begin another run" + list);
  }
  if (!point.checkpoint || point.checkpoint->manifest.schema < kManifestSchema) return merged;
  const Manifest& manifest = point.checkpoint->manifest;
  const std::string origin = "checkpoint of step " + std::to_string(manifest.step);
  const auto take = [&](const char* key, const std::string& value) {
    if (!asked.is_set(key)) merged.assign(key, value, origin);
  };
  // "cuda" alone would forget which of several was asked for.
  if (manifest.arithmetic.device == "cpu") take("device", "cpu");
  take("threads", std::to_string(manifest.arithmetic.threads));
  take("precision", manifest.precision);
  return merged;
}

void restore(Session& session, ResumePoint& point, bool allow_inexact) {
  if (!point.checkpoint) return;
  const auto& [path, manifest, rejected] = *point.checkpoint;
  const std::string who = printable(path.string());
  if (manifest.schema < kManifestSchema) {
    point.warnings.push_back(who + ": of schema " + std::to_string(manifest.schema) +
                             ", which holds no checksums: only sizes were compared");
  } else {
    if (manifest.stream_digest != session.manifest.stream_digest) {
      throw BadCheckpoint(who + ": its run saw another stream of images (digest " + manifest.stream_digest +
                          ", here " + session.manifest.stream_digest +
                          ")\nhas the data changed since it was begun?");
    }
    const std::string list = inexact(session.manifest, manifest);
    const std::string message = who + ": this would not give the bits of an uninterrupted run" + list;
    if (!list.empty() && !allow_inexact)
      throw BadCheckpoint(message + "\ntake those values, or say --allow-inexact");
    if (!list.empty()) point.warnings.push_back(message);
  }
  nn::StateList state;
  session.trainer->list_state(state);
  load_checkpoint(*point.checkpoint, state);
  if (session.trainer->steps_done() != manifest.step) {
    throw BadCheckpoint(who + ": its manifest is of step " + std::to_string(manifest.step) +
                        ", its state of step " + std::to_string(session.trainer->steps_done()));
  }
  session.manifest.step = manifest.step;
  session.manifest.task = manifest.task;
}

Trained rewind(RunDirectory& run, ResumePoint& point) {
  if (!point.checkpoint) {
    run.empty_metrics();
    return {};
  }
  const auto& [path, manifest, rejected] = *point.checkpoint;
  for (const RejectedCheckpoint& one : rejected) set_aside(one);
  const RunDirectory::KeptMetrics kept = run.keep_metrics(manifest.step, manifest.metrics_bytes);
  if (!kept.complete) {
    point.warnings.emplace_back(
        "metrics.jsonl is shorter than when the checkpoint was written: lines are missing");
  }
  return kept.trained;
}

}  // namespace nagare::apps
