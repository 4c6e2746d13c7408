#pragma once
// The state of a component (nn::StateList) in a safetensors file, matched by name.
//
// Files hold convolution weights as torchvision does (OIHW), memory holds them as OHWI: entries with
// DiskLayout::conv_oihw are turned on the way.
#include <string>
#include <vector>

#include "engine/io/safetensors.h"
#include "engine/nn/state.h"

namespace nagare::io {

// Copies on the CPU in the layout of the disk, in the order of the list: they stay as they are when the list's tensors
// change.
std::vector<NamedTensor> to_disk(const nn::StateList& state);

// Writes the whole list, with metadata "format": "pt" added, which other readers look for.
void save_state(const Path& path, const nn::StateList& state, Metadata metadata = {});

// Writes the tensors of the file into those of the list. Only names that begin with `prefix` count, and they
// are matched without it: "online." loads that part of a checkpoint. Strict: every listed tensor must be
// there with its shape and type, its integers in their range, and no other. Nothing is written unless all is well; otherwise
// BadCheckpoint lists what is missing, unexpected or different, the first hundred of it.
// Then the list's checks are made: BadCheckpoint with what the first one says; what was written is not to be used then.
void load_state(const SafetensorsFile& file, const nn::StateList& state, std::string_view prefix = "");

// (O, H, W, I) -> (O, I, H, W) and back; copies on the CPU, of any element type.
Tensor ohwi_to_oihw(const Tensor& weight);
Tensor oihw_to_ohwi(const Tensor& weight);

}  // namespace nagare::io
