// Kernels that break a rule: each must be reported by name, block and thread, under every order of the threads.
#include <cmath>
#include <set>
#include <vector>

#include "kernels/tensor_core.cuh"
#include "tests/kernels/emulator_test.h"

namespace nagare::kernels::cuda {
namespace {

using emulator::KernelFault;
using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

class EmulatorFaultTest : public test::EmulatorTest {};
INSTANTIATE_TEST_SUITE_P(Seeds, EmulatorFaultTest, test::every_order());

// 0 + 1 + ... + 63; `synchronised` = false leaves out what orders the writes before the reads.
template <bool synchronised>
__global__ void block_sum(float* sum) {
  NAGARE_SHARED(float, partial, [64]);
  partial[threadIdx.x] = static_cast<float>(threadIdx.x);
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    if constexpr (synchronised) __syncthreads();
    if (threadIdx.x < half) partial[threadIdx.x] += partial[threadIdx.x + half];
  }
  if (threadIdx.x == 0) *sum = partial[0];
}

float sum_of_block(void (*kernel)(float*)) {
  float sum = 0.0F;
  launch("block_sum", kernel, 1, 64, 0, nullptr, &sum);
  return sum;
}

TEST(EmulatorOrderTest, AMissingBarrierChangesTheResultWithTheOrder) {
  const std::uint64_t program_seed = emulator::seed();
  std::set<float> results;
  bool nan = false;
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    emulator::set_seed(seed);
    const float sum = sum_of_block(&block_sum<false>);
    nan = nan || std::isnan(sum);  // unwritten shared memory is NaN
    if (!std::isnan(sum)) results.insert(sum);
    EXPECT_EQ(sum_of_block(&block_sum<true>), 63.0F * 32.0F) << seed;
  }
  emulator::set_seed(program_seed);
  EXPECT_TRUE(nan);
  EXPECT_GE(results.size() + (nan ? 1 : 0), 2U);
}

__global__ void barrier_in_a_branch(int n) {
  if (static_cast<int>(threadIdx.x) >= n) return;
  __syncthreads();
}

TEST_P(EmulatorFaultTest, ABarrierThatSomeThreadsLeaveOutIsReported) {
  EXPECT_THAT([] { launch("early_return", barrier_in_a_branch, 3, 64, 0, nullptr, 40); },
              ThrowsMessage<KernelFault>(AllOf(HasSubstr("early_return: block ("), HasSubstr("thread ("),
                                               HasSubstr("ended"),
                                               HasSubstr("__syncthreads (emulator_fault_test.cpp:"))));
}

__global__ void two_barriers() {
  if (threadIdx.x % 2 == 0) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}

TEST_P(EmulatorFaultTest, BarriersAtDifferentPlacesAreReported) {
  EXPECT_THAT([] { launch("two_barriers", two_barriers, 1, 32, 0, nullptr); },
              ThrowsMessage<KernelFault>(AllOf(HasSubstr("two_barriers: block (0, 0, 0), thread ("),
                                               HasSubstr("divergent barrier"))));
}

__global__ void shuffle_in_a_branch(int* out) {
  if (threadIdx.x < 16) out[threadIdx.x] = __shfl_xor_sync(kAllLanes, 1, 1);
  __syncthreads();
}

TEST_P(EmulatorFaultTest, AWarpOperationThatLanesOfItsMaskDoNotReachIsReported) {
  std::vector<int> out(32);
  EXPECT_THAT([&] { launch("lost_lanes", shuffle_in_a_branch, 1, 32, 0, nullptr, out.data()); },
              ThrowsMessage<KernelFault>(AllOf(HasSubstr("lost_lanes: block (0, 0, 0), thread ("),
                                               HasSubstr("__shfl_xor_sync"), HasSubstr("not all lanes"))));
}

__global__ void shuffle_from_absent_lanes(int* out) { out[threadIdx.x] = __shfl_xor_sync(kAllLanes, 1, 16); }

TEST_P(EmulatorFaultTest, ReadingALaneThatIsNotThereIsReported) {
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

TEST_P(EmulatorFaultTest, LanesThatDisagreeAboutTheOperationAreReported) {
  std::vector<int> out(32);
  EXPECT_THAT([&] { launch("mixed", mixed_operations, 1, 32, 0, nullptr, out.data()); },
              ThrowsMessage<KernelFault>(
                  AllOf(HasSubstr("__shfl_xor_sync"), HasSubstr("not all lanes"), HasSubstr("__any_sync"))));
}

__global__ void outside_its_own_mask(int* out) { out[threadIdx.x] = __any_sync(1U, 1); }

TEST_P(EmulatorFaultTest, ALaneOutsideItsOwnMaskIsReported) {
  std::vector<int> out(32);
  EXPECT_THAT([&] { launch("outside", outside_its_own_mask, 1, 32, 0, nullptr, out.data()); },
              ThrowsMessage<KernelFault>(HasSubstr("which its own mask leaves out")));
}

__global__ void overrun(unsigned at) {
  NAGARE_DYNAMIC_SHARED(float, row);
  if (threadIdx.x == 5) row[at] = 1.0F;
}

TEST_P(EmulatorFaultTest, AWritePastTheEndOfSharedMemoryIsReported) {
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

TEST_P(EmulatorFaultTest, SharedMemoryThatNobodyWroteIsNaN) {
  std::vector<float> out(32);
  launch("unwritten", unwritten, 1, 32, 0, nullptr, out.data());
  for (const float v : out) EXPECT_TRUE(std::isnan(v));
}

__global__ void nothing() {}

TEST(EmulatorLimitsTest, LaunchesBeyondTheLimitsAreRefused) {
  const auto launching = [](dim3 grid, dim3 block, std::size_t shared) {
    return [=] { launch("nothing", nothing, grid, block, shared, nullptr); };
  };
  EXPECT_NO_THROW(launching(1, 1024, 0)());
  EXPECT_THAT(launching(1, 1025, 0), ThrowsMessage<KernelFault>(HasSubstr("block (1025, 1, 1)")));
  EXPECT_THAT(launching(0, 32, 0), ThrowsMessage<KernelFault>(HasSubstr("grid (0, 1, 1)")));
  EXPECT_THAT(launching(dim3(1, 65536), 32, 0), ThrowsMessage<KernelFault>(HasSubstr("grid (1, 65536, 1)")));
  EXPECT_THAT(launching(1, dim3(1, 1, 65), 0), ThrowsMessage<KernelFault>(HasSubstr("block (1, 1, 65)")));
  EXPECT_THAT(launching(1, 32, 227 * 1024 + 1), ThrowsMessage<KernelFault>(HasSubstr("232449 shared bytes")));
}

TEST_P(EmulatorFaultTest, AFaultLeavesTheEmulatorUsable) {
  for (int i = 0; i < 20; ++i) {
    EXPECT_THROW(launch("early_return", barrier_in_a_branch, 3, 64, 0, nullptr, 40), KernelFault);
    EXPECT_EQ(sum_of_block(&block_sum<true>), 63.0F * 32.0F);
  }
}

__global__ void waits_after_others_ended(int* out) {
  if (threadIdx.x % 2 == 0) __syncthreads();
  out[threadIdx.x] = 1;
}

TEST_P(EmulatorFaultTest, ABarrierAfterAThreadHasEndedNamesBoth) {
  std::vector<int> out(2);
  EXPECT_THAT([&] { launch("half_waits", waits_after_others_ended, 1, 2, 0, nullptr, out.data()); },
              ThrowsMessage<KernelFault>(
                  AllOf(HasSubstr("half_waits: block (0, 0, 0), thread ("),
                        AnyOf(HasSubstr("ended, while thread (0, 0, 0) waits at __syncthreads"),
                              HasSubstr("but thread (1, 0, 0) has ended")))));
}

#if !defined(__SANITIZE_ADDRESS__)  // which reports it by itself, as the test above shows
__global__ void underrun(int at) {
  NAGARE_SHARED(float, row, [10]);
  if (threadIdx.x == 5) (&row[0])[at] = 1.0F;
}

TEST_P(EmulatorFaultTest, AWriteBeforeTheBeginningOfSharedMemoryIsReported) {
  EXPECT_NO_THROW(launch("inside", underrun, 1, 32, 0, nullptr, 0));
  EXPECT_THAT(
      [] { launch("underrun", underrun, 1, 32, 0, nullptr, -1); },
      ThrowsMessage<KernelFault>(AllOf(HasSubstr("underrun: block (0, 0, 0), thread (5, 0, 0)"),
                                       HasSubstr("before the beginning of shared array row of 40 bytes"))));
}

__global__ void read_past_the_end(unsigned at, float* out) {
  NAGARE_DYNAMIC_SHARED(float, row);
  for (unsigned i = threadIdx.x; i < 10; i += blockDim.x) row[i] = 1.0F;
  __syncthreads();
  out[threadIdx.x] = row[at];
}

TEST_P(EmulatorFaultTest, AReadPastTheEndOfSharedMemoryGivesNaN) {
  std::vector<float> out(32);
  launch("inside", read_past_the_end, 1, 32, 40, nullptr, 9U, out.data());
  EXPECT_EQ(out[7], 1.0F);
  launch("outside", read_past_the_end, 1, 32, 40, nullptr, 10U, out.data());
  EXPECT_TRUE(std::isnan(out[7]));
}
#endif

__global__ void too_many_arrays() {
  NAGARE_SHARED(float, first, [6 * 1024]);
  NAGARE_SHARED(float, second, [6 * 1024 + 1]);
  first[threadIdx.x] = second[threadIdx.x] = 0.0F;
}

__global__ void much_of_both() {
  NAGARE_SHARED(float, fixed, [1024]);
  NAGARE_DYNAMIC_SHARED(float, rest);
  fixed[threadIdx.x] = rest[threadIdx.x] = 0.0F;
}

TEST_P(EmulatorFaultTest, MoreSharedMemoryThanABlockHasIsReported) {
  EXPECT_THAT([] { launch("too_many_arrays", too_many_arrays, 1, 32, 0, nullptr); },
              ThrowsMessage<KernelFault>(AllOf(HasSubstr("too_many_arrays: block (0, 0, 0), thread ("),
                                               HasSubstr("49156 bytes with second"))));
  EXPECT_NO_THROW(launch("much_of_both", much_of_both, 1, 32, 223 * 1024, nullptr));
  EXPECT_THAT([] { launch("much_of_both", much_of_both, 1, 32, 223 * 1024 + 4, nullptr); },
              ThrowsMessage<KernelFault>(AllOf(HasSubstr("much_of_both: block (0, 0, 0), thread ("),
                                               HasSubstr("232452 with the dynamic one"))));
}

TEST_P(EmulatorFaultTest, DynamicSharedMemoryThatNoThreadAsksForIsReported) {
  EXPECT_THAT(
      [] { launch("nothing", nothing, 4, 32, 64, nullptr); },
      ThrowsMessage<KernelFault>(HasSubstr("nothing: launched with 64 bytes of dynamic shared memory")));
}

// Dynamic memory that a launch forgot to ask for has no bytes.
TEST_P(EmulatorFaultTest, AMissingSizeOfDynamicSharedMemoryIsReported) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(launch("no_size", overrun, 1, 32, 0, nullptr, 0U),
               "heap-buffer-overflow(.|\n)*no_size: block");
#else
  EXPECT_THAT([] { launch("no_size", overrun, 1, 32, 0, nullptr, 0U); },
              ThrowsMessage<KernelFault>(HasSubstr("past the end of shared array (dynamic) of 0 bytes")));
#endif
}

__global__ void vector_load(const float* x, float4* out) {
  out[threadIdx.x] = __ldg(reinterpret_cast<const float4*>(x) + threadIdx.x);
}

#if defined(__SANITIZE_ADDRESS__)  // our sanitized builds have UBSan too
__global__ void plain_vector_load(const float* x, float4* out) {
  out[threadIdx.x] = reinterpret_cast<const float4*>(x)[threadIdx.x];
}
#endif

TEST_P(EmulatorFaultTest, AVectorLoadFromAnAddressNotAlignedToItIsReported) {
  const std::vector<float4> x(33);
  std::vector<float4> out(32);
  const float* start = &x[0].x;
  EXPECT_NO_THROW(launch("aligned", vector_load, 1, 32, 0, nullptr, start, out.data()));
  EXPECT_THAT(
      [&] { launch("misaligned", vector_load, 1, 32, 0, nullptr, start + 1, out.data()); },
      ThrowsMessage<KernelFault>(AllOf(HasSubstr("misaligned: block (0, 0, 0), thread ("),
                                       HasSubstr("__ldg at an address that is not a multiple of 16"))));
#if defined(__SANITIZE_ADDRESS__)
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(launch("plain", plain_vector_load, 1, 32, 0, nullptr, start + 1, out.data()),
               "misaligned address");
#endif
}

__global__ void misaligned_atomic(char* bytes) { atomicAdd(reinterpret_cast<unsigned*>(bytes + 2), 1U); }

TEST_P(EmulatorFaultTest, AMisalignedAtomicIsReported) {
  std::vector<unsigned> words(2);
  EXPECT_THAT(
      [&] { launch("halfway", misaligned_atomic, 1, 1, 0, nullptr, reinterpret_cast<char*>(words.data())); },
      ThrowsMessage<KernelFault>(AllOf(HasSubstr("halfway: block"), HasSubstr("atomicAdd at an address"))));
}

__global__ void odd_width(int* out) { out[threadIdx.x] = __shfl_sync(kAllLanes, 1, 0, 12); }

TEST_P(EmulatorFaultTest, AShuffleInGroupsOfAnOddSizeIsReported) {
  std::vector<int> out(32);
  EXPECT_THAT([&] { launch("odd_width", odd_width, 1, 32, 0, nullptr, out.data()); },
              ThrowsMessage<KernelFault>(HasSubstr("width 12: need a power of two up to 32")));
}

__global__ void part_of_a_warp(float* out) {
  float sum[4] = {};
  mma_16x8x16(sum, {0, 0, 0, 0}, {0, 0});
  out[threadIdx.x] = sum[0];
}

TEST_P(EmulatorFaultTest, ATensorCoreTileByHalfAWarpIsReported) {
  std::vector<float> out(16);
  EXPECT_THAT(
      [&] { launch("half_a_warp", part_of_a_warp, 1, 16, 0, nullptr, out.data()); },
      ThrowsMessage<KernelFault>(HasSubstr("mma_16x8x16 by a warp that has not all of its 32 lanes")));
}

__global__ void rows_off_by_one() {
  NAGARE_SHARED(float, tile, [33 * 4]);
  std::uint32_t r[4];
  tile[threadIdx.x] = 0.0F;
  load_matrices(r, tile + 4 * threadIdx.x + 1);
}

TEST_P(EmulatorFaultTest, ATensorCoreTileFromMisalignedRowsIsReported) {
  EXPECT_THAT(
      [] { launch("rows_off_by_one", rows_off_by_one, 1, 32, 0, nullptr); },
      ThrowsMessage<KernelFault>(HasSubstr("row 0 of tile 0 is at an address that is not a multiple of 16")));
}

__global__ void gives_up() {
  if (blockIdx.x == 2 && threadIdx.x == 3) __trap();
}

TEST_P(EmulatorFaultTest, ATrapIsReportedWithItsBlockAndThread) {
  EXPECT_THAT([] { launch("gives_up", gives_up, 4, 32, 0, nullptr); },
              ThrowsMessage<KernelFault>(HasSubstr("gives_up: block (2, 0, 0), thread (3, 0, 0): __trap()")));
}

}  // namespace
}  // namespace nagare::kernels::cuda
