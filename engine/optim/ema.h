#pragma once
// Exponential moving averages of parameters: teachers and momentum encoders.
//
//   target = decay target + (1 - decay) online
//
// decay  the fraction kept, 0 <= decay <= 1; a schedule for it is ema_decay() in schedule.h
#include "engine/nn/state.h"

namespace nagare::optim {

// Every parameter of `target` moves towards the parameter of the same name in `online`; buffers stay as they
// are. std::invalid_argument when names, shapes or devices differ, or decay is out of range: nothing is changed then.
void ema_update(const nn::StateList& target, const nn::StateList& online, double decay);
// Every entry of `target`, buffers included, becomes a copy of `online`'s of the same name.
void copy_state(const nn::StateList& target, const nn::StateList& online);

}  // namespace nagare::optim
