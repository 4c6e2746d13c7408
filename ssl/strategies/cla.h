#pragma once
// Continual latent alignment: today's projections, through an aligner, agree with a slow copy's or with those that were
// stored with replayed images. Needs no boundaries. docs/strategies/cla.md
#include <memory>
#include <string>

#include "ssl/core/strategy.h"
#include "ssl/strategies/context.h"

namespace nagare::ssl {

struct ClaOptions {
  // ema         CLA-E: a moving average of the network, on what arrives; no buffer
  // stored      CLA-R: what was stored with replayed images
  // ema-replay  the moving average, on replayed images
  // hybrid      as stored, with a quarter of the buffer first in first out and the rest of minimum redundancy; only what
  //             the latter gives is aligned
  std::string variant = "stored";
  std::string criterion = "cosine";  // cosine: -cos; mse; method: the form of CaSSLe that the method has
  float strength = 0.1F;             // omega
  std::int64_t hidden = 512;         // of the aligner
  float momentum = 0.999F;           // share of the moving average that an update keeps
  float keep = 0.5F;                 // share of a stored projection that a replay keeps

  OptionSet bind();
};

std::unique_ptr<Strategy> make_cla(const StrategyContext& context);

}  // namespace nagare::ssl
