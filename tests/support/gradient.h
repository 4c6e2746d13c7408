#pragma once
// Checks an op against its definition in double: the result, and the gradient of every input along a random upstream
// gradient (with dL/dy = 1 the gradient of a softmax or a layer norm is zero, and nothing would be tested).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "engine/autograd/tape.h"
#include "engine/tensor/tensor.h"
#include "kernels/philox.h"

namespace nagare::test {

using Values = std::vector<double>;

// What the element type makes of a number.
inline double rounded(double value, DType dtype) {
  const auto f = static_cast<float>(value);
  return dtype == DType::bf16 ? static_cast<float>(bf16(f)) : f;
}

// Host values on a device, in one of the two activation types.
inline Tensor to_tensor(const Values& values, const Shape& shape, DType dtype, Device device) {
  if (dtype == DType::f32)
    return Tensor::from(std::vector<float>(values.begin(), values.end()), shape, device);
  std::vector<bf16> halves;
  for (const double v : values) halves.emplace_back(static_cast<float>(v));
  return Tensor::from(halves, shape, device);
}

inline Values to_values(const Tensor& x) {
  const std::vector<float> values = x.to_vector<float>();
  return {values.begin(), values.end()};
}

// Standard normal numbers that the element type holds exactly.
inline Values normal_values(std::int64_t n, std::uint32_t seed, DType dtype = DType::f32) {
  Values values(static_cast<std::size_t>(n));
  Philox random({.seed = seed, .purpose = Purpose::synthetic});
  for (double& v : values) {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - random.uniform()));
    v = rounded(radius * std::cos(2.0 * M_PI * random.uniform()), dtype);
  }
  return values;
}

struct OpInput {
  Shape shape;
  Values values;
  DType dtype = DType::f32;
  bool learns = true;  // false: a constant, its gradient is not looked at
};

inline OpInput normal_input(const Shape& shape, std::uint32_t seed, DType dtype = DType::f32) {
  return {.shape = shape, .values = normal_values(shape.numel(), seed, dtype), .dtype = dtype};
}

// |normal| + 0.25, for functions that need positive numbers.
inline OpInput positive_input(const Shape& shape, std::uint32_t seed, DType dtype = DType::f32) {
  OpInput input = normal_input(shape, seed, dtype);
  for (double& v : input.values) v = rounded(std::abs(v) + 0.25, dtype);
  return input;
}

struct OpCase {
  std::vector<OpInput> inputs;
  std::function<Tensor(const std::vector<Tensor>&)> op;
  std::function<Values(const std::vector<Values>&)> definition;  // the result's elements, row-major
  double tolerance = 4e-6;          // of the largest magnitude in the tensor that is compared
  double step = 1e-5;               // of the central differences
  double gradient_tolerance = 0.0;  // 0: as the result's

  double of_gradient() const { return gradient_tolerance > 0.0 ? gradient_tolerance : tolerance; }
};

// |got - want| <= tolerance * max |want| everywhere; NaN on either side fails.
inline testing::AssertionResult near_values(const Values& got, const Values& want, double tolerance) {
  if (got.size() != want.size()) {
    return testing::AssertionFailure() << got.size() << " elements, want " << want.size();
  }
  double scale = 0.0;
  for (const double w : want) scale = std::max(scale, std::abs(w));
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double error = std::abs(got[i] - want[i]);
    if (!(error <= tolerance * scale)) {
      return testing::AssertionFailure()
             << "element " << i << ": got " << got[i] << ", want " << want[i] << ", |difference| " << error
             << " > " << tolerance << " * " << scale;
    }
  }
  return testing::AssertionSuccess();
}

inline double dot(const Values& a, const Values& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

namespace gradient_check {

// (L(x + step v) - L(x - step v)) / (2 step) for L(x) = sum dy definition(x), moving one input.
inline double slope(const OpCase& c, std::size_t which, const Values& direction, const Values& dy) {
  std::vector<Values> at;
  for (const OpInput& input : c.inputs) at.push_back(input.values);
  const auto loss = [&](double distance) {
    for (std::size_t i = 0; i < direction.size(); ++i) {
      at[which][i] = c.inputs[which].values[i] + distance * direction[i];
    }
    return dot(dy, c.definition(at));
  };
  return (loss(c.step) - loss(-c.step)) / (2.0 * c.step);
}

// One input's gradient along three random directions, and entry by entry when it is small.
inline testing::AssertionResult matches(const OpCase& c, std::size_t which, const Values& gradient,
                                        const Values& dy) {
  constexpr std::size_t kSmall = 200;
  constexpr double kSteps = 4.0;  // a random walk goes no further
  for (std::uint32_t seed = 1; seed <= 3; ++seed) {
    const Values direction = normal_values(static_cast<std::int64_t>(gradient.size()), 1000 + seed);
    // Errors of many entries cancel along a random direction, as their sum walks at random; few are compared one by one below.
    double sum = 0.0;
    double squares = 0.0;
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      sum += std::abs(gradient[i] * direction[i]);
      squares += std::pow(gradient[i] * direction[i], 2);
    }
    const double magnitude = std::min(sum, kSteps * std::sqrt(squares));
    const double got = dot(gradient, direction);
    const double want = slope(c, which, direction, dy);
    if (!(std::abs(got - want) <= c.of_gradient() * magnitude + 1e-9)) {
      return testing::AssertionFailure()
             << "along direction " << seed << ": slope " << got << ", want " << want;
    }
  }
  if (gradient.size() > kSmall) return testing::AssertionSuccess();
  constexpr double kNothing = 1e-9;  // what the differences cannot tell from 0
  Values got = gradient;
  Values want(gradient.size());
  for (std::size_t i = 0; i < want.size(); ++i) {
    Values unit(want.size(), 0.0);
    unit[i] = 1.0;
    want[i] = slope(c, which, unit, dy);
    if (std::abs(want[i]) < kNothing && std::abs(got[i]) < kNothing) got[i] = want[i] = 0.0;
  }
  return near_values(got, want, c.of_gradient());
}

}  // namespace gradient_check

// Result and gradients of an op match those of its definition; each run gives the same bits; nothing is recorded
// without need.
inline testing::AssertionResult matches_definition(Device device, const OpCase& c) {
  std::vector<Values> at;
  for (const OpInput& input : c.inputs) at.push_back(input.values);
  const auto fresh_inputs = [&] {
    std::vector<Tensor> tensors;
    for (const OpInput& input : c.inputs) {
      tensors.push_back(to_tensor(input.values, input.shape, input.dtype, device));
    }
    return tensors;
  };

  const Tensor plain = c.op(fresh_inputs());
  if (plain.requires_grad()) return testing::AssertionFailure() << "recorded, though no input learns";
  if (const auto same = near_values(to_values(plain), c.definition(at), c.tolerance); !same) {
    return testing::AssertionFailure() << "result: " << same.message();
  }

  const Values dy = normal_values(plain.numel(), 99, plain.dtype());
  std::vector<Values> first;
  for (int run = 0; run < 2; ++run) {
    std::vector<Tensor> inputs = fresh_inputs();
    for (std::size_t i = 0; i < inputs.size(); ++i) inputs[i].set_requires_grad(c.inputs[i].learns);
    const Tensor y = c.op(inputs);
    if (to_values(y) != to_values(plain))
      return testing::AssertionFailure() << "the second run gave other bits";
    tape::backward(y, to_tensor(dy, y.shape(), y.dtype(), device));
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (!c.inputs[i].learns) continue;
      const std::string name = "gradient of input " + std::to_string(i) + ": ";
      const Tensor gradient = inputs[i].grad();
      if (!gradient.defined()) return testing::AssertionFailure() << name << "missing";
      if (gradient.shape() != inputs[i].shape() || gradient.dtype() != inputs[i].dtype()) {
        return testing::AssertionFailure()
               << name << to_string(gradient.shape()) << " " << to_string(gradient.dtype());
      }
      if (run == 0) {
        first.push_back(to_values(gradient));
        if (const auto same = gradient_check::matches(c, i, first.back(), dy); !same) {
          return testing::AssertionFailure() << name << same.message();
        }
      } else {
        if (first.front() != to_values(gradient)) return testing::AssertionFailure() << name << "other bits";
        first.erase(first.begin());
      }
    }
  }
  return testing::AssertionSuccess();
}

// The tolerance for a type: bf16 keeps 8 bits, and results, gradients and what is saved are each rounded once.
inline double tolerance_of(DType dtype, double f32_tolerance = 4e-6) {
  return dtype == DType::bf16 ? 1.2e-2 : f32_tolerance;
}

}  // namespace nagare::test
