#pragma once
// The state of a tiny run as a checkpoint's file has it: to be changed by hand and loaded as a stranger's file is.
#include <cstddef>
#include <utility>
#include <vector>

#include "engine/io/state_io.h"
#include "tests/ssl/tiny_run.h"

namespace nagare::ssl::test {

// Stops after some updates.
class Few final : public TrainObserver {
 public:
  void on_step(const StepReport& /*report*/) override { ++steps_; }
  void on_evaluation(const EvaluationReport& /*report*/) override {}
  void on_settled() override {}
  bool stop_requested() override { return steps_ >= kUpdates; }

 private:
  static constexpr std::int64_t kUpdates = 3;  // past the end of a batch of two
  std::int64_t steps_ = 0;
};

inline io::SafetensorsFile file_of(const std::vector<io::NamedTensor>& tensors) {
  std::vector<std::byte> bytes;
  io::write_safetensors(
      [&](const void* data, std::size_t count) {
        const auto* from = static_cast<const std::byte*>(data);
        bytes.insert(bytes.end(), from, from + count);
      },
      tensors, {});
  return {std::move(bytes), "state"};
}

inline void load(const Trainer& trainer, const std::vector<io::NamedTensor>& tensors) {
  nn::StateList list;
  trainer.list_state(list);
  io::load_state(file_of(tensors), list);
}

// The state after `updates` of them.
inline std::vector<io::NamedTensor> state_at(const TinyRun& run, std::int64_t updates) {
  const auto trainer = tiny_trainer(run);
  TinyObserver observer(updates);
  observer.watch(*trainer);
  trainer->run(observer);
  const auto saved = tiny_trainer(run);
  restore(*saved, observer.saved);
  nn::StateList list;
  saved->list_state(list);
  return io::to_disk(list);
}

}  // namespace nagare::ssl::test
