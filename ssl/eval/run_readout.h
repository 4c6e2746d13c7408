#pragma once
// One readout on features that are there already.
#include <cstdint>
#include <vector>

#include "ssl/eval/network_view.h"
#include "ssl/eval/probe.h"
#include "ssl/eval/readout.h"
#include "ssl/eval/scores.h"

namespace nagare::ssl {

// What a readout looks at. Rows of bank and queries are on the CPU.
struct ReadoutData {
  const LabelledFeatures& bank;
  const Tensor& queries;  // f32 (Q, D)
  const std::vector<std::int64_t>& query_labels;
  const Tasks& tasks;
  const NetworkView* network = nullptr;          // for readouts that train on images
  std::vector<std::int64_t> query_domains = {};  // as LabelledFeatures::domains
};

// What readouts ask of the evaluation's options.
struct ReadoutSettings {
  std::int64_t neighbours = 20;
  float temperature = 0.07F;
  std::int64_t tasks_seen = 1;
  bool augment = false;     // linear probes see crops
  std::int64_t epochs = 0;  // 0: as published
  std::uint64_t seed = 0;
};

// errors  Diverged for features that are not finite; std::invalid_argument when the network is needed and missing
ReadoutResult run_readout(const Readout& readout, const ReadoutData& data, const ReadoutSettings& settings);

}  // namespace nagare::ssl
