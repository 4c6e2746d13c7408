#include "kernels/unary.h"
