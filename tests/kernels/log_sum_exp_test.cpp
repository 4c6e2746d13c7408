#include "kernels/log_sum_exp.h"
