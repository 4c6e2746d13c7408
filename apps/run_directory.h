#pragma once
// The directory of one run: held by a lock while a process works in it, never half-written.
//
//   RUN/.lock                   locked by the process at work, whose number and machine it then holds; else empty
//   RUN/STATUS.json             state, step, reason, exit code; replaced atomically, for whoever watches
//   RUN/config.resolved.toml    every option and where it came from
//   RUN/env.json                version, command line, machine
//   RUN/metrics.jsonl           first line the schema, then one object per step and per evaluation
//   RUN/events.out.tfevents.*   the same numbers for TensorBoard, one file per session
//   RUN/results.json            the end of the run
//   RUN/gallery.safetensors     what nagare report shows beside numbers, see ssl/eval/gallery.h
//   RUN/log.jsonl               what stderr said: wall, level, step, text
//   RUN/checkpoints/            see checkpoint.h
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "engine/io/file.h"

namespace nagare::apps {

inline constexpr char kConfigName[] = "config.resolved.toml";

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
  // errors  CannotWrite: a directory that cannot be listed
  static Kind inspect(const io::Path& path);
  // Refuses what the constructor would refuse, without making anything.
  // errors  CannotWrite: not writable, not empty and not a run, or a run while resume is false; BadCheckpoint: no run
  //         to resume; RunInUse: another process works there, which is named
  static void check(const io::Path& path, bool resume);

  // Creates the directory (a new run) or opens the run that is there (resume), and locks it.
  // The lock goes with the process, however it ends.
  // errors  those of check()
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
  // Of metrics.jsonl, all its lines included.
  std::uint64_t metrics_bytes() const { return metrics_->size(); }
  // Its lines until now survive a power cut. May be called while another thread adds some.
  void sync_metrics() const { metrics_->sync(); }
  // What is left of metrics.jsonl when a run goes on from a checkpoint: the bytes that it counts, and evaluations that
  // were saved later (nagare eval --save). A resumed run makes the other lines again.
  // bytes   negative: not known, lines go by their step. More than there are: `complete` is false, and all stays
  struct KeptMetrics {
    Trained trained;
    bool complete = true;
  };
  KeptMetrics keep_metrics(std::int64_t step, std::int64_t bytes);
  // Of a run that begins again.
  void empty_metrics() { metrics_->truncate(0); }
  // Removes what a killed process had not finished writing.
  void sweep() const;
  // Of STATUS.json; "" when there is none that can be read.
  std::string state() const;
  // One line of log.jsonl, the newline not included.
  void add_log(std::string_view json_line);

 private:
  static void check_unlocked(const io::Path& path, bool resume);
  void release();

  io::Path path_;
  int lock_ = -1;
  std::unique_ptr<io::AppendFile> metrics_;
  std::unique_ptr<io::AppendFile> log_;
};

}  // namespace nagare::apps
