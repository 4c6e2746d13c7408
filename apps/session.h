#pragma once
// From options to a trainer that is ready to run.
#include <memory>
#include <string>

#include "apps/checkpoint.h"
#include "apps/settings.h"
#include "ssl/data/dataset.h"
#include "ssl/train/trainer.h"

namespace nagare::apps {

struct Session {
  std::unique_ptr<ssl::Dataset> dataset;  // the trainer refers to it
  std::unique_ptr<ssl::Trainer> trainer;
  Device device = Device::cpu;
  DType precision = DType::f32;
  int threads = 1;
  std::string device_note;  // why `auto` took the CPU
  Manifest manifest;        // step and task 0
  std::uint64_t stream_digest = 0;
  std::vector<std::vector<std::int64_t>> task_classes;
};

// The method and the strategy are known, and so are all options given for them: BadConfig naming the nearest otherwise.
// Nothing was asked of schedule and evaluation that they would not look at (ignored_options.h).
void check_choices(const Settings& settings);

// The file, environment and flags of a command on top of its preset: BadConfig names the place of any mistake.
// Loads the data; writes nothing.
Session make_session(const Settings& settings);

// Reads --data's source, or BadData with a hint when the spec is a directory alone.
// device: where fractals and noise are drawn
ssl::Dataset load_data(const Options& options, Device device = Device::cpu);
ssl::EvaluationOptions evaluation_options(const Options& options);
ssl::StreamOptions stream_options(const Options& options);

}  // namespace nagare::apps
