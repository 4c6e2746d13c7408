#pragma once
// The coding rate of kernels/coding_rate.h on CUDA for orders whose factor does not fit in a block's shared memory, by
// NVIDIA's libraries: Gram matrices by cuBLASLt (f32 or bf16 products, summed in f32; never TF32), factors by cuSOLVER's
// potrfBatched, the gradient by two triangular solves of cuBLAS, trsmBatched, in place on a scaled copy of z.
//
// The contract is that of the kernel, with these differences:
// factor       the first batch (order, order) f32: U above and on the diagonal; what is below is undefined
// scratch      taken from the device's pool: a pointer per matrix
// order        any; 32768 at most
// status       1 + a row whose diagonal entry is not positive and finite, or what cuSOLVER reports
// errors       also DeviceUnavailable where a library is missing, std::runtime_error where one fails
#include "kernels/coding_rate.h"

namespace nagare::vendor::cuda {

template <class T>
void large_coding_rate(const kernels::CodingRate& p, const T* z, float* factor,
                       const kernels::CodingRateResult& result, Stream stream);

template <class T>
void large_coding_rate_backward(const kernels::CodingRate& p, const T* z, const float* factor,
                                const std::int32_t* status, const float* drate, float* dz, Stream stream);

}  // namespace nagare::vendor::cuda
