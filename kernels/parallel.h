#pragma once
// Threads of the CPU twins. The pool is OpenMP's, which oneDNN shares; nothing else in the project names it.
//
// Work is split by index into equal contiguous parts, so a result that depends only on the index is the same for
// any number of threads. A reduction over all of n must not be split by thread: use fixed blocks (see for_each_block).
#include <cstdint>

namespace nagare {

// 1..; default: the cores this process may run on.
void set_threads(int threads);
int threads();

// While it lives, parallel regions that this thread opens, and those of libraries that it calls, have one thread.
class OneThread {
 public:
  OneThread();
  ~OneThread();
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

// body(i) for i in [0, n). body must not throw.
template <class Body>
void parallel_for(std::int64_t n, const Body& body) {
#pragma omp parallel for schedule(static) if (n > 1)
  for (std::int64_t i = 0; i < n; ++i) body(i);
}

// body(begin, end) over blocks of `block` consecutive indices. The cuts depend on n and block alone, never on threads.
template <class Body>
void for_each_block(std::int64_t n, std::int64_t block, const Body& body) {
  parallel_for((n + block - 1) / block, [&](std::int64_t i) {
    const std::int64_t begin = i * block;
    body(begin, begin + block < n ? begin + block : n);
  });
}

}  // namespace nagare
