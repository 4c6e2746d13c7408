#include "engine/vendor/nvtx.h"

#include <nvtx3/nvToolsExt.h>

namespace nagare::vendor::nvtx {

void push(const char* name) { nvtxRangePushA(name); }
void pop() { nvtxRangePop(); }

}  // namespace nagare::vendor::nvtx
