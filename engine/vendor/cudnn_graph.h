#pragma once
// A thin wrapper of cuDNN's graph interface (the backend C API): one convolution, its operation graph, and the execution
// plan chosen for it. CUDA builds only; nothing is opened before the first plan is made.
#include <cudnn.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "engine/vendor/convolution.h"
#include "kernels/stream.h"

namespace nagare::vendor::cudnn {

enum class Pass : std::uint8_t { forward, backward_data, backward_weights };

// One convolution as cuDNN sees it: x, w and y are NHWC, OHWI and NHWC in memory and of one type, sums are f32.
struct Problem {
  Pass pass = Pass::forward;
  Convolution sizes;
  cudnnDataType_t type = CUDNN_DATA_FLOAT;

  auto operator<=>(const Problem&) const = default;
};

inline constexpr std::int64_t kAlignment = 16;  // bytes, of every operand

// The operands; which of them is written depends on the pass.
struct Operands {
  void* x = nullptr;
  void* w = nullptr;
  void* y = nullptr;
};

// A descriptor of the backend: made, filled with attributes, finalised, destroyed.
class Descriptor {
 public:
  explicit Descriptor(cudnnBackendDescriptorType_t type);
  cudnnBackendDescriptor_t get() const { return handle_.get(); }
  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t count,
           const void* values);
  void set(cudnnBackendAttributeName_t name, std::int64_t value) { set(name, CUDNN_TYPE_INT64, 1, &value); }
  void set(cudnnBackendAttributeName_t name, const Descriptor& value);
  // Throws with cuDNN's reason.
  void finalise(const char* what);
  // The same for what cuDNN may refuse: an engine that cannot do this problem.
  bool try_finalise();

 private:
  struct Destroy {
    void operator()(void* handle) const;
  };
  std::unique_ptr<void, Destroy> handle_;
};

// A GPU that is not there, described as cuDNN's JSON of device properties: plans can be made for it, not run.
Descriptor describe_device(const std::string& json);

class Plan {
 public:
  // Asks cuDNN's heuristics (mode A, then B, then the fallback list) and takes the first engine that is deterministic,
  // computes in the precision asked for (no TF32 for f32, no Winograd) and needs at most 512 MiB of workspace.
  // Throws std::runtime_error naming the problem when there is none.
  // For the selected GPU, or for the described one.
  explicit Plan(const Problem& problem, const Descriptor* described_device = nullptr);
  void run(const Operands& operands, Stream stream) const;
  std::int64_t workspace_bytes() const { return workspace_bytes_; }

 private:
  Descriptor config_;
  Descriptor plan_;
  std::int64_t workspace_bytes_ = 0;
};

// The plan of a problem, made when first asked for.
struct Found {
  std::optional<Plan> plan;
  std::string reason;  // why there is none
};
const Found& find_plan(const Problem& problem);

}  // namespace nagare::vendor::cudnn
