#pragma once
// Where a buffer lives and a kernel runs. One process uses one GPU, chosen when it starts.
#include <cstdint>

#include "build_config.h"

namespace nagare {

enum class Device : std::uint8_t { cpu, cuda };

constexpr const char* to_string(Device device) { return device == Device::cpu ? "cpu" : "cuda"; }

}  // namespace nagare
