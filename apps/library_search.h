#pragma once
// Where NVIDIA's libraries may lie on this machine, besides the loader's own places and the toolkit's default folder.
//
// Strongest first: $CUDA_HOME and $CUDA_PATH, $NAGARE_PYTHON_SITE, the active virtual environment, the user's own Python
// packages, the system's. PyTorch's wheels bring cuDNN, cuBLASLt and the rest to nvidia/*/lib of such a folder.
#include <functional>
#include <string>
#include <vector>

namespace nagare::apps {

struct LibrarySearch {
  std::vector<std::string> folders;        // that hold libraries
  std::vector<std::string> site_packages;  // of Python
};

// The value of an environment variable, nullptr when it is not set: std::getenv, but for tests.
using Variables = std::function<const char*(const char*)>;

// Lists directories, opens no file. `root` stands before the system's folders.
LibrarySearch find_library_search(const Variables& variable, const std::string& root = "");

// Tells engine/vendor/cuda_libraries.h; site-packages come after the plain folders. Loads nothing.
void use(const LibrarySearch& search);

}  // namespace nagare::apps
