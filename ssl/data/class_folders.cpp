#include "ssl/data/class_folders.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>

#include "engine/device/errors.h"
#include "engine/text/nearest.h"
#include "engine/text/printable.h"
#include "ssl/data/name_list.h"
#include "ssl/data/subset.h"

namespace nagare::ssl {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMaxClasses = 1'000'000;

constexpr std::uint32_t kHoldOut = 2;  // step of the random key, beside those of SplitName

[[noreturn]] void fail(const std::string& place, const std::string& reason) {
  throw BadData(printable(place) + ": " + reason);
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

}  // namespace

ClassList all_classes(const ClassTree& train) {
  if (train.folders.empty()) fail(train.place, "no class sub-folders in it");
  ClassList classes;
  for (const std::string& folder : train.folders) {
    classes.at[folder] = static_cast<std::int64_t>(classes.folders.size());
    classes.folders.push_back(folder);
  }
  return classes;
}

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

void add_files(const ClassTree& tree, const ClassList& all, const ClassList& classes, bool test,
               std::vector<ImageFile>& files) {
  for (const std::string& folder : tree.folders) {
    const auto found = classes.at.find(folder);
    if (found == classes.at.end() && all.at.contains(folder)) continue;
    if (found == classes.at.end()) fail(tree.place + "/" + folder, "no training images of this class");
    for (ImageFile& file : tree.files(folder)) {
      file.label = found->second;
      file.test = test;
      files.push_back(std::move(file));
    }
  }
}

FolderOptions folder_options(const DataSpec& spec) {
  FolderOptions options;
  options.size = spec.integer("size", options.size, {1, 1024});
  options.test_fraction = spec.real("test-fraction", options.test_fraction, {0.0, 0.9});
  return options;
}

Dataset load_class_folders(const DataSpec& spec, const FolderOptions& folder_options,
                           const DataOptions& data_options, const ClassTree& train, const ClassTree* test) {
  const ClassList all = all_classes(train);
  const ClassList classes = wanted_classes(spec, all);
  std::vector<ImageFile> files;
  add_files(train, all, classes, false, files);
  if (test != nullptr) {
    if (spec.has("test-fraction"))
      spec.refuse("test-fraction= has no use: there is " + printable(test->place));
    add_files(*test, all, classes, true, files);
  } else {
    hold_out(folder_options.test_fraction, files);
  }
  std::vector<std::string> names;
  for (const std::string& folder : classes.folders) names.push_back(printable(folder));
  return decode_files(std::move(files), std::move(names), folder_options.size, data_options.cache_dir);
}

bool is_image_extension(std::string_view extension) {
  static constexpr std::string_view kExtensions[] = {"avif", "bmp", "gif", "heic", "jpe",
                                                     "jpeg", "jpg", "pgm", "png",  "pnm",
                                                     "ppm",  "tga", "tif", "tiff", "webp"};
  return std::ranges::binary_search(kExtensions, extension);
}

bool has_image_ending(const std::string& name) {
  std::string ending = fs::path(name).extension().string();
  for (char& c : ending) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return !ending.empty() && is_image_extension(std::string_view(ending).substr(1));
}

}  // namespace nagare::ssl
