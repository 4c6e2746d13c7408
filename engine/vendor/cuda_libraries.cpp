#include "engine/vendor/cuda_libraries.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <mutex>

#include "engine/device/errors.h"
#include "engine/vendor/dynamic_library.h"

namespace nagare::vendor {
namespace {

// The calls that read a version back have no types of the vendors' headers, so that this table also serves a build
// without the CUDA toolkit.
std::string dotted(long version, long major, long minor) {
  return std::to_string(version / major) + "." + std::to_string(version % major / minor) + "." +
         std::to_string(version % minor);
}

template <class Function>
Function* function_of(const DynamicLibrary& library, const char* name) {
  return reinterpret_cast<Function*>(library.symbol(name));
}

std::string cudnn_version(const DynamicLibrary& library) {
  auto* version = function_of<std::size_t()>(library, "cudnnGetVersion");
  return version == nullptr ? "" : dotted(static_cast<long>(version()), 10000, 100);
}

std::string cublas_lt_version(const DynamicLibrary& library) {
  auto* version = function_of<std::size_t()>(library, "cublasLtGetVersion");
  return version == nullptr ? "" : dotted(static_cast<long>(version()), 10000, 100);
}

// cublasGetVersion needs a handle and with it a GPU; the properties do not.
std::string cublas_version(const DynamicLibrary& library) {
  auto* property = function_of<int(int, int*)>(library, "cublasGetProperty");
  int part[3] = {};
  for (int i = 0; i < 3; ++i) {
    if (property == nullptr || property(i, &part[i]) != 0) return "";
  }
  return std::to_string(part[0]) + "." + std::to_string(part[1]) + "." + std::to_string(part[2]);
}

std::string cusolver_version(const DynamicLibrary& library) {
  auto* version = function_of<int(int*)>(library, "cusolverGetVersion");
  int number = 0;
  return version == nullptr || version(&number) != 0 ? "" : dotted(number, 1000, 100);
}

std::string nccl_version(const DynamicLibrary& library) {
  auto* version = function_of<int(int*)>(library, "ncclGetVersion");
  int number = 0;
  return version == nullptr || version(&number) != 0 ? "" : dotted(number, 10000, 100);
}

std::string nvrtc_version(const DynamicLibrary& library) {
  auto* version = function_of<int(int*, int*)>(library, "nvrtcVersion");
  int major = 0;
  int minor = 0;
  if (version == nullptr || version(&major, &minor) != 0) return "";
  return std::to_string(major) + "." + std::to_string(minor);
}

// The driver's own number, as nvidia-smi shows it.
std::string nvml_version(const DynamicLibrary& library) {
  auto* init = function_of<int()>(library, "nvmlInit_v2");
  auto* shutdown = function_of<int()>(library, "nvmlShutdown");
  auto* version = function_of<int(char*, unsigned)>(library, "nvmlSystemGetDriverVersion");
  char text[80] = {};
  if (init == nullptr || shutdown == nullptr || version == nullptr || init() != 0) return "";
  const bool good = version(text, sizeof text) == 0;
  shutdown();
  return good ? text : "";
}

struct Row {
  CudaLibrary library;
  const char* name;
  const char* purpose;
  const char* soname;
  std::string (*version)(const DynamicLibrary&);
  std::vector<CudaLibrary> before;  // opened first: the library itself asks for them by bare name
};

// The one list, in the order of CudaLibrary.
const std::vector<Row>& table() {
  using enum CudaLibrary;
  static const std::vector<Row> rows{
      {nvml, "NVML", "temperature, power and memory of the GPU", "libnvidia-ml.so.1", nvml_version, {}},
      {cublas_lt, "cuBLASLt", "matrix products", "libcublasLt.so.13", cublas_lt_version, {}},
      {cublas,
       "cuBLAS",
       "triangular solves of large matrices, needed by cuSOLVER",
       "libcublas.so.13",
       cublas_version,
       {cublas_lt}},
      {cusolver,
       "cuSOLVER",
       "Cholesky factors of large matrices",
       "libcusolver.so.12",
       cusolver_version,
       {cublas}},
      {nvrtc, "NVRTC", "engines that cuDNN compiles at run time", "libnvrtc.so.13", nvrtc_version, {}},
      {cudnn, "cuDNN", "convolutions", "libcudnn.so.9", cudnn_version, {cublas_lt, nvrtc}},
      {nccl, "NCCL", "training on several GPUs", "libnccl.so.2", nccl_version, {}},
  };
  return rows;
}

class Libraries {
 public:
  static Libraries& instance() {
    static auto* libraries = new Libraries;  // never destroyed: a library in use must not be closed at exit
    return *libraries;
  }

  void add_folder(const std::string& folder) {
    const std::lock_guard lock(mutex_);
    folders_.push_back(folder);
  }

  const DynamicLibrary& get(CudaLibrary library) {
    const std::lock_guard lock(mutex_);
    return open(library);
  }

 private:
  const DynamicLibrary& open(CudaLibrary library) {
    auto& slot = open_[static_cast<std::size_t>(library)];
    if (slot != nullptr) return *slot;
    const Row& row = table()[static_cast<std::size_t>(library)];
    for (const CudaLibrary other : row.before) open(other);
    std::vector<std::string> folders = folders_;
    std::error_code unknown;
    const std::filesystem::path executable = std::filesystem::read_symlink("/proc/self/exe", unknown);
    if (!unknown) folders.push_back((executable.parent_path().parent_path() / "lib").string());
    folders.emplace_back("/usr/local/cuda/lib64");
    slot = std::make_unique<DynamicLibrary>(std::vector<std::string>{row.soname}, folders);
    return *slot;
  }

  std::mutex mutex_;
  std::vector<std::string> folders_;
  std::vector<std::unique_ptr<DynamicLibrary>> open_ =
      std::vector<std::unique_ptr<DynamicLibrary>>(table().size());
};

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

}  // namespace

void add_library_search_path(const std::string& folder) { Libraries::instance().add_folder(folder); }

void add_python_site_packages(const std::string& folder) {
  std::vector<std::string> found;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(folder + "/nvidia", none)) {
    const std::filesystem::path lib = entry.path() / "lib";
    if (std::filesystem::is_directory(lib, none)) found.push_back(lib.string());
  }
  std::sort(found.begin(), found.end());  // a directory lists its entries in any order
  for (const std::string& lib : found) add_library_search_path(lib);
}

std::vector<LibraryStatus> library_status() {
  std::vector<LibraryStatus> result;
  for (const Row& row : table()) {
    const DynamicLibrary& library = Libraries::instance().get(row.library);
    LibraryStatus status{row.name, row.purpose, library.tried(), library.path(), "", library.problem()};
    if (library.open()) status.version = row.version(library);
    if (library.open() && status.version.empty())
      status.problem = "it does not tell its version (no driver, or not the library its name says)";
    result.push_back(std::move(status));
  }
  return result;
}

void* library_symbol(CudaLibrary library, const char* function) {
  const Row& row = table()[static_cast<std::size_t>(library)];
  const DynamicLibrary& opened = Libraries::instance().get(library);
  if (!opened.open()) {
    throw DeviceUnavailable(std::string(row.name) + " (for " + row.purpose +
                            ") cannot be opened: " + opened.problem() + "; tried " + joined(opened.tried()) +
                            "; install it, add its folder to LD_LIBRARY_PATH, or use --device cpu");
  }
  void* symbol = opened.symbol(function);
  if (symbol == nullptr) {
    throw DeviceUnavailable(opened.path() + " has no function " + function + ": a newer " + row.name +
                            " is needed");
  }
  return symbol;
}

}  // namespace nagare::vendor
