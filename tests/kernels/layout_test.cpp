#include "kernels/layout.h"
