#include "kernels/parallel.h"

#include <omp.h>

namespace nagare {

void set_threads(int threads) { omp_set_num_threads(threads); }
int threads() { return omp_get_max_threads(); }
bool in_parallel() { return omp_in_parallel() != 0; }

OneThread::OneThread() {
  if (!in_parallel()) return;
  before_ = omp_get_max_threads();
  omp_set_num_threads(1);  // of the calling thread's own region, not of the program
}
OneThread::~OneThread() {
  if (before_ > 0) omp_set_num_threads(before_);
}

}  // namespace nagare
