#include "kernels/l2_normalize.h"
