#include "kernels/max_pool.h"
