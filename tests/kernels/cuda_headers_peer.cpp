// Compiled with the toolkit's headers before any of ours.
#include "tests/kernels/cuda_headers_peer.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

namespace nagare::test {
namespace {

__nv_bfloat16 bf16_of(std::uint16_t bits) { return __ushort_as_bfloat16(bits); }
__half half_of(std::uint16_t bits) { return __ushort_as_half(bits); }
std::uint16_t bits_of(__nv_bfloat16 x) { return __bfloat16_as_ushort(x); }
std::uint16_t bits_of(__half x) { return __half_as_ushort(x); }

}  // namespace

const NarrowOperations kToolkitBf16 = {
    [](float x) { return bits_of(__float2bfloat16_rn(x)); },
    [](std::uint16_t a) { return __bfloat162float(bf16_of(a)); },
    [](std::uint16_t a, std::uint16_t b) { return bits_of(__hadd(bf16_of(a), bf16_of(b))); },
    [](std::uint16_t a, std::uint16_t b) { return bits_of(__hmul(bf16_of(a), bf16_of(b))); },
    [](std::uint16_t a, std::uint16_t b) { return bits_of(__hdiv(bf16_of(a), bf16_of(b))); },
    [](std::uint16_t a, std::uint16_t b) { return bf16_of(a) < bf16_of(b); },
};
const NarrowOperations kToolkitHalf = {
    [](float x) { return bits_of(__float2half_rn(x)); },
    [](std::uint16_t a) { return __half2float(half_of(a)); },
    [](std::uint16_t a, std::uint16_t b) { return bits_of(__hadd(half_of(a), half_of(b))); },
    [](std::uint16_t a, std::uint16_t b) { return bits_of(__hmul(half_of(a), half_of(b))); },
    [](std::uint16_t a, std::uint16_t b) { return bits_of(__hdiv(half_of(a), half_of(b))); },
    [](std::uint16_t a, std::uint16_t b) { return half_of(a) < half_of(b); },
};

}  // namespace nagare::test
