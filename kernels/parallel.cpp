#include "kernels/parallel.h"

#include <omp.h>

namespace nagare {

void set_threads(int threads) { omp_set_num_threads(threads); }
int threads() { return omp_get_max_threads(); }

// OpenMP keeps this number for every thread on its own.
OneThread::OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
OneThread::~OneThread() { omp_set_num_threads(before_); }

}  // namespace nagare
