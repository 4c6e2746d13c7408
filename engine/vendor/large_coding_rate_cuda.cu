// cuSOLVER and cuBLAS think in column-major matrices: the lower triangle that they work on is the upper one of the
// row-major factor, and dz (samples, dim) is their (dim, samples).
#include <cublas_v2.h>
#include <cusolverDn.h>

#include <cmath>
#include <stdexcept>
#include <string>

#include "engine/device/memory.h"
#include "engine/vendor/cuda_libraries.h"
#include "engine/vendor/large_coding_rate.h"
#include "engine/vendor/matrix_product.h"
#include "kernels/device_error.h"
#include "kernels/warp.cuh"

namespace nagare::vendor::cuda {
namespace {

using kernels::CodingRate;
using kernels::CodingRateResult;
using kernels::cuda::for_each_index_of_this_thread;
using kernels::cuda::grid_for;
using kernels::cuda::kAllLanes;
using kernels::cuda::kBlock;
using kernels::cuda::kWarp;
using kernels::cuda::launch;

void check(cusolverStatus_t status, const char* what) {
  if (status == CUSOLVER_STATUS_SUCCESS) return;
  throw DeviceError(std::string("cuSOLVER: coding_rate: ") + what + ": status " + std::to_string(status));
}

void check(cublasStatus_t status, const char* what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw DeviceError(std::string("cuBLAS: coding_rate: ") + what + ": status " + std::to_string(status));
}

cusolverDnHandle_t solver(Stream stream) {
  static const auto create = NAGARE_VENDOR_FUNCTION(CudaLibrary::cusolver, cusolverDnCreate);
  static const auto set_stream = NAGARE_VENDOR_FUNCTION(CudaLibrary::cusolver, cusolverDnSetStream);
  static const cusolverDnHandle_t handle = [] {
    cusolverDnHandle_t made = nullptr;
    check(create(&made), "cusolverDnCreate");
    return made;
  }();
  check(set_stream(handle, stream), "cusolverDnSetStream");
  return handle;
}

cublasHandle_t blas(Stream stream) {
  static const auto create = NAGARE_VENDOR_FUNCTION(CudaLibrary::cublas, cublasCreate_v2);
  static const auto set_stream = NAGARE_VENDOR_FUNCTION(CudaLibrary::cublas, cublasSetStream_v2);
  static const cublasHandle_t handle = [] {
    cublasHandle_t made = nullptr;
    check(create(&made), "cublasCreate");
    return made;
  }();
  check(set_stream(handle, stream), "cublasSetStream");
  return handle;
}

// I + alpha Gram in place of the Gram matrices.
__global__ void shift(std::int64_t count, std::int64_t order, float alpha, float* m) {
  for_each_index_of_this_thread(count, [=](std::int64_t i) {
    const std::int64_t inside = i % (order * order);
    m[i] = alpha * m[i] + (inside / order == inside % order ? 1.0F : 0.0F);
  });
}

// The addresses of `batch` matrices, one every `step` elements.
template <class P>
__global__ void list(std::int64_t batch, P first, std::int64_t step, P* addresses) {
  for_each_index_of_this_thread(batch, [=](std::int64_t i) { addresses[i] = first + i * step; });
}

// One warp per matrix. `result.status` holds what cuSOLVER reported.
__global__ void summarise(std::int64_t batch, std::int64_t order, const float* factor,
                          CodingRateResult result) {
  kernels::cuda::for_each_row_of_this_warp(batch, [=](std::int64_t i, int lane) {
    const float* diagonal = factor + i * order * order;
    double sum = 0.0;
    float least = INFINITY;
    int bad = 0x7fffffff;
    for (std::int64_t k = order - 1 - lane; k >= 0; k -= kWarp) {
      const float v = diagonal[k * (order + 1)];
      if (!(v > 0.0F && v < INFINITY)) bad = static_cast<int>(k) + 1;
      sum += log(static_cast<double>(v));
      least = fminf(least, v);
    }
    for (int step = kWarp / 2; step > 0; step /= 2) {
      sum += __shfl_xor_sync(kAllLanes, sum, step);
      least = fminf(least, __shfl_xor_sync(kAllLanes, least, step));
      bad = min(bad, __shfl_xor_sync(kAllLanes, bad, step));
    }
    if (lane > 0) return;
    if (result.status[i] == 0 && bad < 0x7fffffff) result.status[i] = bad;
    const bool good = result.status[i] == 0;
    result.rate[i] = good ? static_cast<float>(sum) : NAN;
    result.least[i] = good ? least : NAN;
  });
}

template <class T>
__global__ void scale_features(std::int64_t count, std::int64_t each, float alpha, const std::int32_t* status,
                               const float* drate, const T* z, float* dz) {
  for_each_index_of_this_thread(count, [=](std::int64_t i) {
    const std::int64_t matrix = i / each;
    dz[i] = status[matrix] == 0 ? alpha * drate[matrix] * load(z + i) : NAN;
  });
}

template <class P>
std::shared_ptr<void> addresses_of(std::int64_t batch, P first, std::int64_t step, Stream stream) {
  std::shared_ptr<void> addresses = allocate(Device::cuda, static_cast<std::size_t>(batch) * sizeof(P));
  launch("coding_rate_addresses", list<P>, grid_for(batch), kBlock, 0, stream, batch, first, step,
         static_cast<P*>(addresses.get()));
  return addresses;
}

}  // namespace

template <class T>
void large_coding_rate(const CodingRate& p, const T* z, float* factor, const CodingRateResult& result,
                       Stream stream) {
  p.check();
  if (p.batch == 0) return;
  const std::int64_t order = p.order();
  const MatrixProduct gram{.batch = p.batch,
                           .rows = order,
                           .cols = order,
                           .inner = p.inner(),
                           .transpose_a = !p.by_sample(),
                           .transpose_b = p.by_sample()};
  matrix_product<T, float>(gram, z, z, nullptr, factor, stream);
  const std::int64_t count = p.batch * order * order;
  launch("coding_rate_shift", shift, grid_for(count), kBlock, 0, stream, count, order, p.alpha, factor);
  const std::shared_ptr<void> addresses = addresses_of(p.batch, factor, order * order, stream);
  static const auto factorise = NAGARE_VENDOR_FUNCTION(CudaLibrary::cusolver, cusolverDnSpotrfBatched);
  check(factorise(solver(stream), CUBLAS_FILL_MODE_LOWER, static_cast<int>(order),
                  static_cast<float**>(addresses.get()), static_cast<int>(order), result.status,
                  static_cast<int>(p.batch)),
        "cusolverDnSpotrfBatched");
  kernels::cuda::launch_warp_per_row("coding_rate_summarise", summarise, p.batch, stream, p.batch, order,
                                     factor, result);
}

template <class T>
void large_coding_rate_backward(const CodingRate& p, const T* z, const float* factor,
                                const std::int32_t* status, const float* drate, float* dz, Stream stream) {
  p.check();
  if (p.batch == 0) return;
  const std::int64_t each = p.samples * p.dim;
  launch("coding_rate_scale", scale_features<T>, grid_for(p.batch * each), kBlock, 0, stream, p.batch * each,
         each, p.alpha, status, drate, z, dz);
  const std::shared_ptr<void> factors = addresses_of(p.batch, factor, p.order() * p.order(), stream);
  const std::shared_ptr<void> targets = addresses_of(p.batch, dz, each, stream);
  static const auto solve = NAGARE_VENDOR_FUNCTION(CudaLibrary::cublas, cublasStrsmBatched);
  // With L = U^T in column-major storage: z^T (L L^T)^-1 = z^T L^-T L^-1, or (L L^T)^-1 z^T = L^-T L^-1 z^T.
  const cublasSideMode_t side = p.by_sample() ? CUBLAS_SIDE_RIGHT : CUBLAS_SIDE_LEFT;
  const float one = 1.0F;
  const auto apply = [&](cublasOperation_t operation) {
    check(
        solve(blas(stream), side, CUBLAS_FILL_MODE_LOWER, operation, CUBLAS_DIAG_NON_UNIT,
              static_cast<int>(p.dim), static_cast<int>(p.samples), &one,
              static_cast<const float* const*>(factors.get()), static_cast<int>(p.order()),
              static_cast<float* const*>(targets.get()), static_cast<int>(p.dim), static_cast<int>(p.batch)),
        "cublasStrsmBatched");
  };
  apply(p.by_sample() ? CUBLAS_OP_T : CUBLAS_OP_N);
  apply(p.by_sample() ? CUBLAS_OP_N : CUBLAS_OP_T);
}

#define NAGARE_INSTANTIATE(T)                                                                              \
  template void large_coding_rate(const CodingRate&, const T*, float*, const CodingRateResult&, Stream);   \
  template void large_coding_rate_backward(const CodingRate&, const T*, const float*, const std::int32_t*, \
                                           const float*, float*, Stream);
NAGARE_INSTANTIATE(float)
NAGARE_INSTANTIATE(bf16)
#undef NAGARE_INSTANTIATE

}  // namespace nagare::vendor::cuda
