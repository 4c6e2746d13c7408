// cuDNN chooses engines for a described GPU too: so the graphs we build are checked by the library itself, with no GPU.
#include <gmock/gmock.h>

#include <optional>
#include <span>

#include "engine/vendor/cudnn_graph.h"

namespace nagare::vendor::cudnn {
namespace {

constexpr char kH200[] = R"({
  "deviceName": "NVIDIA H200", "cudaDeviceId": 0, "deviceVer": 900, "driverVer": 13000,
  "maxGridSize": [2147483647, 65535, 65535], "maxBlockSize": [1024, 1024, 64], "warpSize": 32,
  "regsPerBlock": 65536, "maxRegistersPerSM": 65536, "multiProcessorCount": 132, "maxCtasPerSM": 32,
  "maxSharedMemoryPerBlock": 49152, "maxSharedMemoryPerBlockOptin": 232448, "reservedSharedMemoryPerBlock": 1024,
  "maxThreadsPerBlock": 1024, "maxThreadsPerSM": 2048, "pciDeviceId": 9013, "isTccDriver": 0,
  "supportCoopLaunch": 1, "smClockRateKHz": 1980000, "memClockRateKHz": 3201000, "l2CacheSize": 62914560,
  "totalGlobalMem": 150754820096})";

struct Layer {
  const char* name;
  Convolution sizes;
};
constexpr Layer kLayers[] = {
    {"stage 1", {64, 32, 32, 64, 64, 3, 3, 1, 1}},
    {"stage 2, strided", {64, 32, 32, 64, 128, 3, 3, 2, 1}},
    {"stage 2, shortcut", {64, 32, 32, 64, 128, 1, 1, 2, 0}},
    {"stage 4", {64, 4, 4, 512, 512, 3, 3, 1, 1}},
};
// bf16 gets its channels in multiples of 8 from the CUDA twin, f32 keeps what it has.
constexpr Layer kBf16Layers[] = {
    {"the CIFAR stem", {64, 32, 32, 8, 64, 3, 3, 1, 1}},
    {"the ImageNet stem", {16, 224, 224, 8, 64, 7, 7, 2, 3}},
    {"an odd size", {3, 7, 9, 8, 16, 5, 5, 2, 1}},
};
constexpr Layer kF32Layers[] = {
    {"the CIFAR stem", {64, 32, 32, 3, 64, 3, 3, 1, 1}},
    {"the ImageNet stem", {16, 224, 224, 3, 64, 7, 7, 2, 3}},
    {"an odd size", {3, 7, 9, 5, 11, 5, 5, 2, 1}},
};
constexpr Pass kPasses[] = {Pass::forward, Pass::backward_data, Pass::backward_weights};

// The described GPU, or why this cuDNN cannot take it.
struct CudnnPlanTest : testing::Test {
  void SetUp() override {
    try {
      device.emplace(describe_device(kH200));
    } catch (const std::runtime_error& error) {
      GTEST_SKIP() << error.what();
    }
  }

  void expect_plans(std::span<const Layer> layers, cudnnDataType_t type) {
    for (const Layer& layer : layers) {
      for (const Pass pass : kPasses) {
        SCOPED_TRACE(std::string(layer.name) + ", pass " + std::to_string(static_cast<int>(pass)));
        EXPECT_NO_THROW(Plan({pass, layer.sizes, type}, &*device));
      }
    }
  }

  std::optional<Descriptor> device;
};

TEST_F(CudnnPlanTest, EveryPassOfResNet18HasADeterministicBf16EngineOnH200) {
  expect_plans(kLayers, CUDNN_DATA_BFLOAT16);
  expect_plans(kBf16Layers, CUDNN_DATA_BFLOAT16);
}

TEST_F(CudnnPlanTest, EveryPassOfResNet18HasADeterministicF32EngineWithoutTf32OnH200) {
  expect_plans(kLayers, CUDNN_DATA_FLOAT);
  expect_plans(kF32Layers, CUDNN_DATA_FLOAT);
}

TEST_F(CudnnPlanTest, AProblemWithoutAnEngineIsNamedWithItsSizes) {
  const Convolution odd{64, 32, 32, 3, 5, 3, 3, 1, 1};
  EXPECT_THAT(
      [&] {
        Plan({Pass::forward, odd, CUDNN_DATA_INT8}, &*device);
      },
      testing::ThrowsMessage<std::runtime_error>(testing::HasSubstr("cuDNN")));
}

}  // namespace
}  // namespace nagare::vendor::cudnn
