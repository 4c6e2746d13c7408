#pragma once
// Compares an op with its definition in double: the result everywhere, each gradient along one random direction.
#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "engine/autograd/tape.h"
#include "tests/support/matrix.h"

namespace nagare::test {

using Values = std::vector<double>;

struct OpInput {
  Shape shape;
  DType dtype = DType::f32;
  bool differentiable = true;
};

struct OpCase {
  std::vector<OpInput> inputs;
  std::function<Tensor(const std::vector<Tensor>&)> op;
  std::function<Values(const std::vector<Values>&)> definition;
  double tolerance = 1e-5;           // of the result, in units of its largest entry
  double gradient_tolerance = 1e-4;  // of a directional derivative, in units of its random-walk size
  double step = 1e-5;                // of the central differences
  double offset = 0.0;               // added to every input
};

inline Tensor as_tensor(const Values& values, const OpInput& input, Device device) {
  const std::vector<float> f32(values.begin(), values.end());
  if (input.dtype == DType::f32) return Tensor::from(f32, input.shape, device);
  std::vector<bf16> half;
  for (const float v : f32) half.emplace_back(v);
  return Tensor::from(half, input.shape, device);
}

inline Values normal_values(const OpInput& input, std::uint32_t seed, double offset = 0.0) {
  Values values = normal(1, input.shape.numel(), seed).values();
  for (double& v : values) {
    v = static_cast<float>(v + offset);
    if (input.dtype == DType::bf16) v = static_cast<float>(bf16(static_cast<float>(v)));
  }
  return values;
}

inline double inner(const Values& a, const Values& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

inline double norm(const Values& a) { return std::sqrt(inner(a, a)); }

inline Values host_values(const Tensor& t) {
  const std::vector<float> f32 = t.to_vector<float>();
  return {f32.begin(), f32.end()};
}

inline void check_op(const OpCase& c, Device device) {
  std::vector<Values> in;
  std::vector<Tensor> tensors;
  for (std::size_t i = 0; i < c.inputs.size(); ++i) {
    in.push_back(normal_values(c.inputs[i], static_cast<std::uint32_t>(10 + i), c.offset));
    tensors.push_back(as_tensor(in[i], c.inputs[i], device));
    if (c.inputs[i].differentiable) tensors[i].set_requires_grad(true);
  }
  const Tensor y = c.op(tensors);
  const Values want = c.definition(in);
  const Values got = host_values(y);
  ASSERT_EQ(got.size(), want.size());
  double largest = 1e-30;
  for (const double v : want) largest = std::max(largest, std::abs(v));
  for (std::size_t i = 0; i < want.size(); ++i) {
    ASSERT_TRUE(std::abs(got[i] - want[i]) <= c.tolerance * largest)
        << "entry " << i << " of " << to_string(y.shape()) << ": got " << got[i] << ", want " << want[i];
  }

  const OpInput output{y.shape(), y.dtype()};
  const Values upstream = normal_values(output, 5);
  tape::backward(y, as_tensor(upstream, output, device));
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (!c.inputs[i].differentiable) continue;
    const Values direction = normal_values({c.inputs[i].shape}, static_cast<std::uint32_t>(20 + i));
    const auto loss = [&](double step) {
      std::vector<Values> moved = in;
      for (std::size_t k = 0; k < direction.size(); ++k) moved[i][k] += step * direction[k];
      return inner(upstream, c.definition(moved));
    };
    const Tensor gradient = tensors[i].grad();
    ASSERT_TRUE(gradient.defined()) << "input " << i;
    ASSERT_EQ(gradient.dtype(), c.inputs[i].dtype);
    const Values values = host_values(gradient);
    const double expected = (loss(c.step) - loss(-c.step)) / (2 * c.step);
    EXPECT_TRUE(std::abs(inner(values, direction) - expected) <=
                c.gradient_tolerance * (norm(values) + 1e-30))
        << "gradient of input " << i << ": " << inner(values, direction) << ", want " << expected;
  }
}

}  // namespace nagare::test
