#pragma once
// Marks a function that both twins use: plain C++ for g++, __host__ __device__ for nvcc.
#if defined(__CUDACC__)
#define NAGARE_HOST_DEVICE __host__ __device__
#else
#define NAGARE_HOST_DEVICE
#endif

// For what a NAGARE_SIMD loop calls: the loop is vector code only if nothing in it stays a call.
#define NAGARE_FORCE_INLINE inline __attribute__((always_inline))
