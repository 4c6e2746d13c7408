#include "engine/vendor/cudnn_graph.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine/device/memory.h"
#include "engine/vendor/cuda_libraries.h"
#include "kernels/device_error.h"

namespace nagare::vendor::cudnn {
namespace {

constexpr std::int64_t kWorkspaceLimit = std::int64_t{512} << 20;
constexpr std::int64_t kX = 'x';
constexpr std::int64_t kW = 'w';
constexpr std::int64_t kY = 'y';

#define NAGARE_CUDNN(function) NAGARE_VENDOR_FUNCTION(CudaLibrary::cudnn, function)
struct Functions {
  decltype(&::cudnnCreate) create = NAGARE_CUDNN(cudnnCreate);
  decltype(&::cudnnSetStream) set_stream = NAGARE_CUDNN(cudnnSetStream);
  decltype(&::cudnnGetErrorString) error_string = NAGARE_CUDNN(cudnnGetErrorString);
  decltype(&::cudnnGetLastErrorString) last_error = NAGARE_CUDNN(cudnnGetLastErrorString);
  decltype(&::cudnnBackendCreateDescriptor) create_descriptor = NAGARE_CUDNN(cudnnBackendCreateDescriptor);
  decltype(&::cudnnBackendDestroyDescriptor) destroy_descriptor = NAGARE_CUDNN(cudnnBackendDestroyDescriptor);
  decltype(&::cudnnBackendSetAttribute) set_attribute = NAGARE_CUDNN(cudnnBackendSetAttribute);
  decltype(&::cudnnBackendGetAttribute) get_attribute = NAGARE_CUDNN(cudnnBackendGetAttribute);
  decltype(&::cudnnBackendFinalize) finalize = NAGARE_CUDNN(cudnnBackendFinalize);
  decltype(&::cudnnBackendExecute) execute = NAGARE_CUDNN(cudnnBackendExecute);
};
#undef NAGARE_CUDNN

const Functions& functions() {
  static const Functions found;
  return found;
}

void check(cudnnStatus_t status, const std::string& what) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  char detail[512] = {};
  functions().last_error(detail, sizeof detail);
  throw DeviceError("cuDNN: " + what + ": " + functions().error_string(status) + " " + detail);
}

// Lives as long as the process, as the device does.
cudnnHandle_t handle() {
  static const cudnnHandle_t created = [] {
    cudnnHandle_t result = nullptr;
    check(functions().create(&result), "cudnnCreate");
    return result;
  }();
  return created;
}

std::string text_of(const Problem& p) {
  const auto text = [](std::int64_t n) { return std::to_string(n); };
  const Convolution& s = p.sizes;
  const char* pass = p.pass == Pass::forward         ? "forward"
                     : p.pass == Pass::backward_data ? "gradient of x"
                                                     : "gradient of the weights";
  return std::string("conv2d ") + pass + ", x (" + text(s.batch) + ", " + text(s.height) + ", " +
         text(s.width) + ", " + text(s.in_channels) + "), weight (" + text(s.out_channels) + ", " +
         text(s.kernel_height) + ", " + text(s.kernel_width) + ", " + text(s.in_channels) + "), stride " +
         text(s.stride) + ", padding " + text(s.padding) + ", " +
         (p.type == CUDNN_DATA_FLOAT ? "f32" : "bf16");
}

struct Dims {
  std::int64_t n, c, h, w;
};

// cuDNN names axes in the order NCHW whatever the layout is; the strides make it NHWC (and OHWI).
Descriptor tensor(std::int64_t id, cudnnDataType_t type, const Dims& d) {
  const std::array<std::int64_t, 4> sizes{d.n, d.c, d.h, d.w};
  const std::array<std::int64_t, 4> strides{d.h * d.w * d.c, 1, d.w * d.c, d.c};
  Descriptor result(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  result.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
  result.set(CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, sizes.data());
  result.set(CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, strides.data());
  result.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, id);
  result.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, kAlignment);
  result.finalise("tensor descriptor");
  return result;
}

Descriptor geometry(const Convolution& p) {
  const cudnnDataType_t compute = CUDNN_DATA_FLOAT;
  const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
  const std::array<std::int64_t, 2> dilation{1, 1};
  const std::array<std::int64_t, 2> stride{p.stride, p.stride};
  const std::array<std::int64_t, 2> padding{p.padding, p.padding};
  Descriptor result(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  result.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, 2);
  result.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &compute);
  result.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
  result.set(CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, dilation.data());
  result.set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, stride.data());
  result.set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, padding.data());
  result.set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, padding.data());
  result.finalise("convolution descriptor");
  return result;
}

// What the three passes call their operation and its attributes.
struct Names {
  cudnnBackendDescriptorType_t operation;
  cudnnBackendAttributeName_t x, w, y, geometry, alpha, beta;
};

const Names& names_of(Pass pass) {
  static constexpr Names kForward{CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                                  CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                                  CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                                  CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                                  CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                                  CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                                  CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
  static constexpr Names kData{CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                               CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                               CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                               CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
                               CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                               CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                               CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
  static constexpr Names kWeights{CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
                                  CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                                  CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                                  CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
                                  CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
                                  CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                                  CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};
  return pass == Pass::forward ? kForward : pass == Pass::backward_data ? kData : kWeights;
}

// The operation graph of one convolution, with the descriptors it was made of.
struct Graph {
  Descriptor x, w, y, window, operation, graph;
};

Graph operation_graph(const Problem& problem, const Descriptor* device) {
  const Convolution& p = problem.sizes;
  const Names& names = names_of(problem.pass);
  const float one = 1.0F;
  const float zero = 0.0F;
  Graph result{
      .x = tensor(kX, problem.type, {p.batch, p.in_channels, p.height, p.width}),
      .w = tensor(kW, problem.type, {p.out_channels, p.in_channels, p.kernel_height, p.kernel_width}),
      .y = tensor(kY, problem.type, {p.batch, p.out_channels, p.out_height(), p.out_width()}),
      .window = geometry(p),
      .operation = Descriptor(names.operation),
      .graph = Descriptor(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR)};
  Descriptor& operation = result.operation;
  operation.set(names.geometry, result.window);
  operation.set(names.x, result.x);
  operation.set(names.w, result.w);
  operation.set(names.y, result.y);
  operation.set(names.alpha, CUDNN_TYPE_FLOAT, 1, &one);
  operation.set(names.beta, CUDNN_TYPE_FLOAT, 1, &zero);
  operation.finalise("convolution operation");

  if (device == nullptr) {
    const cudnnHandle_t used = handle();
    result.graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &used);
  }
  result.graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, operation);
  result.graph.finalise("operation graph");
  return result;
}

std::vector<Descriptor> engine_configs(const Descriptor& graph, cudnnBackendHeurMode_t mode,
                                       const Descriptor* device) {
  Descriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
  if (device != nullptr) heuristics.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, *device);
  if (!heuristics.try_finalise()) return {};  // this mode knows nothing about the problem
  std::int64_t count = 0;
  const auto get = [&](std::int64_t wanted, void* into) {
    return functions().get_attribute(heuristics.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                     CUDNN_TYPE_BACKEND_DESCRIPTOR, wanted, &count, into);
  };
  check(get(0, nullptr), "number of engines");
  std::vector<Descriptor> configs;
  std::vector<cudnnBackendDescriptor_t> pointers;
  for (std::int64_t i = 0; i < count; ++i) {
    configs.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    pointers.push_back(configs.back().get());
  }
  if (count > 0) check(get(count, pointers.data()), "engines");
  configs.erase(configs.begin() + count, configs.end());  // the second call may find fewer
  return configs;
}

// Deterministic, and in the precision that the problem's type promises.
bool acceptable(const Descriptor& config, const Problem& problem) {
  Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendDescriptor_t pointer = engine.get();
  std::int64_t count = 0;
  if (functions().get_attribute(config.get(), CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                                &count, &pointer) != CUDNN_STATUS_SUCCESS) {
    return false;
  }
  std::array<cudnnBackendNumericalNote_t, CUDNN_NUMERICAL_NOTE_TYPE_COUNT> notes{};
  if (functions().get_attribute(engine.get(), CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                static_cast<std::int64_t>(notes.size()), &count,
                                notes.data()) != CUDNN_STATUS_SUCCESS) {
    return false;
  }
  return std::all_of(notes.begin(), notes.begin() + count, [&](cudnnBackendNumericalNote_t note) {
    switch (note) {
      case CUDNN_NUMERICAL_NOTE_TENSOR_CORE:  // for f32 operands: TF32
        return problem.type != CUDNN_DATA_FLOAT;
      case CUDNN_NUMERICAL_NOTE_FFT:
      case CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP:
        return true;
      default:  // down-converted inputs, reduced-precision sums, non-deterministic, Winograd
        return false;
    }
  });
}

}  // namespace

void Descriptor::Destroy::operator()(void* descriptor) const { functions().destroy_descriptor(descriptor); }

Descriptor::Descriptor(cudnnBackendDescriptorType_t type) {
  cudnnBackendDescriptor_t created = nullptr;
  check(functions().create_descriptor(type, &created), "descriptor of type " + std::to_string(type));
  handle_.reset(created);
}

void Descriptor::set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t count,
                     const void* values) {
  check(functions().set_attribute(get(), name, type, count, values), "attribute " + std::to_string(name));
}

void Descriptor::set(cudnnBackendAttributeName_t name, const Descriptor& value) {
  const cudnnBackendDescriptor_t pointer = value.get();
  set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &pointer);
}

void Descriptor::finalise(const char* what) { check(functions().finalize(get()), what); }
bool Descriptor::try_finalise() { return functions().finalize(get()) == CUDNN_STATUS_SUCCESS; }

Descriptor describe_device(const std::string& json) {
  Descriptor device(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  device.set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
             static_cast<std::int64_t>(json.size() + 1), json.c_str());
  device.finalise("device description");
  return device;
}

Plan::Plan(const Problem& problem, const Descriptor* device)
    : config_(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR), plan_(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR) {
  const Graph graph = operation_graph(problem, device);
  for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_B, CUDNN_HEUR_MODE_FALLBACK}) {
    for (Descriptor& config : engine_configs(graph.graph, mode, device)) {
      if (!acceptable(config, problem)) continue;
      Descriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
      if (device != nullptr) {
        plan.set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, *device);
      } else {
        const cudnnHandle_t used = handle();
        plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &used);
      }
      plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config);
      if (!plan.try_finalise()) continue;
      std::int64_t bytes = 0;
      std::int64_t count = 0;
      check(functions().get_attribute(plan.get(), CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64,
                                      1, &count, &bytes),
            "workspace size");
      if (bytes > kWorkspaceLimit) continue;
      config_ = std::move(config);
      plan_ = std::move(plan);
      workspace_bytes_ = bytes;
      return;
    }
  }
  throw std::runtime_error("cuDNN has no deterministic engine for " + text_of(problem));
}

void Plan::run(const Operands& operands, Stream stream) const {
  // Stream-ordered memory: freed behind the kernels that use it.
  const std::shared_ptr<void> scratch =
      allocate(Device::cuda, static_cast<std::size_t>(std::max<std::int64_t>(workspace_bytes_, 1)));
  void* workspace = scratch.get();
  const std::array<std::int64_t, 3> ids{kX, kW, kY};
  const std::array<void*, 3> pointers{operands.x, operands.w, operands.y};
  Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 3, ids.data());
  pack.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 3, pointers.data());
  pack.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace);
  pack.finalise("operands");
  check(functions().set_stream(handle(), stream), "cudnnSetStream");
  check(functions().execute(handle(), plan_.get(), pack.get()), "cudnnBackendExecute");
}

const Found& find_plan(const Problem& problem) {
  static std::mutex mutex;
  static auto* plans = new std::map<Problem, Found>;  // never destroyed: the driver may be gone by then
  const std::lock_guard lock(mutex);
  handle();  // no library or no GPU is an error of its own, not a missing plan
  auto [found, is_new] = plans->try_emplace(problem);
  if (is_new) {
    try {
      found->second.plan.emplace(problem);
    } catch (const std::runtime_error& error) {
      found->second.reason = error.what();
    }
  }
  return found->second;
}

}  // namespace nagare::vendor::cudnn
