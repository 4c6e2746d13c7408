#pragma once
// NAGARE_SIMD compiles a plain loop for several vector widths; the processor's best is chosen when the program starts.
// Put it on a small function without lambdas or OpenMP inside (those would be compiled for the baseline only), and call
// that function from parallel_for. -ffp-contract=off makes all of them give the same bits, as long as the order
// of additions is written out.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define NAGARE_SIMD __attribute__((target_clones("default", "arch=haswell", "arch=skylake-avx512")))
#else
#define NAGARE_SIMD
#endif
