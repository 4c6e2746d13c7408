#pragma once
// What a kernel makes of bf16 inputs, held against what it makes of the same numbers in f32, where its definition is
// tested: the same, rounded when it is stored.
#include <algorithm>
#include <cmath>

#include "engine/tensor/tensor.h"
#include "tests/support/gradient.h"

namespace nagare::test {

// Standard normal numbers that bf16 holds exactly, as T.
template <class T>
Tensor normal_bf16_numbers(const Shape& shape, std::uint32_t seed, Device device, double offset = 0.0) {
  Values values = normal_values(shape.numel(), seed, DType::bf16);
  for (double& v : values) v = rounded(v + offset, DType::bf16);
  return to_tensor(values, shape, kDTypeOf<T>, device);
}

// Each bf16 number within its own rounding (half a unit in the last place, up to 1 / 256 of it) of the f32 one; `slack` of the largest
// for what the rounding of a number stored on the way adds.
inline testing::AssertionResult rounds_to(const Tensor& bf16_result, const Tensor& f32_result, double slack) {
  const Values got = to_values(bf16_result);
  const Values want = to_values(f32_result);
  if (got.size() != want.size()) {
    return testing::AssertionFailure() << got.size() << " elements, want " << want.size();
  }
  double scale = 0.0;
  for (const double w : want) scale = std::max(scale, std::abs(w));
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (!(std::abs(got[i] - want[i]) <= std::abs(want[i]) / 256 + slack * scale)) {
      return testing::AssertionFailure() << "element " << i << ": got " << got[i] << ", want " << want[i];
    }
  }
  return testing::AssertionSuccess();
}

}  // namespace nagare::test
