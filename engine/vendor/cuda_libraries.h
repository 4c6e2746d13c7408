#pragma once
// NVIDIA's libraries, each opened when it is first called: nothing here happens at process start, and a machine without
// them runs everything that does not need them.
//
// Searched, in this order: libraries that the process has open, the loader's own places (LD_LIBRARY_PATH, cache), the
// folders added here, <executable>/../lib, /usr/local/cuda/lib64. Only names of the major version this program was
// built for are tried: another one has another interface.
//
//   static const auto execute = NAGARE_VENDOR_FUNCTION(CudaLibrary::cudnn, cudnnBackendExecute);
#include <string>
#include <vector>

namespace nagare::vendor {

enum class CudaLibrary : int { nvml, cublas_lt, cublas, cusolver, nvrtc, cudnn, nccl };

struct LibraryStatus {
  std::string name;                // "cuDNN"
  std::string purpose;             // "convolutions"
  std::vector<std::string> tried;  // what the loader was asked for, in order
  std::string path;                // the file in use; "" when absent
  std::string version;             // as the library tells it, "9.19.0"; "" when absent
  std::string problem;             // "" or why it cannot be used
};

// Extra folders, searched in the order given (CUDA_HOME/lib64, a --library-path). Call before the first use: a library
// that was looked for in vain is not looked for again.
void add_library_search_path(const std::string& folder);
// The lib folders of the nvidia packages that PyTorch's wheels bring: SITE_PACKAGES/nvidia/*/lib.
void add_python_site_packages(const std::string& folder);

// Opens every library of the table and reports.
std::vector<LibraryStatus> library_status();

// The address of a function of a library. Throws DeviceUnavailable naming library, function and what was tried.
void* library_symbol(CudaLibrary library, const char* function);

// A function pointer of the type that the vendor's header declares.
#define NAGARE_VENDOR_FUNCTION(library, function) \
  reinterpret_cast<decltype(&::function)>(::nagare::vendor::library_symbol(library, #function))

}  // namespace nagare::vendor
