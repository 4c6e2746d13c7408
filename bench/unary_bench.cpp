// Functions of one variable and their gradients.
//
// floor  forward: one array in, one out; backward: two in, one out. The flops are what a polynomial of float accuracy
//        takes: 1 for relu, square and sqrt, about 25 for exp, log and 50 for gelu,
//        35 for mish
#include "bench/support/device_bench.h"
#include "kernels/unary.h"

namespace nagare::bench {
namespace {

using kernels::Unary;
using kernels::UnaryFunction;

double flops_of(UnaryFunction f) {
  if (f == UnaryFunction::gelu) return 50.0;
  if (f == UnaryFunction::mish) return 35.0;
  return f == UnaryFunction::exp || f == UnaryFunction::log ? 25.0 : 1.0;
}

template <UnaryFunction kFunction, class T>
void forward(benchmark::State& state, Device device) {
  const Unary p{.function = kFunction, .n = state.range(0)};
  Buffer<T> x = normal_as<T>(device, p.n, 1);
  Buffer<T> y(device, p.n);
  measure(state, device,
          [&](Stream stream) { NAGARE_DISPATCH(device, unary<T>(p, x.data(), y.data(), stream)); });
  report(state, {.bytes = 2.0 * sizeof(T) * p.n, .flops = flops_of(kFunction) * p.n});
}

template <UnaryFunction kFunction, class T>
void backward(benchmark::State& state, Device device) {
  const Unary p{.function = kFunction, .n = state.range(0)};
  Buffer<T> saved = normal_as<T>(device, p.n, 1);
  Buffer<T> dy = normal_as<T>(device, p.n, 2);
  Buffer<T> dx(device, p.n);
  measure(state, device, [&](Stream stream) {
    NAGARE_DISPATCH(device, unary_backward<T>(p, saved.data(), dy.data(), dx.data(), stream));
  });
  const bool formula_again = kFunction == UnaryFunction::gelu || kFunction == UnaryFunction::mish;
  const double flops = formula_again ? 2.0 * flops_of(kFunction) : 2.0;
  report(state, {.bytes = 3.0 * sizeof(T) * p.n, .flops = flops * p.n});
}

void sizes(benchmark::internal::Benchmark* b) {
  b->ArgName("n");
  b->Arg(128 * 65 * 768);  // inner layer of a ViT-Ti/4 block, 128 CIFAR images
  b->Arg(10007);
}

template <UnaryFunction kFunction>
bool register_function(const std::string& name) {
  return register_types(name + "_forward", forward<kFunction, float>, forward<kFunction, bf16>, sizes) &&
         register_types(name + "_backward", backward<kFunction, float>, backward<kFunction, bf16>, sizes);
}
[[maybe_unused]] const bool kRegistered =
    register_function<UnaryFunction::relu>("relu") && register_function<UnaryFunction::gelu>("gelu") &&
    register_function<UnaryFunction::mish>("mish") && register_function<UnaryFunction::exp>("exp") &&
    register_function<UnaryFunction::log>("log") && register_function<UnaryFunction::square>("square") &&
    register_function<UnaryFunction::sqrt>("sqrt");

}  // namespace
}  // namespace nagare::bench
