#include "ssl/data/folder.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <sstream>

#include "engine/device/errors.h"
#include "engine/io/file.h"
#include "engine/text/printable.h"
#include "ssl/data/class_folders.h"

namespace nagare::ssl {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& path, const std::string& reason) {
  throw BadData(printable(path.string()) + ": " + reason);
}

bool hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

bool directory_exists(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

void need_directory(const fs::path& path, const std::string& purpose) {
  if (!directory_exists(path)) fail(path, "no such directory; needs " + purpose);
}

// Sub-directories, sorted.
std::vector<fs::path> class_folders(const fs::path& directory) {
  std::vector<fs::path> folders;
  std::error_code error;
  for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    if (directory_exists(at->path()) && !hidden(at->path())) folders.push_back(at->path());
  }
  if (error) fail(directory, "cannot be listed: " + error.message());
  std::sort(folders.begin(), folders.end());
  return folders;
}

// Image files at any depth, sorted.
std::vector<ImageFile> image_files(const fs::path& directory) {
  std::vector<fs::path> paths;
  std::error_code error;
  for (fs::recursive_directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    if (hidden(at->path())) {
      at.disable_recursion_pending();
    } else if (!directory_exists(at->path()) && has_image_ending(at->path().string())) {
      paths.push_back(at->path());
    }
  }
  if (error) fail(directory, "cannot be listed: " + error.message());
  if (paths.empty()) fail(directory, "no image files in it");
  std::sort(paths.begin(), paths.end());
  std::vector<ImageFile> files;
  for (const fs::path& path : paths) files.push_back({.path = path.string()});
  return files;
}

// Class folders on disk.
ClassTree tree_of(const fs::path& directory) {
  ClassTree tree{.place = directory.string(), .folders = {}, .files = {}};
  for (const fs::path& folder : class_folders(directory)) tree.folders.push_back(folder.filename().string());
  tree.files = [directory](const std::string& folder) { return image_files(directory / folder); };
  return tree;
}

std::vector<std::string> lines_of(const fs::path& path) {
  constexpr std::size_t kLongestLine = 4096;
  std::istringstream text(io::read_text(path));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.size() > kLongestLine) {
      fail(path, "line " + std::to_string(lines.size() + 1) + ": " + std::to_string(line.size()) +
                     " bytes, at most " + std::to_string(kLongestLine) + " are read");
    }
    lines.push_back(line);
  }
  return lines;
}

// words.txt: "wnid<TAB>name, other name"; the first name, or the wnid itself.
std::vector<std::string> wordnet_names(const fs::path& words, const std::vector<std::string>& wnids) {
  std::map<std::string, std::string> names;
  if (io::exists(words)) {
    for (const std::string& line : lines_of(words)) {
      const std::size_t tab = line.find('\t');
      if (tab == std::string::npos) continue;
      const std::string all = line.substr(tab + 1);
      names[line.substr(0, tab)] = all.substr(0, all.find(','));
    }
  }
  std::vector<std::string> result;
  for (const std::string& wnid : wnids) {
    const auto found = names.find(wnid);
    result.push_back(printable(found == names.end() ? wnid : found->second));
  }
  return result;
}

// The file of a directory that a list names: a name alone, no path out of it.
bool is_file_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos &&
         name.find('\0') == std::string::npos;
}

void add_annotated(const fs::path& val, const ClassList& all, const ClassList& classes,
                   std::vector<ImageFile>& files) {
  const fs::path annotations = val / "val_annotations.txt";
  std::int64_t number = 0;
  for (const std::string& line : lines_of(annotations)) {
    ++number;
    if (line.empty()) continue;
    const std::size_t tab = line.find('\t');
    const std::size_t end = line.find('\t', tab == std::string::npos ? tab : tab + 1);
    const std::string wnid = tab == std::string::npos ? "" : line.substr(tab + 1, end - tab - 1);
    const auto found = classes.at.find(wnid);
    if (!all.at.contains(wnid)) {
      fail(annotations, "line " + std::to_string(number) +
                            ": needs \"file<TAB>wnid\" with a wnid that train/ has, got \"" +
                            printable(line) + "\"");
    }
    if (found == classes.at.end()) continue;
    const std::string name = line.substr(0, tab);
    if (!is_file_name(name)) {
      fail(annotations, "line " + std::to_string(number) + ": \"" + printable(name) +
                            "\" is not the name of a file in images/");
    }
    files.push_back({.path = (val / "images" / name).string(), .label = found->second, .test = true});
  }
}

}  // namespace

Dataset load_folder(const DataSpec& spec, const DataOptions& options) {
  const FolderOptions asked = folder_options(spec);
  const fs::path root = spec.directory();
  need_directory(root, "class sub-folders, or train/ and val/ with class sub-folders");
  if (!directory_exists(root / "train"))
    return load_class_folders(spec, asked, options, tree_of(root), nullptr);
  const ClassTree train = tree_of(root / "train");
  const fs::path test = directory_exists(root / "val") ? root / "val" : root / "test";
  if (!directory_exists(test)) return load_class_folders(spec, asked, options, train, nullptr);
  const ClassTree test_tree = tree_of(test);
  return load_class_folders(spec, asked, options, train, &test_tree);
}

Dataset load_tinyimagenet(const DataSpec& spec, const DataOptions& options) {
  const std::int64_t size = folder_options(spec).size;
  fs::path root = spec.directory();
  if (!directory_exists(root / "train") && directory_exists(root / "tiny-imagenet-200"))
    root /= "tiny-imagenet-200";
  need_directory(root / "train", "one folder per class");
  const ClassTree train = tree_of(root / "train");
  const ClassList all = all_classes(train);
  const ClassList classes = wanted_classes(spec, all);
  std::vector<ImageFile> files;
  add_files(train, all, classes, false, files);
  add_annotated(root / "val", all, classes, files);
  Dataset data = decode_files(std::move(files), wordnet_names(root / "words.txt", classes.folders), size,
                              options.cache_dir);
  data.class_keys = classes.folders;
  return data;
}

}  // namespace nagare::ssl
