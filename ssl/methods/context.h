#pragma once
// What a method is built from.
#include <array>
#include <cstdint>
#include <memory>

#include "kernels/device.h"
#include "models/backbone.h"
#include "ssl/core/options.h"

namespace nagare::ssl {

struct MethodContext {
  std::unique_ptr<models::Backbone> backbone;               // moved into the method
  std::int64_t image_size = 32;                             // pixels of a view
  std::array<float, 3> mean = {0.4914F, 0.4822F, 0.4465F};  // of the data set, of the [0, 1] range
  std::array<float, 3> std = {0.2470F, 0.2435F, 0.2616F};
  std::uint64_t seed = 0;  // of the heads' initial weights
  Device device = Device::cpu;
  std::int64_t classes = 0;  // read by the supervised baseline alone
  OptionValues options;
};

}  // namespace nagare::ssl
