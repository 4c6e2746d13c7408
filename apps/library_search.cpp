#include "apps/library_search.h"

#include <algorithm>
#include <filesystem>

#include "engine/vendor/cuda_libraries.h"

namespace nagare::apps {
namespace {

// PREFIX/lib/python3*/NAME, as far as they exist, sorted: a directory lists its entries in any order.
void add_python_folders(const std::string& prefix, const std::string& name, std::vector<std::string>& to) {
  std::vector<std::string> found;
  std::error_code none;
  std::filesystem::directory_iterator entry(prefix + "/lib", none);
  for (; !none && entry != std::filesystem::directory_iterator(); entry.increment(none)) {
    if (!entry->path().filename().string().starts_with("python3")) continue;
    const std::filesystem::path folder = entry->path() / name;
    std::error_code unreadable;
    if (std::filesystem::is_directory(folder, unreadable)) found.push_back(folder.string());
  }
  std::ranges::sort(found);
  to.insert(to.end(), found.begin(), found.end());
}

}  // namespace

LibrarySearch find_library_search(const Variables& variable, const std::string& root) {
  // An empty variable counts as none: its folder would be the root of the file system.
  const auto value = [&](const char* name) {
    const char* text = variable(name);
    return std::string(text == nullptr ? "" : text);
  };
  LibrarySearch search;
  for (const char* name : {"CUDA_HOME", "CUDA_PATH"}) {
    if (const std::string folder = value(name); !folder.empty()) search.folders.push_back(folder + "/lib64");
  }
  std::vector<std::string>& sites = search.site_packages;
  if (const std::string site = value("NAGARE_PYTHON_SITE"); !site.empty()) sites.push_back(site);
  if (const std::string prefix = value("VIRTUAL_ENV"); !prefix.empty())
    add_python_folders(prefix, "site-packages", sites);
  if (const std::string home = value("HOME"); !home.empty())
    add_python_folders(home + "/.local", "site-packages", sites);
  add_python_folders(root + "/usr/local", "dist-packages", sites);
  add_python_folders(root + "/usr/local", "site-packages", sites);
  add_python_folders(root + "/usr", "dist-packages", sites);  // Debian: /usr/lib/python3/dist-packages
  return search;
}

void use(const LibrarySearch& search) {
  for (const std::string& folder : search.folders) vendor::add_library_search_path(folder);
  for (const std::string& folder : search.site_packages) vendor::add_python_site_packages(folder);
}

}  // namespace nagare::apps
