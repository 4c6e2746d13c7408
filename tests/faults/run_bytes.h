#pragma once
// What two runs must have in common to count as the same run.
#include <filesystem>
#include <map>
#include <string>

namespace nagare::faults {

// File of the run directory -> its content, for what a run computes: every tensor file whole; metrics.jsonl and
// results.json without clocks, memory and paths. Logs, STATUS.json, manifests, event files and checkpoints that were
// set aside as damaged tell of the way there and are left out.
std::map<std::string, std::string> run_bytes(const std::filesystem::path& run);

// "" when equal, else the first difference: "checkpoints/step-000000004/model.safetensors: other bytes".
std::string difference(const std::map<std::string, std::string>& expected,
                       const std::map<std::string, std::string>& found);

}  // namespace nagare::faults
