#include "engine/vendor/dynamic_library.h"

#include <dlfcn.h>
#include <link.h>

#include <filesystem>

namespace nagare::vendor {

DynamicLibrary::DynamicLibrary(const std::vector<std::string>& sonames,
                               const std::vector<std::string>& folders) {
  const auto try_open = [this](const std::string& name, bool must_exist) {
    std::error_code ignored;
    if (must_exist && !std::filesystem::exists(name, ignored)) return;
    tried_.push_back(name);
    handle_ = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle_ == nullptr && (problem_.empty() || must_exist)) problem_ = dlerror();
  };
  for (const std::string& soname : sonames) {
    try_open(soname, false);
    if (handle_ != nullptr) break;
    for (const std::string& folder : folders) {
      try_open(folder + "/" + soname, true);
      if (handle_ != nullptr) break;
    }
    if (handle_ != nullptr) break;
  }
  if (handle_ == nullptr) return;
  problem_.clear();
  link_map* map = nullptr;
  if (dlinfo(handle_, RTLD_DI_LINKMAP, &map) == 0 && map != nullptr) path_ = map->l_name;
}

void* DynamicLibrary::symbol(const char* name) const {
  return handle_ == nullptr ? nullptr : dlsym(handle_, name);
}

}  // namespace nagare::vendor
