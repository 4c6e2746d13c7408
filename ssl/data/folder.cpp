#include "ssl/data/folder.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <map>
#include <sstream>

#include "engine/device/errors.h"
#include "engine/io/file.h"
#include "engine/text/nearest.h"
#include "engine/text/printable.h"
#include "ssl/data/image_files.h"
#include "ssl/data/name_list.h"
#include "ssl/data/subset.h"

namespace nagare::ssl {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMaxClasses = 1'000'000;

constexpr std::uint32_t kHoldOut = 2;  // step of the random key, beside those of SplitName

[[noreturn]] void fail(const fs::path& path, const std::string& reason) {
  throw BadData(printable(path.string()) + ": " + reason);
}

// Formats that are read, and others that people keep pictures in: those get a reason instead of silence.
bool has_image_ending(const fs::path& path) {
  static const std::vector<std::string> endings = {".avif", ".bmp", ".gif", ".heic", ".jpe",
                                                   ".jpeg", ".jpg", ".pgm", ".png",  ".pnm",
                                                   ".ppm",  ".tga", ".tif", ".tiff", ".webp"};
  std::string ending = path.extension().string();
  for (char& c : ending) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return std::binary_search(endings.begin(), endings.end(), ending);
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
std::vector<fs::path> image_files(const fs::path& directory) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::recursive_directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    if (hidden(at->path())) {
      at.disable_recursion_pending();
    } else if (!directory_exists(at->path()) && has_image_ending(at->path())) {
      files.push_back(at->path());
    }
  }
  if (error) fail(directory, "cannot be listed: " + error.message());
  if (files.empty()) fail(directory, "no image files in it");
  std::sort(files.begin(), files.end());
  return files;
}

struct ClassList {
  std::vector<std::string> folders;        // names on disk
  std::map<std::string, std::int64_t> at;  // their indices
};

ClassList list_classes(const fs::path& directory) {
  ClassList classes;
  for (const fs::path& folder : class_folders(directory)) {
    classes.at[folder.filename().string()] = static_cast<std::int64_t>(classes.folders.size());
    classes.folders.push_back(folder.filename().string());
  }
  if (classes.folders.empty()) fail(directory, "no class sub-folders in it");
  return classes;
}

// The folder that a line of a class list names, itself or by its number among all; "" when there is none.
std::string listed_class(const ClassList& all, const std::string& word) {
  if (all.at.contains(word)) return word;
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  const bool counts = error == std::errc() && end == word.data() + word.size() && number < all.folders.size();
  return counts ? all.folders[number] : "";
}

// The classes that a text file lists, one a line, in its order; blank lines and what follows a # are passed over.
ClassList chosen_classes(const ClassList& all, const fs::path& list) {
  ClassList chosen;
  for (const auto& [name, number] : read_name_list(list)) {
    const std::string at = "line " + std::to_string(number) + ": ";
    const std::string folder = listed_class(all, name);
    if (folder.empty()) {
      fail(list, at + "\"" + printable(name) + "\" is no class folder; nearest is \"" +
                     printable(nearest(name, all.folders)) + "\"");
    }
    if (!chosen.at.emplace(folder, static_cast<std::int64_t>(chosen.folders.size())).second)
      fail(list, at + printable(folder) + " comes twice");
    chosen.folders.push_back(folder);
  }
  if (chosen.folders.empty()) fail(list, "names no class");
  return chosen;
}

// What classes= asks for: all of them, the first N, or those of a file.
ClassList wanted_classes(const DataSpec& spec, const ClassList& all) {
  const std::string text = spec.word("classes", "");
  if (text.empty()) {
    if (spec.has("classes")) spec.refuse("classes= needs a file of class folders, or how many of the first");
    return all;
  }
  if (text.find_first_not_of("0123456789") != std::string::npos) return chosen_classes(all, text);
  const std::int64_t count = spec.integer("classes", 0, {1, kMaxClasses});
  if (count > static_cast<std::int64_t>(all.folders.size()))
    spec.refuse("classes=" + text + ": there are " + std::to_string(all.folders.size()));
  ClassList first;
  for (std::int64_t c = 0; c < count; ++c) {
    first.folders.push_back(all.folders[static_cast<std::size_t>(c)]);
    first.at[first.folders.back()] = c;
  }
  return first;
}

// Files of the wanted classes; a folder that is none of `all` is an error.
void add_files(const fs::path& directory, const ClassList& all, const ClassList& classes, bool test,
               std::vector<ImageFile>& files) {
  for (const fs::path& folder : class_folders(directory)) {
    const auto found = classes.at.find(folder.filename().string());
    if (found == classes.at.end() && all.at.contains(folder.filename().string())) continue;
    if (found == classes.at.end()) fail(folder, "no training images of this class");
    for (const fs::path& path : image_files(folder)) {
      files.push_back({.path = path.string(), .label = found->second, .test = test});
    }
  }
}

// Sets `fraction` of each class aside for testing, at least one image of it left for training. Always the
// same ones: the test set must not change with the run's seed.
void hold_out(double fraction, std::vector<ImageFile>& files) {
  std::map<std::int64_t, std::vector<std::int64_t>> by_class;
  for (std::size_t i = 0; i < files.size(); ++i)
    by_class[files[i].label].push_back(static_cast<std::int64_t>(i));
  for (const auto& [label, ids] : by_class) {
    const auto count = static_cast<std::int64_t>(ids.size());
    const std::int64_t held =
        std::min<std::int64_t>(std::llround(static_cast<double>(count) * fraction), count - 1);
    const RandomKey key{
        .purpose = Purpose::subset, .step = kHoldOut, .sample = static_cast<std::uint32_t>(label)};
    for (const std::int64_t id : draw(ids, held, key)) files[static_cast<std::size_t>(id)].test = true;
  }
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
  const std::int64_t size = spec.integer("size", 64, {1, 1024});
  const double fraction = spec.real("test-fraction", 0.2, {0.0, 0.9});
  const fs::path root = spec.directory();
  need_directory(root, "class sub-folders, or train/ and val/ with class sub-folders");
  const bool given_train = directory_exists(root / "train");
  const fs::path train = given_train ? root / "train" : root;
  const ClassList all = list_classes(train);
  const ClassList classes = wanted_classes(spec, all);
  std::vector<ImageFile> files;
  add_files(train, all, classes, false, files);

  const fs::path test = directory_exists(root / "val") ? root / "val" : root / "test";
  if (given_train && directory_exists(test)) {
    if (spec.has("test-fraction"))
      spec.refuse("test-fraction= has no use: there is " + printable(test.string()));
    add_files(test, all, classes, true, files);
  } else {
    hold_out(fraction, files);
  }
  std::vector<std::string> names;
  for (const std::string& folder : classes.folders) names.push_back(printable(folder));
  return decode_files(std::move(files), std::move(names), size, options.cache_dir);
}

Dataset load_tinyimagenet(const DataSpec& spec, const DataOptions& options) {
  const std::int64_t size = spec.integer("size", 64, {1, 1024});
  fs::path root = spec.directory();
  if (!directory_exists(root / "train") && directory_exists(root / "tiny-imagenet-200"))
    root /= "tiny-imagenet-200";
  need_directory(root / "train", "one folder per class");
  const ClassList all = list_classes(root / "train");
  const ClassList classes = wanted_classes(spec, all);
  std::vector<ImageFile> files;
  add_files(root / "train", all, classes, false, files);
  add_annotated(root / "val", all, classes, files);
  Dataset data = decode_files(std::move(files), wordnet_names(root / "words.txt", classes.folders), size,
                              options.cache_dir);
  data.class_keys = classes.folders;
  return data;
}

}  // namespace nagare::ssl
