#pragma once
// Marks a function that both twins use: plain C++ for g++, __host__ __device__ for nvcc.
#if defined(__CUDACC__)
#define NAGARE_HOST_DEVICE __host__ __device__
#else
#define NAGARE_HOST_DEVICE
#endif
