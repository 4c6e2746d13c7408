// DINO's loss at its published head (65,536 outputs, 2 global and 8 local views) and SwAV's swapped prediction.
//
// floor  forward: student and targets read once (a teacher's sum of exponentials and its use can share a read while its rows
//        stay in a cache); backward: the same read again, the student's gradient written; centre: the teacher read
#include "bench/support/device_bench.h"
#include "kernels/view_cross_entropy.h"

namespace nagare::bench {
namespace {

template <class T>
struct Views {
  Views(benchmark::State& state, Device device)
      : p{.batch = state.range(0), .cols = state.range(1), .views = state.range(2)},
        student(normal_as<T>(device, p.views * p.batch * p.cols, 1)),
        teacher(normal_as<T>(device, p.targets * p.batch * p.cols, 2)),
        center(filled(device, p.cols, 0.0F)),
        saved(device, p.saved_floats()),
        workspace(device, p.workspace_floats()),
        loss(device, p.batch),
        upstream(filled(device, 1, 1.0F)) {}

  kernels::ViewTargets<T> from_teacher() const { return {.logits = teacher.data(), .center = center.data()}; }
  double student_bytes() const { return static_cast<double>(student.bytes()); }
  double entries() const { return static_cast<double>((p.views + p.targets) * p.batch * p.cols); }

  kernels::ViewCrossEntropy p;
  Buffer<T> student, teacher;
  Buffer<float> center, saved, workspace, loss, upstream;
};

template <class T>
void forward(benchmark::State& state, Device device, Views<T>& c, const kernels::ViewTargets<T>& targets,
             double target_bytes) {
  measure(state, device, [&](Stream stream) {
    NAGARE_DISPATCH(device, view_cross_entropy<T>(c.p, c.student.data(), targets, c.saved.data(),
                                                  c.loss.data(), c.workspace.data(), stream));
  });
  report(state, {.bytes = c.student_bytes() + target_bytes, .flops = 8.0 * c.entries()});
}

template <class T>
void backward(benchmark::State& state, Device device, Views<T>& c, const kernels::ViewTargets<T>& targets,
              double target_bytes) {
  Buffer<T> gradient(device, c.student.count());
  prepare(device, [&](Stream stream) {
    NAGARE_DISPATCH(device, view_cross_entropy<T>(c.p, c.student.data(), targets, c.saved.data(),
                                                  c.loss.data(), c.workspace.data(), stream));
  });
  measure(state, device, [&](Stream stream) {
    NAGARE_DISPATCH(device, view_cross_entropy_backward<T>(c.p, c.student.data(), targets, c.saved.data(),
                                                           c.upstream.data(), gradient.data(), stream));
  });
  report(state, {.bytes = 2.0 * c.student_bytes() + target_bytes, .flops = 6.0 * c.entries()});
}

template <class T>
void dino_forward(benchmark::State& state, Device device) {
  Views<T> c(state, device);
  forward<T>(state, device, c, c.from_teacher(), static_cast<double>(c.teacher.bytes()));
}
template <class T>
void dino_backward(benchmark::State& state, Device device) {
  Views<T> c(state, device);
  backward<T>(state, device, c, c.from_teacher(), static_cast<double>(c.teacher.bytes()));
}
template <class T>
void dino_center(benchmark::State& state, Device device) {
  Views<T> c(state, device);
  const kernels::CenterUpdate p{.rows = c.p.targets * c.p.batch, .cols = c.p.cols, .momentum = 0.9F};
  measure(state, device, [&](Stream stream) {
    NAGARE_DISPATCH(device, update_center<T>(p, c.teacher.data(), c.center.data(), stream));
  });
  const auto bytes = static_cast<double>(c.teacher.bytes());
  report(state, {.bytes = bytes, .flops = bytes / sizeof(T)});
}

// Given targets; what they are makes no difference to the time.
template <class T>
void swapped_forward(benchmark::State& state, Device device) {
  Views<T> c(state, device);
  const Buffer<float> codes = filled(device, c.teacher.count(), 1.0F / static_cast<float>(c.p.cols));
  forward<T>(state, device, c, {.probabilities = codes.data()}, static_cast<double>(codes.bytes()));
}
template <class T>
void swapped_backward(benchmark::State& state, Device device) {
  Views<T> c(state, device);
  const Buffer<float> codes = filled(device, c.teacher.count(), 1.0F / static_cast<float>(c.p.cols));
  backward<T>(state, device, c, {.probabilities = codes.data()}, static_cast<double>(codes.bytes()));
}

void dino_sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"batch", "cols", "views"});
  b->Args({64, 65536, 10});  // DINO, 2 + 8 crops
  b->Args({256, 4096, 2});   // CIFAR and ImageNet-100 settings without local crops
  b->Args({7, 1031, 5});     // fits no tile
}
void swav_sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"batch", "cols", "views"});
  b->Args({256, 3000, 8});   // SwAV, 2 + 6 crops
  b->Args({4096, 3000, 2});  // the large batch
}
NAGARE_BENCHMARK(dino_forward, dino_sizes);
NAGARE_BENCHMARK(dino_backward, dino_sizes);
NAGARE_BENCHMARK(dino_center, dino_sizes);
NAGARE_BENCHMARK(swapped_forward, swav_sizes);
NAGARE_BENCHMARK(swapped_backward, swav_sizes);

}  // namespace
}  // namespace nagare::bench
