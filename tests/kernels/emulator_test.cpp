// The emulator itself: what CUDA guarantees must hold under every order of the threads. Kernels that break a rule are in
// emulator_fault_test.cpp.
#include "tests/kernels/emulator_test.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <bit>
#include <cmath>
#include <numeric>
#include <random>

#include "kernels/bf16.h"
#include "kernels/tensor_core.cuh"

namespace nagare::kernels::cuda {
namespace {

class EmulatorTest : public test::EmulatorTest {};
INSTANTIATE_TEST_SUITE_P(Seeds, EmulatorTest, test::every_order());

// Sum of a block through shared memory.
__global__ void block_sums(int n, const float* x, float* sums) {
  NAGARE_SHARED(float, partial, [64]);
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  partial[threadIdx.x] = i < n ? x[i] : 0.0F;
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) partial[threadIdx.x] += partial[threadIdx.x + half];
  }
  if (threadIdx.x == 0) sums[blockIdx.x] = partial[0];
}

TEST_P(EmulatorTest, BlocksSumThroughSharedMemory) {
  std::vector<float> x(1000);
  std::iota(x.begin(), x.end(), 0.0F);
  std::vector<float> sums(16);
  launch("block_sums", block_sums, 16, 64, 0, nullptr, 1000, x.data(), sums.data());
  for (int block = 0; block < 16; ++block) {
    float want = 0.0F;
    for (int i = 64 * block; i < std::min(64 * (block + 1), 1000); ++i) want += static_cast<float>(i);
    EXPECT_EQ(sums[static_cast<std::size_t>(block)], want) << block;
  }
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

__global__ void shuffles_in_groups(int* out) {
  const int lane = static_cast<int>(threadIdx.x);
  int* row = out + 6 * lane;
  row[0] = __shfl_sync(kAllLanes, 10 * lane, 5, 4);
  row[1] = __shfl_up_sync(kAllLanes, 10 * lane, 3, 8);
  row[2] = __shfl_xor_sync(kAllLanes, 10 * lane, 1, 2);
  int equal = 0;
  row[3] = static_cast<int>(__match_all_sync(kAllLanes, 7, &equal)) + equal;
  row[4] = static_cast<int>(__match_all_sync(kAllLanes, lane / 31, &equal)) + equal;
  row[5] =
      static_cast<int>(__reduce_and_sync(kAllLanes, ~(1U << lane)) + __reduce_or_sync(kAllLanes, 1U << lane) +
                       __reduce_xor_sync(kAllLanes, 3U << lane)) +
      __reduce_min_sync(kAllLanes, -lane);
}

TEST_P(EmulatorTest, ShufflesStayInTheirGroupOfLanes) {
  std::vector<int> out(6 * 32);
  launch("shuffles_in_groups", shuffles_in_groups, 1, 32, 0, nullptr, out.data());
  for (int lane = 0; lane < 32; ++lane) {
    const int* row = out.data() + 6 * lane;
    EXPECT_EQ(row[0], 10 * (lane / 4 * 4 + 1));
    EXPECT_EQ(row[1], 10 * (lane % 8 < 3 ? lane : lane - 3));
    EXPECT_EQ(row[2], 10 * (lane ^ 1));
    EXPECT_EQ(row[3], -1 + 1);
    EXPECT_EQ(row[4], 0);
    EXPECT_EQ(row[5],
              0 - 1 + 1 - 31);  // of the three masks only bit 0 is left by xor: 3 << 31 drops its upper bit
  }
}

// Threads that meet at an atomic in any order: what they leave behind does not depend on it.
__global__ void every_atomic(unsigned* u, int* i, unsigned long long* l, float* f, double* d) {
  const unsigned t = threadIdx.x;
  const int sign = static_cast<int>(t) - 50;
  atomicAdd(i, sign);
  atomicSub(i + 1, sign);
  atomicMin(i + 2, sign);
  atomicMax(i + 3, sign);
  atomicAnd(u, ~(1U << t % 32));
  atomicOr(u + 1, 1U << t % 32);
  atomicXor(u + 2, t);
  atomicInc(u + 3, 6U);
  atomicDec(u + 4, 6U);
  atomicAdd(l, 1ULL << 40);
  atomicMax(l + 1, (1ULL << 40) + t);
  atomicAdd(f, 0.5F);
  atomicAdd(d, 0.25);
  if (atomicExch(u + 5, 1U) == 0) atomicAdd(u + 6, 1U);
  unsigned seen = u[7];  // a maximum by compare-and-swap
  while (t > seen) seen = atomicCAS(u + 7, seen, t) == seen ? t : u[7];
}

TEST_P(EmulatorTest, AtomicsMatchTheirDefinition) {
  std::vector<unsigned> u{~0U, 0, 0, 0, 0, 0, 0, 0};
  std::vector<int> i(4);
  std::vector<unsigned long long> l(2);
  float f = 0.0F;
  double d = 0.0;
  launch("every_atomic", every_atomic, 1, 100, 0, nullptr, u.data(), i.data(), l.data(), &f, &d);
  EXPECT_EQ(i, (std::vector<int>{-50, 50, -50, 49}));
  EXPECT_EQ(u, (std::vector<unsigned>{0, ~0U, 0, 100 % 7, (700 - 100) % 7, 1, 1, 99}));
  EXPECT_EQ(l, (std::vector<unsigned long long>{100ULL << 40, (1ULL << 40) + 99}));
  EXPECT_EQ(f, 50.0F);
  EXPECT_EQ(d, 25.0);
}

// c = a b, a 16 x 16 and b 16 x 8 row-major, by one warp.
__global__ void tile_of_product(const bf16* a, const bf16* b, float* c) {
  NAGARE_SHARED(uint4,
                tile, [48]);  // rows of eight: a's upper left, lower left, upper right, lower right, then b
  const int lane = static_cast<int>(threadIdx.x);
  auto* values = reinterpret_cast<bf16*>(tile);
  for (int i = lane; i < 256; i += 32) {
    const int row = i / 16;
    const int col = i % 16;
    values[(row / 8 + 2 * (col / 8)) * 64 + row % 8 * 8 + col % 8] = a[i];
  }
  for (int i = lane; i < 128; i += 32) values[256 + i] = b[i];
  __syncwarp();
  std::uint32_t of_a[4];
  std::uint32_t of_b[4];
  load_matrices(of_a, tile + lane);
  load_transposed(of_b, tile + 32 + lane % 16);
  float sum[4] = {1.0F, 1.0F, 1.0F, 1.0F};
  mma_16x8x16(sum, of_a, {of_b[0], of_b[1]});
  for (int i = 0; i < 4; ++i) c[(lane / 4 + 8 * (i / 2)) * 8 + 2 * (lane % 4) + i % 2] = sum[i];
}

TEST_P(EmulatorTest, TensorCoreTileIsAMatrixProduct) {
  std::mt19937 random(3);
  const auto draw = [&] { return bf16(static_cast<float>(random() % 17) - 8.0F); };
  std::vector<bf16> a(256);
  std::vector<bf16> b(128);
  std::ranges::generate(a, draw);
  std::ranges::generate(b, draw);
  std::vector<float> c(128);
  launch("tile_of_product", tile_of_product, 1, 32, 0, nullptr, a.data(), b.data(), c.data());
  for (std::size_t row = 0; row < 16; ++row) {
    for (std::size_t col = 0; col < 8; ++col) {
      float want = 1.0F;  // sums of small integers are exact
      for (std::size_t k = 0; k < 16; ++k) want += load(&a[row * 16 + k]) * load(&b[k * 8 + col]);
      EXPECT_EQ(c[row * 8 + col], want) << row << ", " << col;
    }
  }
}

// CUDA's own 16-bit types round as ours does.
__global__ void round_pairs(int pairs, const float2* x, __nv_bfloat162* y, __half2* z) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i >= pairs) return;
  y[i] = __float22bfloat162_rn(x[i]);
  z[i] = __hadd2(__float22half2_rn(x[i]), __floats2half2_rn(1.0F, -1.0F));
}

TEST_P(EmulatorTest, SixteenBitTypesOfCuda) {
  std::mt19937 random(5);
  std::vector<float2> x(100);
  for (float2& v : x)
    v = {std::bit_cast<float>(static_cast<std::uint32_t>(random())), static_cast<float>(random() % 512)};
  std::vector<__nv_bfloat162> y(x.size());
  std::vector<__half2> z(x.size());
  launch("round_pairs", round_pairs, 4, 32, 0, nullptr, 100, x.data(), y.data(), z.data());
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!std::isnan(x[i].x)) {
      EXPECT_EQ(__bfloat16_as_ushort(y[i].x), bf16(x[i].x).bits) << x[i].x;
    }
    EXPECT_EQ(__bfloat162float(y[i].y), static_cast<float>(bf16(x[i].y)));
    EXPECT_EQ(__high2float(z[i]), x[i].y - 1.0F);  // halves hold these integers
  }
}

// Code that many kernels share; a kernel is not needed to call it.
TEST(EmulatorIntrinsicsTest, BitsAndBytes) {
  EXPECT_EQ(__popc(0xF0F0U), 8);
  EXPECT_EQ(__clz(1), 31);
  EXPECT_EQ(__clz(0), 32);
  EXPECT_EQ(__ffs(0), 0);
  EXPECT_EQ(__ffs(12), 3);
  EXPECT_EQ(__brev(1U), 0x80000000U);
  EXPECT_EQ(__brevll(2ULL), 1ULL << 62);
  EXPECT_EQ(__byte_perm(0x33221100U, 0x77665544U, 0x7610U), 0x77661100U);
  EXPECT_EQ(__byte_perm(0x00008000U, 0U, 0x9999U), 0xffffffffU);
  EXPECT_EQ(__funnelshift_l(0x80000000U, 1U, 1U), 3U);
  EXPECT_EQ(__funnelshift_r(0x80000000U, 1U, 31U), 3U);
  EXPECT_EQ(__umulhi(0xffffffffU, 0xffffffffU), 0xfffffffeU);
  EXPECT_EQ(__umul64hi(1ULL << 63, 6ULL), 3ULL);
  EXPECT_EQ(__float_as_uint(1.0F), 0x3f800000U);
  EXPECT_EQ(__longlong_as_double(__double_as_longlong(-2.5)), -2.5);
}

TEST(EmulatorIntrinsicsTest, ConversionsRoundAndSaturate) {
  EXPECT_EQ(__float2int_rn(2.5F), 2);
  EXPECT_EQ(__float2int_rz(-2.5F), -2);
  EXPECT_EQ(__float2int_rd(-2.5F), -3);
  EXPECT_EQ(__float2int_ru(2.25F), 3);
  EXPECT_EQ(__float2int_rn(NAN), 0);
  EXPECT_EQ(__float2int_rn(1e10F), std::numeric_limits<int>::max());
  EXPECT_EQ(__float2uint_rn(-1.0F), 0U);
  EXPECT_EQ(__double2ll_rz(-1e300), std::numeric_limits<long long>::min());
  EXPECT_EQ(__saturatef(NAN), 0.0F);
  EXPECT_EQ(__saturatef(7.0F), 1.0F);
  EXPECT_EQ(rsqrtf(4.0F), 0.5F);
  EXPECT_EQ(__frcp_rn(8.0F), 0.125F);
  EXPECT_EQ(__fmaf_rn(3.0F, 5.0F, 1.0F), 16.0F);
  float sine = 0.0F;
  float cosine = 0.0F;
  sincospif(0.5F, &sine, &cosine);
  EXPECT_EQ(sine, 1.0F);
  EXPECT_NEAR(cosine, 0.0F, 1e-7F);
}

}  // namespace
}  // namespace nagare::kernels::cuda
