#pragma once
// Checkpoints of a run: RUN/checkpoints/step-000001234/, and LATEST with the newest one's name.
//
//   model.safetensors  the evaluated network alone, under torchvision's names: other programs load it as it is
//   state.safetensors  everything else that list_state() names: heads, optimiser, buffer, position
//   manifest.json      what the network is and how it is fed, the run it belongs to, the sizes of the two files
//
// A checkpoint is written into a directory of another name and renamed when it is complete: one with the right name is
// whole. LATEST is a hint; without it the highest step counts.
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/io/file.h"
#include "engine/nn/state.h"
#include "models/backbone.h"
#include "ssl/eval/evaluation_table.h"

namespace nagare::apps {

// What a stranger needs to use the network.
struct Manifest {
  std::int64_t step = 0;
  std::int64_t task = 0;
  std::string model;  // spec
  std::int64_t image_size = 32;
  std::array<float, 3> mean{};
  std::array<float, 3> std{};
  std::string precision;
  std::string method;
  std::string strategy;
  std::string data;
  std::string data_labels = "separate";
  std::string stream;
  std::string class_order;
  std::int64_t seed = 0;
  std::string readouts = "knn";  // that judged it in training
};

// Names of the entries of `state` that are the network's begin with this and lie in model.safetensors.
inline constexpr char kNetworkPrefix[] = "method.backbone.";

// Writes RUN/checkpoints/step-..., then removes all but the newest `keep`. Returns the directory.
// errors  CannotWrite
io::Path save_checkpoint(const io::Path& run, const Manifest& manifest, const nn::StateList& state,
                         std::int64_t keep);

bool has_checkpoint(const io::Path& run);

// Its complete checkpoints, oldest first.
std::vector<io::Path> list_checkpoints(const io::Path& run);

// The newest checkpoint of a run. BadCheckpoint when there is none.
io::Path newest_checkpoint(const io::Path& run);

// A run (its newest checkpoint), a checkpoint directory, or a .safetensors file in one -> the checkpoint directory.
io::Path find_checkpoint(const io::Path& path);

// errors  BadCheckpoint: missing, damaged, sizes that differ
Manifest read_manifest(const io::Path& checkpoint);

// Writes model.safetensors and state.safetensors into the listed tensors.
// errors  BadCheckpoint with every missing, unexpected or different tensor
void load_checkpoint(const io::Path& checkpoint, const nn::StateList& state);
// The evaluations of the run until then.
ssl::EvaluationTable load_evaluations(const io::Path& checkpoint, const Manifest& manifest);
// The network alone.
void load_network(const io::Path& checkpoint, const models::Backbone& backbone);

}  // namespace nagare::apps
