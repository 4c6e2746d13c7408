#pragma once
// The network as it was: what distillation learns from. It stands from attach() on, so that a checkpoint always has
// the same entries, and counts for nothing until it has been taken for the first time.
#include <memory>
#include <string>

#include "engine/nn/state.h"
#include "ssl/core/method.h"

namespace nagare::ssl {

class PastNetwork {
 public:
  // Its statistics in forward().
  enum class Norm {
    batch,    // those of the batch at hand; its running ones move (as CaSSLe's published program has it)
    running,  // those it had when it was taken
  };

  // "batch" or "running", as options call them.
  static Norm norm_named(const std::string& name);

  explicit PastNetwork(const Network& network);

  // From now on it is what `network` is now, running statistics included.
  void take(const Network& network);
  // Its parameters become decay times themselves and 1 - decay times those of `network`; buffers stay its own.
  void follow(const Network& network, double decay);
  // Whether take() has been called, in this run or the one it goes on from.
  bool taken() const { return *times_.data<std::int64_t>() > 0; }
  // Of all views, view-major and without history. Batch statistics are each view's own.
  Network::Rows forward(const Views& views, Norm norm) const;
  // Under "past.", all as buffers: an optimiser must not touch them.
  void list_state(nn::StateList& list) const;

 private:
  std::unique_ptr<Network> network_;
  Tensor times_;  // i64 scalar: how often it was taken
};

}  // namespace nagare::ssl
