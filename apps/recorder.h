#pragma once
// Listens to the training loop: progress line, metrics.jsonl, TensorBoard events, checkpoints, stop requests.
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "apps/checkpoint_writer.h"
#include "apps/console.h"
#include "apps/event_log.h"
#include "apps/run_directory.h"
#include "apps/session.h"

namespace nagare::apps {

class Recorder : public ssl::TrainObserver {
 public:
  // `before`: what the run did until it was stopped; nothing in a new run.
  Recorder(Session& session, const Options& options, RunDirectory& run, Console& console,
           const Trained& before);

  void on_step(const ssl::StepReport& report) override;
  void on_evaluation(const ssl::EvaluationReport& report) override;
  void on_settled() override;
  bool stop_requested() override;

  // Waits until the trainer's state as it is now is stored.
  // errors  CannotWrite
  void save();
  std::int64_t images_trained() const { return images_trained_; }
  double training_seconds() const { return training_seconds_; }

 private:
  void warn(const std::vector<std::string>& warnings);
  void write(const nlohmann::ordered_json& line);
  void begin_saving();
  void show_progress(const ssl::StepReport& report, bool last);

  Session& session_;
  const Options& options_;
  RunDirectory& run_;
  Console& console_;
  EventLog events_;
  CheckpointWriter checkpoints_;
  double start_ = 0.0;          // monotonic seconds
  std::int64_t last_step_ = 0;  // the run ends there
  std::int64_t step_ = 0;
  std::int64_t task_ = 0;
  bool task_ended_ = false;      // with the last update
  bool saved_ = false;           // the state as it is now
  double last_accuracy_ = -1.0;  // of the first readout, percent; negative: none yet
  std::int64_t images_trained_ = 0;
  double training_seconds_ = 0.0;
  // The rate leaves out the first steps, which allocate and compile.
  std::int64_t rated_images_ = 0;
  double rated_seconds_ = 0.0;
  std::int64_t steps_seen_ = 0;
};

}  // namespace nagare::apps
