#pragma once
// The directory of one run: held by a lock while a process works in it, never half-written.
//
//   RUN/.lock                   flock() of the process at work
//   RUN/STATUS.json             state, step, reason, exit code; replaced atomically, for whoever watches
//   RUN/config.resolved.toml    every option and where it came from
//   RUN/env.json                version, command line, machine
//   RUN/metrics.jsonl           first line the schema, then one object per step and per evaluation
//   RUN/events.out.tfevents.*   the same numbers for TensorBoard, one file per session
//   RUN/results.json            the end of the run
//   RUN/gallery.safetensors     what nagare report shows beside numbers, see ssl/eval/gallery.h
//   RUN/log.txt                 what stderr said
//   RUN/checkpoints/            see checkpoint.h
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "engine/io/file.h"

namespace nagare::apps {

struct RunStatus {
  std::string state;  // "running", "finished", "stopped", "failed"
  std::int64_t step = 0;
  std::int64_t planned_steps = 0;
  std::string reason;
  int exit_code = 0;
};

// What the steps in metrics.jsonl add up to.
struct Trained {
  std::int64_t images = 0;
  double seconds = 0.0;
};

class RunDirectory {
 public:
  enum class Kind { absent, empty, run, other };
  // What lies at `path` now.
  static Kind inspect(const io::Path& path);
  // Refuses what the constructor would refuse, without making anything.
  // errors  CannotWrite: not writable, not empty and not a run, or a run while resume is false; BadCheckpoint: no run
  //         to resume
  static void check(const io::Path& path, bool resume);

  // Creates the directory (a new run) or opens the run that is there (resume), and locks it.
  // errors  those of check(), and RunInUse
  RunDirectory(const io::Path& path, bool resume);
  ~RunDirectory();
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;

  const io::Path& path() const { return path_; }
  // Replaces a file of the directory.
  void write(const std::string& name, std::string_view content) const;
  void write_status(const RunStatus& status) const;
  // One line of metrics.jsonl, the newline not included.
  void add_metrics(std::string_view json_line);
  // Forgets what metrics.jsonl says of later steps: a resumed run does them again. Of a negative step: of all.
  Trained drop_metrics_after(std::int64_t step);
  void add_log(std::string_view text);

 private:
  io::Path path_;
  int lock_ = -1;
  std::unique_ptr<io::AppendFile> metrics_;
  std::unique_ptr<io::AppendFile> log_;
};

}  // namespace nagare::apps
