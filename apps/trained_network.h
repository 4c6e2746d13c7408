#pragma once
// A network from a checkpoint, ready to give features: what `eval` and `embed` share.
#include <memory>
#include <string>

#include "apps/checkpoint.h"
#include "apps/console.h"
#include "apps/settings.h"
#include "models/backbone.h"
#include "ssl/data/dataset.h"
#include "ssl/eval/evaluator.h"

namespace nagare::apps {

struct TrainedNetwork {
  FoundCheckpoint checkpoint;
  std::unique_ptr<models::Backbone> backbone;
  ssl::FeatureInput input;
  Options options;  // as asked, the rest from the manifest
};

// What the settings leave open (data, stream, seed, model) is as in the run. `command`: whose it is, for messages.
TrainedNetwork open_network(const std::string& command, const Settings& settings, Console& console);

}  // namespace nagare::apps
