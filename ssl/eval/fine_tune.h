#pragma once
// Fine-tuning: a copy of the network and a linear classifier are trained on labelled images, with a crop (0.08 of the area and
// more) and a flip, batch norm by batch statistics; then the copy is judged as the network is. See linear_probe.h.
//
// The network itself is left as it is.
#include "ssl/eval/linear_probe.h"
#include "ssl/eval/network_view.h"

namespace nagare::ssl {

struct FineTuneRates {
  std::int64_t epochs = 20;
  double backbone = 0.0;
  double head = 0.0;
};

// Published protocols differ by how many labels there are: `few` up to 3 % of them (published for 1 %), `many` above (10 %).
struct FineTuneProtocol {
  FineTuneRates few;
  FineTuneRates many;
  bool per_256 = false;
  std::int64_t batch = 256;
  EpochSchedule schedule;  // its epochs are those of the rates
  bool nesterov = false;
  LinearInit init = LinearInit::zero;

  const FineTuneRates& rates(double fraction) const { return fraction <= 0.03 ? few : many; }
};

struct FineTuneTask {
  const std::vector<std::int64_t>& ids;     // the labelled ones of network.bank_images
  const std::vector<std::int64_t>& labels;  // of all of them
  std::int64_t classes = 0;
  FineTuneRates rates;
  std::uint64_t seed = 0;
};

// Logits of network.query_images.
Scores fine_tune(const FineTuneProtocol& protocol, const FineTuneTask& task, const NetworkView& network);

}  // namespace nagare::ssl
