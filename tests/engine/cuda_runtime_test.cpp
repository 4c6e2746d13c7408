// Every call of the CUDA runtime fails once, with every error that ends a context and with some that do not: on a
// runtime made of host memory, so it needs the toolkit's headers but no GPU.
#include "engine/device/cuda_runtime.h"

#include <cuda_runtime_api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <vector>

#include "engine/device/device_context.h"
#include "engine/device/errors.h"
#include "engine/device/memory.h"
#include "kernels/device_error.h"

namespace {

struct FakeRuntime {
  int fail_at = 0;  // the number of the call that fails; 0: none
  cudaError_t error = cudaSuccess;
  int calls = 0;
  bool lost = false;  // a sticky error was answered: every later call answers it too
  const char* failed = "";
};

FakeRuntime fake;

cudaError_t answer(const char* call) {
  if (fake.lost) return fake.error;
  if (++fake.calls != fake.fail_at) return cudaSuccess;
  fake.failed = call;
  fake.lost = nagare::is_sticky(fake.error);
  return fake.error;
}

int host = 0;  // what handles point at

template <class Handle>
cudaError_t hand_out(const char* call, Handle* handle) {
  *handle = reinterpret_cast<Handle>(&host);
  return answer(call);
}

}  // namespace

extern "C" {
cudaError_t cudaMallocAsync(void** block, std::size_t bytes, cudaStream_t) {
  const cudaError_t error = answer("cudaMallocAsync");
  *block = error == cudaSuccess ? std::malloc(bytes) : nullptr;
  return error;
}
cudaError_t cudaFreeAsync(void* block, cudaStream_t) {
  std::free(block);
  return answer("cudaFreeAsync");
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind, cudaStream_t) {
  const cudaError_t error = answer("cudaMemcpyAsync");
  if (error == cudaSuccess) std::memcpy(to, from, bytes);
  return error;
}
cudaError_t cudaMemsetAsync(void* block, int value, std::size_t bytes, cudaStream_t) {
  const cudaError_t error = answer("cudaMemsetAsync");
  if (error == cudaSuccess) std::memset(block, value, bytes);
  return error;
}
cudaError_t cudaStreamSynchronize(cudaStream_t) { return answer("cudaStreamSynchronize"); }
cudaError_t cudaDriverGetVersion(int* version) {
  *version = CUDART_VERSION;
  return answer("cudaDriverGetVersion");
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;  // asks no device
}
cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return answer("cudaGetDeviceCount");
}
cudaError_t cudaSetDevice(int) { return answer("cudaSetDevice"); }
cudaError_t cudaGetDevice(int* index) {
  *index = 0;
  return answer("cudaGetDevice");
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {};
  properties->major = 9;
  return answer("cudaGetDeviceProperties");
}
cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int) {
  return hand_out("cudaDeviceGetDefaultMemPool", pool);
}
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) {
  return answer("cudaMemPoolSetAttribute");
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  return hand_out("cudaStreamCreateWithFlags", stream);
}
cudaError_t cudaEventCreate(cudaEvent_t* event) { return hand_out("cudaEventCreate", event); }
cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t) { return answer("cudaEventRecord"); }
cudaError_t cudaEventSynchronize(cudaEvent_t) { return answer("cudaEventSynchronize"); }
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t, cudaEvent_t) {
  *milliseconds = 1.0F;
  return answer("cudaEventElapsedTime");
}
cudaError_t cudaEventDestroy(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaGetLastError() { return cudaSuccess; }
const char* cudaGetErrorString(cudaError_t) { return "the driver's words"; }
}

namespace nagare {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// What a process does with a GPU, its calls all made once at least. True when the values came back.
bool use_the_gpu() {
  choose_device("cuda");
  cuda_runtime::describe();
  cuda_runtime::Timer timer;
  timer.start();
  std::vector<int> there = {1, 2, 3};
  std::vector<int> back(3);
  const std::size_t bytes = 3 * sizeof(int);
  const std::shared_ptr<void> block = allocate(Device::cuda, bytes);
  cuda_runtime::fill_zero(block.get(), bytes);
  copy_bytes({block.get(), Device::cuda}, {there.data(), Device::cpu}, bytes);
  copy_bytes({back.data(), Device::cpu}, {block.get(), Device::cuda}, bytes);
  synchronize(Device::cuda);
  timer.stop();
  return back == there;
}

bool readable() {
  fake = {};  // even if the driver answered again
  int there = 0;
  int here = 0;
  try {
    copy_bytes({&here, Device::cpu}, {&there, Device::cuda}, sizeof here);
  } catch (const DeviceError&) {
    return false;
  }
  return true;
}

enum Verdict : int { kGood, kNotNoticed, kNotNamed, kStillRead, kNoLongerRead, kNotReached };

// In a process of its own: a sticky error is remembered.
Verdict fail(int at, cudaError_t error) {
  fake = {.fail_at = at, .error = error};
  std::string said;
  try {
    use_the_gpu();
  } catch (const DeviceUnavailable&) {
    return kGood;  // refused while it was chosen: nothing lies there yet
  } catch (const DeviceError& failure) {
    said = failure.what();
  }
  if (fake.calls < at) return kNotReached;
  const std::string failed = fake.failed;
  if (said.empty())
    return failed == "cudaFreeAsync" ? kGood : kNotNoticed;  // a destructor has nobody to tell
  const std::string code = "(CUDA error " + std::to_string(error) + ")";
  if (said.find("the GPU failed in " + failed + ": the driver's words " + code) != 0) return kNotNamed;
  if (is_sticky(error)) return readable() ? kStillRead : kGood;
  return readable() ? kGood : kNoLongerRead;
}

struct CudaRuntime : testing::TestWithParam<int> {};

TEST_P(CudaRuntime, ACallThatFailsIsNamedAndAfterAStickyErrorNothingIsRead) {
  const auto error = static_cast<cudaError_t>(GetParam());
  // This process keeps away from the GPU: a first use makes calls that later ones do not.
  int calls = 0;
  Verdict verdict = kGood;
  while (verdict == kGood) {
    const auto judged = [&](int status) {
      verdict = WIFEXITED(status) ? static_cast<Verdict>(WEXITSTATUS(status)) : kNotNoticed;
      return verdict == kGood || verdict == kNotReached;
    };
    EXPECT_EXIT(_exit(fail(calls + 1, error)), judged, "") << "call " << calls + 1;
    if (verdict == kGood) ++calls;
  }
  EXPECT_GE(calls, 19);
}

INSTANTIATE_TEST_SUITE_P(Sticky, CudaRuntime,
                         testing::Values(214, 220, 226, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 721,
                                         999));
INSTANTIATE_TEST_SUITE_P(Passing, CudaRuntime, testing::Values(1, 701, 801));

// The same path as on the host: exit 8, with sizes and what lowers them.
TEST(CudaRuntimeMemory, IsReportedWithItsSizes) {
  fake = {};
  ASSERT_TRUE(use_the_gpu());
  fake = {.fail_at = 1, .error = cudaErrorMemoryAllocation};
  EXPECT_THAT(
      [] { allocate(Device::cuda, 123456789); },
      testing::ThrowsMessage<OutOfMemory>(AllOf(HasSubstr("out of memory on cuda: 123456789 bytes asked for"),
                                                HasSubstr(" in use"), HasSubstr("--stream-batch"))));
  EXPECT_TRUE(readable()) << "nothing is lost by that";
}

}  // namespace
}  // namespace nagare
