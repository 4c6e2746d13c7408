#pragma once
// Runs a grid of CUDA threads on the CPU: blocks on all cores, the threads of a block as fibers of one core.
//
// A thread runs until it waits (barrier, warp operation) or ends; then the next runnable one of its block
// runs, in an order drawn from the seed. So a result that depends on a missing barrier changes with the seed:
//
//   seed 0      threads and blocks in ascending order
//   seed 1      in descending order
//   seed 2...   in a new random order on every pass over the block
//
// Reported as KernelFault, with kernel name, block, thread and source line:
//   barriers       that not all threads of the block reach, reach after one of them ended, or reach at different places
//   warps          operations whose lanes disagree or do not all come, that read a lane which takes no part, or that
//                  a lane calls with a mask that leaves it out
//   shared memory  a write past either end of an array (before the beginning: without AddressSanitizer), more than a
//                  block of sm_90 has, dynamic memory that a launch asks for and no thread does
//   launches       a grid, block or shared size beyond the limits of sm_90
//   addresses      of atomics and of __ldg and its like that are not aligned to what they read or write
// The first block at fault stops the launch. What needs a look at every load and store is found in a build with
// AddressSanitizer and UBSan, where every shared array and every device buffer is a heap block of its exact size:
// reads past the end, anything wrong in global memory, vector types at an address that is not aligned to them.
//
// Not modelled: the memory model (all threads see every write at once; an update of a block that lacks its atomic comes out
// right), blocks that wait for each other (such a kernel would never end), textures, clusters and asynchronous copies.
#include <cstddef>
#include <cstdint>
#include <source_location>
#include <stdexcept>
#include <string>

#include "kernels/emulator/vector_types.h"

namespace nagare::emulator {

struct KernelFault : std::logic_error {
  using std::logic_error::logic_error;
};

void set_seed(std::uint64_t seed);
std::uint64_t seed();

struct Launch {
  const char* name;
  const void* kernel;  // address of the function
  dim3 grid;
  dim3 block;
  std::size_t shared_bytes;
};

// The distinct launches of this process so far, one a line: name, the kernel's address in the program file, threads of
// a block, bytes of dynamic shared memory, separated by tabs. scripts/kernel-report reads it.
std::string launches_text();

// Calls body(context) once per thread of the grid and returns when all have ended.
void run_grid(const Launch& launch, void (*body)(const void*), const void* context);

// ---- Called by the threads of a kernel ----

// Waits for all threads of the block; returns how many came with a true predicate.
int block_barrier(const char* operation, bool predicate, const std::source_location& where);

// What a lane brings to a warp operation, and what every lane's result is computed from once all lanes are there.
struct LaneInput {
  std::uint64_t value;
  int source;  // lane to read from, -1: none
};
using WarpResolve = void (*)(std::uint32_t lanes, const LaneInput (&in)[32], std::uint64_t (&out)[32]);
std::uint64_t warp_operation(const char* operation, std::uint32_t mask, LaneInput input, WarpResolve resolve,
                             const std::source_location& where);

// Storage that the block's threads share: the same address for the same site, new and filled with 0xFF (NaN)
// in every block.
void* shared_array(const void* site, const char* name, std::size_t bytes);
// The launch's dynamic shared memory, likewise.
void* dynamic_shared_memory();

// Ends the launch: KernelFault that names the kernel, the block and the running thread before the text.
[[noreturn]] void fault(const std::string& text);

}  // namespace nagare::emulator

// CUDA's built-in variables, set for the running thread. constinit: no wrapper call on access.
inline constinit thread_local uint3 threadIdx{};
inline constinit thread_local uint3 blockIdx{};
inline constinit thread_local dim3 blockDim{};
inline constinit thread_local dim3 gridDim{};
inline constexpr int warpSize = 32;
