#pragma once
// Training on the buffer alone, as FIFO and MinRed publish it: arriving images only enter the buffer, and an update sees as many
// stored ones in their place.
#include "ssl/core/batch.h"
#include "ssl/strategies/context.h"

namespace nagare::ssl {

// BadConfig beginning with `who` when the buffer holds fewer images than arrive together: there would be no batch to draw.
void check_buffer_only(const char* who, const StrategyContext& context);

// The place of `arriving` in the stream without its images: nothing to train on, or what replay is put behind.
Batch nothing_of(const Batch& arriving);

}  // namespace nagare::ssl
