// The CUDA twin of matrix_product: cuBLASLt. It thinks in column-major matrices, where a row-major product c = a b is
// c^T = b^T a^T: the operands change places and nothing is transposed.
#include <cublasLt.h>

#include <bit>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>

#include "engine/device/memory.h"
#include "engine/vendor/cuda_libraries.h"
#include "engine/vendor/matrix_product.h"
#include "kernels/broadcast.h"
#include "kernels/device_error.h"
#include "kernels/elementwise.h"

namespace nagare::vendor::cuda {
namespace {

constexpr std::size_t kWorkspaceBytes = std::size_t{32} << 20;  // what NVIDIA recommends for Hopper

#define NAGARE_CUBLAS_LT(function) NAGARE_VENDOR_FUNCTION(CudaLibrary::cublas_lt, function)
struct Functions {
  decltype(&::cublasLtCreate) create = NAGARE_CUBLAS_LT(cublasLtCreate);
  decltype(&::cublasLtGetStatusString) status_string = NAGARE_CUBLAS_LT(cublasLtGetStatusString);
  decltype(&::cublasLtMatmulDescCreate) desc_create = NAGARE_CUBLAS_LT(cublasLtMatmulDescCreate);
  decltype(&::cublasLtMatmulDescDestroy) desc_destroy = NAGARE_CUBLAS_LT(cublasLtMatmulDescDestroy);
  decltype(&::cublasLtMatmulDescSetAttribute) desc_set = NAGARE_CUBLAS_LT(cublasLtMatmulDescSetAttribute);
  decltype(&::cublasLtMatrixLayoutCreate) layout_create = NAGARE_CUBLAS_LT(cublasLtMatrixLayoutCreate);
  decltype(&::cublasLtMatrixLayoutDestroy) layout_destroy = NAGARE_CUBLAS_LT(cublasLtMatrixLayoutDestroy);
  decltype(&::cublasLtMatrixLayoutSetAttribute) layout_set =
      NAGARE_CUBLAS_LT(cublasLtMatrixLayoutSetAttribute);
  decltype(&::cublasLtMatmulPreferenceCreate) preference_create =
      NAGARE_CUBLAS_LT(cublasLtMatmulPreferenceCreate);
  decltype(&::cublasLtMatmulPreferenceDestroy) preference_destroy =
      NAGARE_CUBLAS_LT(cublasLtMatmulPreferenceDestroy);
  decltype(&::cublasLtMatmulPreferenceSetAttribute) preference_set =
      NAGARE_CUBLAS_LT(cublasLtMatmulPreferenceSetAttribute);
  decltype(&::cublasLtMatmulAlgoGetHeuristic) heuristic = NAGARE_CUBLAS_LT(cublasLtMatmulAlgoGetHeuristic);
  decltype(&::cublasLtMatmul) matmul = NAGARE_CUBLAS_LT(cublasLtMatmul);
};
#undef NAGARE_CUBLAS_LT

const Functions& functions() {
  static const Functions found;
  return found;
}

std::string text_of(const MatrixProduct& p) {
  return "matmul of " + std::to_string(p.batch) + " x (" + std::to_string(p.rows) + ", " +
         std::to_string(p.inner) + ") by (" + std::to_string(p.inner) + ", " + std::to_string(p.cols) + ")";
}

void check(cublasStatus_t status, const char* what, const MatrixProduct& p) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw DeviceError("cuBLASLt: " + text_of(p) + ": " + what + ": " + functions().status_string(status));
}

cublasLtHandle_t handle(const MatrixProduct& p) {
  static const cublasLtHandle_t created = [&] {
    cublasLtHandle_t result = nullptr;
    check(functions().create(&result), "cublasLtCreate", p);
    return result;
  }();
  return created;
}

template <class T>
constexpr cudaDataType_t kTypeOf = std::is_same_v<T, float> ? CUDA_R_32F : CUDA_R_16BF;

// The power of two that an address is a multiple of, at most 256.
std::uint32_t alignment_of(const void* address) {
  const auto bits = reinterpret_cast<std::uintptr_t>(address) | 256U;
  return std::uint32_t{1} << std::countr_zero(bits);
}

// Everything that a product needs but the addresses; kept for the life of the process.
struct Case {
  cublasLtMatmulDesc_t desc = nullptr;
  cublasLtMatrixLayout_t a = nullptr, b = nullptr,
                         c = nullptr;  // b is cuBLASLt's first operand, a its second
  cublasLtMatmulAlgo_t algorithm{};
  std::size_t workspace_bytes = 0;
};

struct Types {
  cudaDataType_t in, out;
};

// A row-major (rows, cols) matrix as the column-major (cols, rows) that the same memory is.
cublasLtMatrixLayout_t layout(const MatrixProduct& p, cudaDataType_t type, std::int64_t rows,
                              std::int64_t cols) {
  const Functions& f = functions();
  cublasLtMatrixLayout_t result = nullptr;
  check(f.layout_create(&result, type, static_cast<std::uint64_t>(cols), static_cast<std::uint64_t>(rows),
                        cols),
        "cublasLtMatrixLayoutCreate", p);
  const auto count = static_cast<std::int32_t>(p.batch);
  const std::int64_t stride = rows * cols;
  check(f.layout_set(result, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count), "batch count", p);
  check(f.layout_set(result, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride, sizeof stride),
        "batch stride", p);
  return result;
}

struct Alignments {
  std::uint32_t a, b, c;
  auto operator<=>(const Alignments&) const = default;
};

void choose_algorithm(const MatrixProduct& p, const Alignments& alignments, Case& made) {
  const Functions& f = functions();
  cublasLtMatmulPreference_t preference = nullptr;
  check(f.preference_create(&preference), "cublasLtMatmulPreferenceCreate", p);
  const auto set = [&](cublasLtMatmulPreferenceAttributes_t name, const auto& value) {
    check(f.preference_set(preference, name, &value, sizeof value), "preference", p);
  };
  set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kWorkspaceBytes);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignments.b);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignments.a);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignments.c);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignments.c);
  cublasLtMatmulHeuristicResult_t result{};
  int count = 0;
  const cublasStatus_t status =
      f.heuristic(handle(p), made.desc, made.b, made.a, made.c, made.c, preference, 1, &result, &count);
  f.preference_destroy(preference);
  check(status, "cublasLtMatmulAlgoGetHeuristic", p);
  if (count == 0) throw std::runtime_error("cuBLASLt has no algorithm for " + text_of(p));
  made.algorithm = result.algo;
  made.workspace_bytes = result.workspaceSize;
}

Case make_case(const MatrixProduct& p, const Types& types, const Alignments& alignments) {
  const Functions& f = functions();
  Case made;
  // Sums and scale factors in f32; f32 operands are multiplied as f32 (TF32 would be another compute type).
  check(f.desc_create(&made.desc, CUBLAS_COMPUTE_32F, CUDA_R_32F), "cublasLtMatmulDescCreate", p);
  const auto set = [&](cublasLtMatmulDescAttributes_t name, bool transpose) {
    const cublasOperation_t operation = transpose ? CUBLAS_OP_T : CUBLAS_OP_N;
    check(f.desc_set(made.desc, name, &operation, sizeof operation), "transposition", p);
  };
  set(CUBLASLT_MATMUL_DESC_TRANSA, p.transpose_b);
  set(CUBLASLT_MATMUL_DESC_TRANSB, p.transpose_a);
  made.a = p.transpose_a ? layout(p, types.in, p.inner, p.rows) : layout(p, types.in, p.rows, p.inner);
  made.b = p.transpose_b ? layout(p, types.in, p.cols, p.inner) : layout(p, types.in, p.inner, p.cols);
  made.c = layout(p, types.out, p.rows, p.cols);
  choose_algorithm(p, alignments, made);
  return made;
}

const Case& find_case(const MatrixProduct& p, const Types& types, const Alignments& alignments) {
  static std::mutex mutex;
  static auto* cases = new std::map<std::tuple<MatrixProduct, int, int, Alignments>, Case>;
  const std::lock_guard lock(mutex);
  const std::tuple key(p, static_cast<int>(types.in), static_cast<int>(types.out), alignments);
  const auto found = cases->find(key);
  return found != cases->end() ? found->second
                               : cases->emplace(key, make_case(p, types, alignments)).first->second;
}

template <class T, class Out>
void product(const MatrixProduct& p, const T* a, const T* b, Out* c, Stream stream) {
  const Case& found =
      find_case(p, {kTypeOf<T>, kTypeOf<Out>}, {alignment_of(a), alignment_of(b), alignment_of(c)});
  const std::shared_ptr<void> workspace = allocate(Device::cuda, found.workspace_bytes);
  const float one = 1.0F;
  const float zero = 0.0F;
  check(functions().matmul(handle(p), found.desc, &one, b, found.b, a, found.a, &zero, c, found.c, c, found.c,
                           &found.algorithm, workspace.get(), found.workspace_bytes, stream),
        "cublasLtMatmul", p);
}

// Every row of x (rows, cols) plus the bias.
template <class T>
void add_bias(std::int64_t rows, std::int64_t cols, const T* x, const float* bias, T* y, Stream stream) {
  const kernels::Axis axis{.outer = 1, .count = rows, .inner = cols};
  kernels::cuda::broadcast({.function = kernels::BroadcastFunction::add, .axis = axis}, x, bias, y, stream);
}

}  // namespace

template <class T, class Out>
void matrix_product(const MatrixProduct& p, const T* a, const T* b, const float* bias, Out* c,
                    Stream stream) {
  p.check();
  const std::int64_t rows = p.batch * p.rows;
  if (rows * p.cols == 0) return;
  if (p.inner == 0) {
    kernels::cuda::fill(rows * p.cols, 0.0F, c, stream);
    if (bias != nullptr) add_bias(rows, p.cols, c, bias, c, stream);
    return;
  }
  if constexpr (std::is_same_v<Out, bf16>) {
    if (bias != nullptr) {  // added in f32, so that the result is rounded once
      const std::shared_ptr<void> block =
          allocate(Device::cuda, static_cast<std::size_t>(rows * p.cols) * sizeof(float));
      auto* sums = static_cast<float*>(block.get());
      product(p, a, b, sums, stream);
      add_bias(rows, p.cols, sums, bias, sums, stream);
      kernels::cuda::cast(rows * p.cols, sums, c, stream);
      return;
    }
  }
  product(p, a, b, c, stream);
  if (bias != nullptr) add_bias(rows, p.cols, c, bias, c, stream);
}

template void matrix_product(const MatrixProduct&, const float*, const float*, const float*, float*, Stream);
template void matrix_product(const MatrixProduct&, const bf16*, const bf16*, const float*, bf16*, Stream);
template void matrix_product(const MatrixProduct&, const bf16*, const bf16*, const float*, float*, Stream);

}  // namespace nagare::vendor::cuda
