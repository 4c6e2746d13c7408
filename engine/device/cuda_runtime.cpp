#include "engine/device/cuda_runtime.h"

#include <cuda_runtime_api.h>

#include "kernels/device_error.h"

namespace nagare::cuda_runtime {
namespace {

void check(cudaError_t error, const char* call) {
  if (error != cudaSuccess) throw_device_error(call, error, cudaGetErrorString(error));
}

// The compute stream of the selected device. Created by select(); the default stream before that.
Stream selected_stream = nullptr;

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

}  // namespace

void* allocate(std::size_t bytes) {
  void* block = nullptr;
  const cudaError_t error = cudaMallocAsync(&block, bytes, selected_stream);
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // clears the error: the caller reports it with sizes
    return nullptr;
  }
  check(error, "cudaMallocAsync");
  return block;
}

void release(void* block) noexcept { cudaFreeAsync(block, selected_stream); }

void copy(void* to, const void* from, std::size_t bytes, bool to_host) {
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, selected_stream), "cudaMemcpyAsync");
  if (to_host) synchronize();
}

void fill_zero(void* block, std::size_t bytes) {
  check(cudaMemsetAsync(block, 0, bytes, selected_stream), "cudaMemsetAsync");
}

Stream compute_stream() { return selected_stream; }

void synchronize() { check(cudaStreamSynchronize(selected_stream), "cudaStreamSynchronize"); }

std::string select(int index) {
  int driver = 0;
  int runtime = 0;
  const cudaError_t asked = cudaDriverGetVersion(&driver);
  if (asked != cudaSuccess) return std::string("the driver reports: ") + cudaGetErrorString(asked);
  cudaRuntimeGetVersion(&runtime);
  if (driver == 0) return "no NVIDIA driver is installed";
  if (driver / 1000 < runtime / 1000) {
    return "the driver supports CUDA " + version_text(driver) + ", this build needs " + version_text(runtime);
  }
  int count = 0;
  const cudaError_t counted = cudaGetDeviceCount(&count);
  if (counted != cudaSuccess) return std::string("the driver reports: ") + cudaGetErrorString(counted);
  if (index >= count)
    return "there is no GPU " + std::to_string(index) + ", the driver lists " + std::to_string(count);
  const cudaError_t set = cudaSetDevice(index);
  if (set != cudaSuccess) return std::string("GPU cannot be opened: ") + cudaGetErrorString(set);
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, index), "cudaGetDeviceProperties");
  if (properties.major < 8) {
    return std::string(properties.name) + " is sm_" +
           std::to_string(properties.major * 10 + properties.minor) + ", this build needs sm_80 or later";
  }
  cudaMemPool_t pool = nullptr;
  check(cudaDeviceGetDefaultMemPool(&pool, index), "cudaDeviceGetDefaultMemPool");
  std::uint64_t keep = UINT64_MAX;  // freed memory stays with the pool: the next step asks for it again
  check(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &keep), "cudaMemPoolSetAttribute");
  if (selected_stream == nullptr) {
    check(cudaStreamCreateWithFlags(&selected_stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  }
  return "";
}

std::string describe() {
  int index = 0;
  int driver = 0;
  cudaDeviceProp properties{};
  check(cudaGetDevice(&index), "cudaGetDevice");
  check(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
  check(cudaGetDeviceProperties(&properties, index), "cudaGetDeviceProperties");
  return std::string(properties.name) + ", sm_" + std::to_string(properties.major * 10 + properties.minor) +
         ", driver CUDA " + version_text(driver) + ", " + std::to_string(properties.totalGlobalMem >> 30) +
         " GiB";
}

Timer::Timer() {
  for (void*& event : events_) {
    cudaEvent_t made = nullptr;
    check(cudaEventCreate(&made), "cudaEventCreate");
    event = made;
  }
}

Timer::~Timer() {
  for (void* event : events_) cudaEventDestroy(static_cast<cudaEvent_t>(event));
}

void Timer::start() {
  check(cudaEventRecord(static_cast<cudaEvent_t>(events_[0]), selected_stream), "cudaEventRecord");
}

double Timer::stop() {
  const auto end = static_cast<cudaEvent_t>(events_[1]);
  check(cudaEventRecord(end, selected_stream), "cudaEventRecord");
  check(cudaEventSynchronize(end), "cudaEventSynchronize");
  float milliseconds = 0.0F;
  check(cudaEventElapsedTime(&milliseconds, static_cast<cudaEvent_t>(events_[0]), end),
        "cudaEventElapsedTime");
  return static_cast<double>(milliseconds) / 1e3;
}

}  // namespace nagare::cuda_runtime
