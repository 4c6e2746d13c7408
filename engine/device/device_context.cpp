#include "engine/device/device_context.h"

#include <charconv>

#include "engine/device/cuda_runtime.h"
#include "engine/device/errors.h"

namespace nagare {
namespace {

// "" or why GPU `index` cannot be used.
std::string select_cuda([[maybe_unused]] int index) {
  if constexpr (kBuiltWithCuda) {
    return cuda_runtime::select(index);
  } else {
    return "this program was built without CUDA";
  }
}

int parse_index(const std::string& request) {
  if (request == "auto" || request == "cuda") return 0;
  int index = -1;
  if (request.starts_with("cuda:")) {
    const char* end = request.data() + request.size();
    const auto [stopped, error] = std::from_chars(request.data() + 5, end, index);
    if (error != std::errc{} || stopped != end) index = -1;
  }
  if (index < 0) throw BadConfig("--device " + request + ": need auto, cpu, cuda or cuda:INDEX (as cuda:0)");
  return index;
}

}  // namespace

DeviceChoice choose_device(const std::string& request) {
  if (request == "cpu") return {};
  const std::string obstacle = select_cuda(parse_index(request));
  if (obstacle.empty()) return {.device = Device::cuda, .note = ""};
  if (request == "auto") return {.device = Device::cpu, .note = "no GPU in use: " + obstacle};
  throw DeviceUnavailable("--device " + request + ": " + obstacle + "; use --device cpu");
}

Stream compute_stream(Device device) {
  if (device == Device::cuda) {
    if constexpr (kBuiltWithCuda) return cuda_runtime::compute_stream();
  }
  return nullptr;
}

void synchronize(Device device) {
  if (device == Device::cuda) {
    if constexpr (kBuiltWithCuda) cuda_runtime::synchronize();
  }
}

}  // namespace nagare
