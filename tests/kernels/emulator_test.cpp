// The emulator itself: what CUDA guarantees must hold under every order of the threads, and kernels that break the rules
// must be reported by name, block and thread.
#include <gmock/gmock.h>

#include <numeric>
#include <set>

#include "kernels/warp.cuh"

namespace nagare::kernels::cuda {
namespace {

using emulator::KernelFault;
using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

// Runs the rest of the test once per seed.
class EmulatorTest : public testing::TestWithParam<std::uint64_t> {
 protected:
  void SetUp() override { emulator::set_seed(GetParam()); }
  void TearDown() override { emulator::set_seed(program_seed_); }

 private:
  std::uint64_t program_seed_ = emulator::seed();
};
INSTANTIATE_TEST_SUITE_P(Seeds, EmulatorTest, testing::Range<std::uint64_t>(0, 8));

// Sum of a block through shared memory; `synchronised` = false leaves out what orders the writes before the reads.
template <bool synchronised>
__global__ void block_sums(int n, const float* x, float* sums) {
  NAGARE_SHARED(float, partial, [64]);
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  partial[threadIdx.x] = i < n ? x[i] : 0.0F;
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    if constexpr (synchronised) __syncthreads();
    if (threadIdx.x < half) partial[threadIdx.x] += partial[threadIdx.x + half];
  }
  if (threadIdx.x == 0) sums[blockIdx.x] = partial[0];
}

std::vector<float> sums_of_blocks(bool synchronised) {
  std::vector<float> x(1000);
  std::iota(x.begin(), x.end(), 0.0F);
  std::vector<float> sums(16);
  const int n = static_cast<int>(x.size());
  launch("block_sums", synchronised ? &block_sums<true> : &block_sums<false>, 16, 64, 0, nullptr, n, x.data(),
         sums.data());
  return sums;
}

TEST_P(EmulatorTest, BlocksSumThroughSharedMemory) {
  const std::vector<float> sums = sums_of_blocks(true);
  for (int block = 0; block < 16; ++block) {
    float want = 0.0F;
    for (int i = 64 * block; i < std::min(64 * (block + 1), 1000); ++i) want += static_cast<float>(i);
    EXPECT_EQ(sums[static_cast<std::size_t>(block)], want) << block;
  }
}

TEST(EmulatorFaultTest, AMissingBarrierChangesTheResultWithTheOrder) {
  const std::uint64_t program_seed = emulator::seed();
  std::set<std::vector<float>> results;
  bool nan = false;
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    emulator::set_seed(seed);
    const std::vector<float> sums = sums_of_blocks(false);
    nan = nan || std::isnan(sums[0]);  // unwritten shared memory is NaN
    if (!std::isnan(sums[0])) results.insert(sums);
  }
  emulator::set_seed(program_seed);
  EXPECT_TRUE(nan);
  EXPECT_GE(results.size() + (nan ? 1 : 0), 2U);
}

__global__ void shuffles(int* out) {
  const int lane = static_cast<int>(threadIdx.x);
  int* row = out + 8 * lane;
  row[0] = __shfl_sync(kAllLanes, 10 * lane, 3);
  row[1] = __shfl_xor_sync(kAllLanes, 10 * lane, 5);
  row[2] = __shfl_up_sync(kAllLanes, 10 * lane, 2);
  row[3] = __shfl_down_sync(kAllLanes, 10 * lane, 2, 8);
  row[4] = static_cast<int>(__ballot_sync(kAllLanes, lane % 3 == 0));
  row[5] = __any_sync(kAllLanes, lane == 31) + 2 * __all_sync(kAllLanes, lane < 32) +
           4 * __all_sync(kAllLanes, lane < 31);
  row[6] = static_cast<int>(__match_any_sync(kAllLanes, lane / 8));
  row[7] = __reduce_max_sync(kAllLanes, lane == 7 ? 100 : -lane) + __reduce_add_sync(kAllLanes, lane);
}

TEST_P(EmulatorTest, WarpOperationsMatchTheirDefinition) {
  std::vector<int> out(8 * 32);
  launch("shuffles", shuffles, 1, 32, 0, nullptr, out.data());
  std::uint32_t thirds = 0;
  for (int lane = 0; lane < 32; lane += 3) thirds |= 1U << lane;
  for (int lane = 0; lane < 32; ++lane) {
    const int* row = out.data() + 8 * lane;
    EXPECT_EQ(row[0], 30);
    EXPECT_EQ(row[1], 10 * (lane ^ 5));
    EXPECT_EQ(row[2], 10 * (lane < 2 ? lane : lane - 2));
    EXPECT_EQ(row[3], 10 * (lane % 8 < 6 ? lane + 2 : lane));
    EXPECT_EQ(static_cast<std::uint32_t>(row[4]), thirds);
    EXPECT_EQ(row[5], 3);
    EXPECT_EQ(static_cast<std::uint32_t>(row[6]), 0xFFU << (lane / 8 * 8));
    EXPECT_EQ(row[7], 100 + 31 * 16);
  }
}

// Half-warps take different ways and run different numbers of warp operations; a warp's last lanes are absent.
__global__ void divergent_shuffles(float* out) {
  const unsigned lane = threadIdx.x % 32;
  float value = static_cast<float>(threadIdx.x);
  const unsigned half = lane < 16 ? 0x0000ffffU : 0xffff0000U;
  const int times = lane < 16 ? 1 : 3;
  for (int i = 0; i < times; ++i) value += __shfl_xor_sync(half, value, 1);
  __syncwarp();
  out[threadIdx.x] = value;
}

TEST_P(EmulatorTest, PartsOfAWarpMayDiverge) {
  std::vector<float> out(48);
  launch("divergent_shuffles", divergent_shuffles, 1, 48, 0, nullptr, out.data());
  for (int t = 0; t < 48; ++t) {
    const float pair = static_cast<float>(t / 2 * 4 + 1);
    EXPECT_EQ(out[static_cast<std::size_t>(t)], t % 32 < 16 ? pair : 4.0F * pair) << t;
  }
}

__global__ void votes(int* out) {
  const int count = __syncthreads_count(threadIdx.x % 3 == 0 ? 1 : 0);
  const int all = __syncthreads_and(1) + 2 * __syncthreads_and(threadIdx.x != 5 ? 1 : 0);
  const int any = __syncthreads_or(threadIdx.x == 5 ? 1 : 0) + 2 * __syncthreads_or(0);
  if (threadIdx.x == 77) {
    out[0] = count;
    out[1] = all;
    out[2] = any;
  }
}

TEST_P(EmulatorTest, BarriersCountVotes) {
  std::vector<int> out(3);
  launch("votes", votes, 1, 100, 0, nullptr, out.data());
  EXPECT_EQ(out, (std::vector<int>{34, 1, 1}));
}

__global__ void tally(unsigned* histogram, float* total, unsigned* last_block) {
  NAGARE_DYNAMIC_SHARED(unsigned, local);
  for (unsigned i = threadIdx.x; i < 10; i += blockDim.x) local[i] = 0;
  __syncthreads();
  atomicAdd(&local[threadIdx.x % 10], 1U);
  __syncthreads();
  for (unsigned i = threadIdx.x; i < 10; i += blockDim.x) atomicAdd(&histogram[i], local[i]);
  atomicAdd(total, 1.0F);
  if (threadIdx.x == 0 && atomicInc(last_block, 0xffffffffU) == gridDim.x * gridDim.y - 1)
    atomicMax(&histogram[10], 7U);
}

TEST_P(EmulatorTest, AtomicsOfManyBlocksAddUp) {
  std::vector<unsigned> histogram(11);
  float total = 0.0F;
  unsigned blocks = 0;
  launch("tally", tally, dim3(5, 4), 40, 10 * sizeof(unsigned), nullptr, histogram.data(), &total, &blocks);
  EXPECT_EQ(histogram, (std::vector<unsigned>{80, 80, 80, 80, 80, 80, 80, 80, 80, 80, 7}));
  EXPECT_EQ(total, 800.0F);
  EXPECT_EQ(blocks, 20U);
}

__global__ void positions(int* out) {
  const unsigned t = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  const unsigned b = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  out[b * 24 + t] = static_cast<int>(b * 24 + t);
}

TEST_P(EmulatorTest, ThreeDimensionalGridsReachEveryThreadOnce) {
  std::vector<int> out(24 * 30, -1);
  launch("positions", positions, dim3(2, 3, 5), dim3(2, 3, 4), 0, nullptr, out.data());
  for (int i = 0; i < 24 * 30; ++i) EXPECT_EQ(out[static_cast<std::size_t>(i)], i);
}

// ---- Kernels that break a rule ----

__global__ void barrier_in_a_branch(int n) {
  if (static_cast<int>(threadIdx.x) >= n) return;
  __syncthreads();
}

TEST_P(EmulatorTest, ABarrierThatSomeThreadsLeaveOutIsReported) {
  EXPECT_THAT(
      [] { launch("early_return", barrier_in_a_branch, 3, 64, 0, nullptr, 40); },
      ThrowsMessage<KernelFault>(AllOf(HasSubstr("early_return: block ("), HasSubstr("thread ("),
                                       HasSubstr("ended"), HasSubstr("__syncthreads (emulator_test.cpp:"))));
}

__global__ void two_barriers() {
  if (threadIdx.x % 2 == 0) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}

TEST_P(EmulatorTest, BarriersAtDifferentPlacesAreReported) {
  EXPECT_THAT([] { launch("two_barriers", two_barriers, 1, 32, 0, nullptr); },
              ThrowsMessage<KernelFault>(AllOf(HasSubstr("two_barriers: block (0, 0, 0), thread ("),
                                               HasSubstr("divergent barrier"))));
}

__global__ void shuffle_in_a_branch(int* out) {
  if (threadIdx.x < 16) out[threadIdx.x] = __shfl_xor_sync(kAllLanes, 1, 1);
  __syncthreads();
}

TEST_P(EmulatorTest, AWarpOperationThatLanesOfItsMaskDoNotReachIsReported) {
  std::vector<int> out(32);
  EXPECT_THAT([&] { launch("lost_lanes", shuffle_in_a_branch, 1, 32, 0, nullptr, out.data()); },
              ThrowsMessage<KernelFault>(AllOf(HasSubstr("lost_lanes: block (0, 0, 0), thread ("),
                                               HasSubstr("__shfl_xor_sync"), HasSubstr("not all lanes"))));
}

__global__ void shuffle_from_absent_lanes(int* out) { out[threadIdx.x] = __shfl_xor_sync(kAllLanes, 1, 16); }

TEST_P(EmulatorTest, ReadingALaneThatIsNotThereIsReported) {
  std::vector<int> out(48);
  EXPECT_THAT([&] { launch("absent_lanes", shuffle_from_absent_lanes, 1, 48, 0, nullptr, out.data()); },
              ThrowsMessage<KernelFault>(AllOf(HasSubstr("absent_lanes"), HasSubstr("takes no part"))));
}

__global__ void mixed_operations(int* out) {
  if (threadIdx.x < 16) {
    out[threadIdx.x] = __shfl_xor_sync(kAllLanes, 1, 1);
  } else {
    out[threadIdx.x] = __any_sync(kAllLanes, 1);
  }
}

TEST_P(EmulatorTest, LanesThatDisagreeAboutTheOperationAreReported) {
  std::vector<int> out(32);
  EXPECT_THAT([&] { launch("mixed", mixed_operations, 1, 32, 0, nullptr, out.data()); },
              ThrowsMessage<KernelFault>(
                  AllOf(HasSubstr("__shfl_xor_sync"), HasSubstr("not all lanes"), HasSubstr("__any_sync"))));
}

__global__ void outside_its_own_mask(int* out) { out[threadIdx.x] = __any_sync(1U, 1); }

TEST_P(EmulatorTest, ALaneOutsideItsOwnMaskIsReported) {
  std::vector<int> out(32);
  EXPECT_THAT([&] { launch("outside", outside_its_own_mask, 1, 32, 0, nullptr, out.data()); },
              ThrowsMessage<KernelFault>(HasSubstr("which its own mask leaves out")));
}

__global__ void overrun(unsigned at) {
  NAGARE_DYNAMIC_SHARED(float, row);
  if (threadIdx.x == 5) row[at] = 1.0F;
}

TEST_P(EmulatorTest, AWritePastTheEndOfSharedMemoryIsReported) {
  EXPECT_NO_THROW(launch("inside", overrun, 1, 32, 40, nullptr, 9U));
#if defined(__SANITIZE_ADDRESS__)
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(launch("overrun", overrun, 1, 32, 40, nullptr, 10U),
               "heap-buffer-overflow(.|\n)*overrun: block");
#else
  EXPECT_THAT(
      [] { launch("overrun", overrun, 1, 32, 40, nullptr, 10U); },
      ThrowsMessage<KernelFault>(AllOf(HasSubstr("overrun: block (0, 0, 0), thread (5, 0, 0)"),
                                       HasSubstr("past the end of shared array (dynamic) of 40 bytes"))));
#endif
}

__global__ void unwritten(float* out) {
  NAGARE_SHARED(float, tile, [2][16]);
  out[threadIdx.x] = tile[threadIdx.x / 16][threadIdx.x % 16];
}

TEST_P(EmulatorTest, SharedMemoryThatNobodyWroteIsNaN) {
  std::vector<float> out(32);
  launch("unwritten", unwritten, 1, 32, 0, nullptr, out.data());
  for (const float v : out) EXPECT_TRUE(std::isnan(v));
}

__global__ void nothing() {}

TEST(EmulatorFaultTest, LaunchesBeyondTheLimitsAreRefused) {
  const auto launching = [](dim3 grid, dim3 block, std::size_t shared) {
    return [=] { launch("nothing", nothing, grid, block, shared, nullptr); };
  };
  EXPECT_NO_THROW(launching(1, 1024, 227 * 1024)());
  EXPECT_THAT(launching(1, 1025, 0), ThrowsMessage<KernelFault>(HasSubstr("block (1025, 1, 1)")));
  EXPECT_THAT(launching(0, 32, 0), ThrowsMessage<KernelFault>(HasSubstr("grid (0, 1, 1)")));
  EXPECT_THAT(launching(dim3(1, 65536), 32, 0), ThrowsMessage<KernelFault>(HasSubstr("grid (1, 65536, 1)")));
  EXPECT_THAT(launching(1, dim3(1, 1, 65), 0), ThrowsMessage<KernelFault>(HasSubstr("block (1, 1, 65)")));
  EXPECT_THAT(launching(1, 32, 227 * 1024 + 1), ThrowsMessage<KernelFault>(HasSubstr("232449 shared bytes")));
}

TEST_P(EmulatorTest, AFaultLeavesTheEmulatorUsable) {
  for (int i = 0; i < 20; ++i) {
    EXPECT_THROW(launch("early_return", barrier_in_a_branch, 3, 64, 0, nullptr, 40), KernelFault);
    EXPECT_EQ(sums_of_blocks(true)[0], 63.0F * 32.0F);
  }
}

}  // namespace
}  // namespace nagare::kernels::cuda
