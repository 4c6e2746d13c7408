// ResNet-18 (CIFAR stem, width 64) on 128 images of 32 x 32: one supervised step (forward, cross entropy,
// backward, SGD with momentum), and the forward pass of the evaluation alone.
//
// work     3.329 GFLOP per image and step, 1.111 forward (0.5554 GMAC)
// counters items_per_second (images); peak_rss_mb of the process so far, so memory is judged one benchmark per process
// run      nagare-bench --benchmark_filter=resnet18; bench/peers/compare_cpu_step pairs it with PyTorch
#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include "engine/autograd/tape.h"
#include "engine/nn/modules.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/softmax.h"
#include "engine/optim/optimizer.h"
#include "models/resnet.h"

namespace nagare {
namespace {

constexpr std::int64_t kBatch = 128;
constexpr std::int64_t kClasses = 10;

struct Classifier {
  explicit Classifier(DType precision)
      : images(Tensor::full({kBatch, 32, 32, 3}, 0.0F, {.dtype = precision})) {
    Philox random({.seed = 1, .purpose = Purpose::synthetic});
    std::vector<float> pixels(static_cast<std::size_t>(images.numel()));
    for (float& v : pixels) v = random.uniform(-2.0F, 2.0F);
    images = cast(Tensor::from(pixels, images.shape()), precision);
    std::vector<std::int64_t> classes(kBatch);
    for (std::int64_t& c : classes) c = random.below(kClasses);
    labels = Tensor::from(classes, {kBatch});
    net.list_state(state);
    const nn::StateList::Scope scope(state, "fc");
    head.list_state(state);
    optimizer = optim::make_optimizer({.name = "sgd", .weight_decay = 5e-4}, state.parameters());
  }

  Tensor logits(bool training) { return cast(head.forward(net.forward(images, training)), DType::f32); }

  void step() {
    tape::backward(cross_entropy(logits(true), labels));
    optimizer->step(0.01);
    for (const nn::StateEntry& e : state.parameters()) e.tensor.clear_grad();
  }

  nn::Initializer init{1};
  models::ResNet net{{}};
  nn::Linear head{net.feature_dim(), kClasses, init};
  nn::StateList state;
  std::unique_ptr<optim::Optimizer> optimizer;
  Tensor images;
  Tensor labels;
};

void report(benchmark::State& state) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  state.SetItemsProcessed(state.iterations() * kBatch);
  state.counters["peak_rss_mb"] = static_cast<double>(usage.ru_maxrss) / 1024.0;
}

void resnet18_step(benchmark::State& state, DType precision) {
  Classifier classifier(precision);
  classifier.step();  // prepares the primitives
  for (auto _ : state) classifier.step();
  report(state);
}

void resnet18_forward(benchmark::State& state, DType precision) {
  const tape::NoGrad guard;
  Classifier classifier(precision);
  classifier.logits(false);
  for (auto _ : state) benchmark::DoNotOptimize(classifier.logits(false).raw());
  report(state);
}

// A fixed, small number of steps: a step takes a second, and compare_cpu_step takes turns with PyTorch.
void turn(benchmark::internal::Benchmark* b) {
  b->Iterations(3)->Unit(benchmark::kMillisecond)->UseRealTime()->MeasureProcessCPUTime();
}
BENCHMARK_CAPTURE(resnet18_step, f32, DType::f32)->Apply(turn);
BENCHMARK_CAPTURE(resnet18_step, bf16, DType::bf16)->Apply(turn);
BENCHMARK_CAPTURE(resnet18_forward, f32, DType::f32)->Apply(turn);
BENCHMARK_CAPTURE(resnet18_forward, bf16, DType::bf16)->Apply(turn);

}  // namespace
}  // namespace nagare
