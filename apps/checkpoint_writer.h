#pragma once
// Stores checkpoints while training goes on.
//
// save() copies the state and returns; a thread of its own then writes it: a directory .tmp-..., its files one by one
// (new, fsync), the manifest last, fsync of the directory, one rename to step-..., fsync of checkpoints/, LATEST. The
// result is read back and compared before older ones go. A process that ends at any moment leaves the checkpoints that
// were there, and nothing else that bears the name of one.
//
// cost    the copy takes as much memory as the checkpoint, while it is being written; one at a time
// errors  CannotWrite (full disk: free and needed bytes, before anything is written). What the thread meets is thrown by
//         the next check(), save() or wait(); nothing is deleted then. Old checkpoints that cannot be removed are no
//         error: a warning, and the next checkpoint tries again
#include <future>
#include <string>
#include <vector>

#include "apps/checkpoint.h"
#include "apps/run_directory.h"

namespace nagare::apps {

class CheckpointWriter {
 public:
  // The run keeps the newest `keep`, and is held by its lock. What a process that was killed left is swept away, and
  // checkpoints that it should have removed; damaged ones are set aside before.
  // background: false stores within save()
  CheckpointWriter(RunDirectory& run, std::int64_t keep, bool background);
  // Waits; an error that nobody asked for is dropped.
  ~CheckpointWriter();
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  // Waits for the one before. Fills in what the manifest says of files and metrics.jsonl.
  void save(Manifest manifest, const nn::StateList& state);
  // Has the last one failed, as far as is known now? Returns the warnings since the last question.
  std::vector<std::string> check();
  // Until it is stored.
  std::vector<std::string> wait();

 private:
  using Warnings = std::vector<std::string>;
  void collect();

  RunDirectory& run_;
  std::int64_t keep_;
  bool background_;
  std::future<Warnings> stored_;
  Warnings warnings_;
};

// Out of the way of a run that goes on from an earlier checkpoint: renamed to damaged-step-..., once.
void set_aside(const RejectedCheckpoint& checkpoint);

}  // namespace nagare::apps
