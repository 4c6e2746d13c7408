#pragma once
// A call of the GPU's runtime or driver failed. Every such call throws through here, so that what may be done afterwards
// is decided in one place: after a sticky error the context is gone, nothing that lies on the device can be trusted,
// and so nothing is read from it any more (copy_bytes refuses), let alone saved.
//
// sticky  214, 220, 226, 700, 702, 709, 710, 714..719, 721, 999 in CUDA 13's numbering (driver_types.h: "the only way to
//         continue using CUDA is to relaunch the application", uncorrectable memory errors, unknown)
#include <stdexcept>
#include <string>

namespace nagare {

struct DeviceError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

bool is_sticky(int cuda_error);

// call     what failed: "cudaMemcpyAsync", "CUDA kernel row_softmax"
// meaning  the runtime's words for the code
[[noreturn]] void throw_device_error(const std::string& call, int cuda_error, const std::string& meaning);

// Throws DeviceError again once a sticky error was met.
void check_device_alive();

}  // namespace nagare
