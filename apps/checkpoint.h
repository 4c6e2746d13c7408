#pragma once
// Checkpoints of a run: RUN/checkpoints/step-000001234/, and LATEST with the newest one's name.
//
//   model.safetensors  the evaluated network alone, under torchvision's names: other programs load it as it is
//   state.safetensors  everything else that list_state() names: heads, optimiser, buffer, position
//   manifest.json      see manifest.h
//
// Names that begin with '.' are unfinished or on their way out; LATEST is a hint that nothing here reads. A checkpoint is
// good when its manifest and every file have the checksums that were computed while they were written.
#include <memory>
#include <string>
#include <vector>

#include "apps/manifest.h"
#include "engine/io/file.h"
#include "engine/io/safetensors.h"
#include "engine/nn/state.h"
#include "models/backbone.h"
#include "ssl/eval/evaluation_table.h"

namespace nagare::apps {

inline constexpr char kModelName[] = "model.safetensors";
inline constexpr char kStateName[] = "state.safetensors";
inline constexpr char kManifestName[] = "manifest.json";

// Names of the entries of `state` that are the network's begin with this and lie in model.safetensors.
inline constexpr char kNetworkPrefix[] = "method.backbone.";

struct StateParts {
  nn::StateList network;  // under the network's own names
  nn::StateList rest;
};
StateParts split(const nn::StateList& state);

io::Path checkpoints_of(const io::Path& run);
std::string step_name(std::int64_t step);
bool has_checkpoint(const io::Path& run);
// What bears a checkpoint's name, oldest first; none where checkpoints/ is not there.
// errors  BadCheckpoint: the directory cannot be listed
std::vector<io::Path> list_checkpoints(const io::Path& run);

// errors  BadCheckpoint: missing, damaged; OtherSchema
Manifest read_manifest(const io::Path& checkpoint);
// The manifest, when every file it names has its size and checksum. Reads all of them, in little memory.
// errors  BadCheckpoint naming the file and what is wrong with it; OtherSchema
Manifest verify_checkpoint(const io::Path& checkpoint);

struct RejectedCheckpoint {
  io::Path path;
  std::string reason;
};
struct FoundCheckpoint {
  io::Path path;
  Manifest manifest;
  std::vector<RejectedCheckpoint> rejected = {};  // newer ones, newest first
};
// The newest good checkpoint of a run. One of a newer program is an error, not a reason to go back.
// errors  BadCheckpoint: there is none, or none is good (every one with its reason); OtherSchema
FoundCheckpoint newest_checkpoint(const io::Path& run);
// A run (its newest good checkpoint), a checkpoint directory, or a .safetensors file in one.
// errors  those of newest_checkpoint() and verify_checkpoint()
FoundCheckpoint find_checkpoint(const io::Path& path);

// Writes model.safetensors and state.safetensors into the listed tensors. The bytes that are loaded are the ones whose
// checksum is compared.
// errors  BadCheckpoint with every missing, unexpected or different tensor
void load_checkpoint(const FoundCheckpoint& checkpoint, const nn::StateList& state);
// state.safetensors.
io::SafetensorsFile read_state(const FoundCheckpoint& checkpoint);
// The evaluations of the run until then.
ssl::EvaluationTable load_evaluations(const FoundCheckpoint& checkpoint);
// The network alone.
void load_network(const io::Path& checkpoint, const Manifest& manifest, const models::Backbone& backbone);

}  // namespace nagare::apps
