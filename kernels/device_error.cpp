#include "kernels/device_error.h"

#include <algorithm>
#include <mutex>

namespace nagare {
namespace {

constexpr int kSticky[] = {214, 220, 226, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 721, 999};

struct FirstLoss {
  std::mutex mutex;
  std::string what;  // "": the device is there
};

FirstLoss& first_loss() {
  static auto* loss = new FirstLoss;  // never destroyed: tensors in static storage are released last
  return *loss;
}

}  // namespace

bool is_sticky(int cuda_error) { return std::ranges::find(kSticky, cuda_error) != std::end(kSticky); }

void throw_device_error(const std::string& call, int cuda_error, const std::string& meaning) {
  std::string message =
      "the GPU failed in " + call + ": " + meaning + " (CUDA error " + std::to_string(cuda_error) + ")";
  if (!is_sticky(cuda_error)) throw DeviceError(message);
  message +=
      "; nothing more is read from it or saved\n"
      "go on from the last checkpoint by --resume; if it fails again, dmesg and nvidia-smi -q tell of a "
      "broken GPU";
  FirstLoss& loss = first_loss();
  const std::lock_guard lock(loss.mutex);
  if (loss.what.empty()) loss.what = message;
  throw DeviceError(message);
}

void check_device_alive() {
  FirstLoss& loss = first_loss();
  const std::lock_guard lock(loss.mutex);
  if (!loss.what.empty()) throw DeviceError(loss.what);
}

}  // namespace nagare
