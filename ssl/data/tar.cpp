#include "ssl/data/tar.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string_view>

#include "engine/device/errors.h"
#include "engine/io/tar.h"
#include "engine/text/printable.h"
#include "ssl/data/class_folders.h"

namespace nagare::ssl {
namespace {

constexpr std::uint64_t kMostArchives = 100'000;
constexpr std::size_t kMostDigits = 20;
constexpr std::int64_t kMostClasses = 1'000'000;

[[noreturn]] void fail(const std::string& place, const std::string& reason) {
  throw BadData(printable(place) + ": " + reason);
}

// "BEFORE{FIRST..LAST}BEHIND"
struct Series {
  std::string_view before, first, last, behind;
};

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

std::optional<Series> series_in(std::string_view text) {
  const std::size_t open = text.rfind('{');
  const std::size_t dots = text.find("..", open == std::string_view::npos ? text.size() : open);
  const std::size_t close = text.find('}', std::min(dots, text.size()));
  if (close == std::string_view::npos) return std::nullopt;
  const Series series = {.before = text.substr(0, open),
                         .first = text.substr(open + 1, dots - open - 1),
                         .last = text.substr(dots + 2, close - dots - 2),
                         .behind = text.substr(close + 1)};
  return is_number(series.first) && is_number(series.last) ? std::optional(series) : std::nullopt;
}

// The archives that FILES stands for.
std::vector<std::string> archives_of(const DataSpec& spec, const std::string& files) {
  const std::optional<Series> series = series_in(files);
  if (!series) return {files};
  const std::size_t digits = std::max(series->first.size(), series->last.size());
  if (digits > kMostDigits) {
    spec.refuse("{FIRST..LAST}: a number of " + std::to_string(digits) + " digits, at most " +
                std::to_string(kMostDigits));
  }
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  const auto read = [](std::string_view text, std::uint64_t& number) {
    return std::from_chars(text.data(), text.data() + text.size(), number).ec == std::errc();
  };
  if (!read(series->first, first) || !read(series->last, last) || last < first ||
      last - first >= kMostArchives) {
    spec.refuse("{" + std::string(series->first) + ".." + std::string(series->last) +
                "}: needs a number that is not below the first, and at most " +
                std::to_string(kMostArchives) + " of them");
  }
  std::vector<std::string> archives;
  for (std::uint64_t i = 0; i <= last - first; ++i) {
    std::string number = std::to_string(first + i);
    number.insert(0, series->first.size() - std::min(number.size(), series->first.size()), '0');
    archives.push_back(std::string(series->before) + number + std::string(series->behind));
  }
  return archives;
}

bool hidden(std::string_view name) {
  return name.starts_with('.') || name.find("/.") != std::string_view::npos;
}

const std::string& name_of(const ImageFile& file) { return file.member->name; }

std::vector<ImageFile> members_of(const std::vector<std::string>& archives) {
  std::vector<ImageFile> members;
  for (const std::string& archive : archives) {
    for (io::TarMember& member : io::list_tar(archive)) {
      if (!hidden(member.name)) members.push_back({.path = archive, .member = std::move(member)});
    }
  }
  return members;
}

// As paths are ordered: part by part, so that what lies in "a" comes before what lies in "a-b".
bool comes_before(const ImageFile& a, const ImageFile& b) {
  const auto rank = [](char c) { return c == '/' ? 0 : static_cast<int>(static_cast<unsigned char>(c)); };
  return std::ranges::lexicographical_compare(name_of(a), name_of(b), {}, rank, rank);
}

// Pictures by class, in the order of `Key`.
template <class Key>
using ByClass = std::map<Key, std::vector<ImageFile>>;

std::string folder_name(const std::string& folder) { return folder; }
std::string folder_name(std::int64_t number) { return std::to_string(number); }

template <class Key>
ClassTree tree_of(const std::string& place, ByClass<Key> classes) {
  ClassTree tree{.place = place, .folders = {}, .files = {}};
  const auto files = std::make_shared<std::map<std::string, std::vector<ImageFile>>>();
  for (auto& [key, pictures] : classes) {
    std::ranges::stable_sort(pictures, comes_before);
    tree.folders.push_back(folder_name(key));
    files->emplace(folder_name(key), std::move(pictures));
  }
  tree.files = [files](const std::string& folder) { return files->at(folder); };
  return tree;
}

// Pictures in folders below `root` ("" or ending with a slash), by folder.
ByClass<std::string> folders_below(const std::string& root, const std::vector<ImageFile>& pictures) {
  ByClass<std::string> classes;
  for (const ImageFile& picture : pictures) {
    if (!name_of(picture).starts_with(root)) continue;
    const std::string below = name_of(picture).substr(root.size());
    const std::size_t slash = below.find('/');
    if (slash != std::string::npos) classes[below.substr(0, slash)].push_back(picture);
  }
  return classes;
}

// The one folder, with its slash, that is around all others; "" when there is none. With pictures of its own it is a
// class, unless it has a train/ with class folders.
std::string folder_around(const std::vector<ImageFile>& pictures) {
  if (pictures.empty()) return "";
  const std::string top = name_of(pictures[0]).substr(0, name_of(pictures[0]).find('/') + 1);
  const auto has_folder_below = [](const std::string& folder) {
    return [folder](const ImageFile& picture) {
      return name_of(picture).starts_with(folder) &&
             name_of(picture).find('/', folder.size()) != std::string::npos;
    };
  };
  const auto below = [&](const ImageFile& picture) { return name_of(picture).starts_with(top); };
  if (top == "train/" || !std::ranges::all_of(pictures, below)) return "";
  const bool around = std::ranges::any_of(pictures, has_folder_below(top + "train/")) ||
                      std::ranges::all_of(pictures, has_folder_below(top));
  return around ? top : "";
}

struct Trees {
  ClassTree train;
  std::optional<ClassTree> test;
};

Trees trees_of_folders(const std::string& files, const std::vector<ImageFile>& members) {
  std::vector<ImageFile> pictures;
  for (const ImageFile& member : members) {
    if (name_of(member).find('/') != std::string::npos && has_image_ending(name_of(member)))
      pictures.push_back(member);
  }
  const std::string root = folder_around(pictures);
  const auto tree = [&](const std::string& folder) {
    const std::string part = root + folder;
    return tree_of(part.empty() ? files : files + ": " + part.substr(0, part.size() - 1),
                   folders_below(part, pictures));
  };
  // As with directories: a split is there when anything lies in it.
  const auto is_there = [&](const std::string& folder) {
    return std::ranges::any_of(
        pictures, [&](const ImageFile& picture) { return name_of(picture).starts_with(root + folder); });
  };
  if (!is_there("train/")) {
    ClassTree all = tree("");
    if (all.folders.empty()) fail(files, "neither class folders with pictures in it nor samples with a .cls");
    return {.train = std::move(all), .test = std::nullopt};
  }
  ClassTree train = tree("train/");
  if (train.folders.empty()) fail(train.place, "no class folders with pictures in it");
  for (const char* folder : {"val/", "test/"})
    if (is_there(folder)) return {.train = std::move(train), .test = tree(folder)};
  return {.train = std::move(train), .test = std::nullopt};
}

// A member's name as WebDataset takes it apart; nothing for names that it passes over.
struct SampleName {
  std::string key;
  std::string extension;
};

std::optional<SampleName> sample_name(const std::string& name) {
  const std::string first = name.substr(0, name.find('/'));
  if (first.size() >= 4 && first.starts_with("__") && first.ends_with("__")) return std::nullopt;
  const std::size_t slash = name.rfind('/');
  const std::size_t dot = name.find('.', slash == std::string::npos ? 0 : slash);
  if (dot == std::string::npos) return std::nullopt;
  std::string extension = name.substr(dot + 1);
  for (char& c : extension) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return SampleName{.key = name.substr(0, dot), .extension = std::move(extension)};
}

struct Sample {
  std::string key;
  std::set<std::string> extensions;
  std::optional<ImageFile> picture;
  std::optional<ImageFile> label;
};

[[noreturn]] void fail(const ImageFile& member, const std::string& reason) {
  throw BadData(shown_name(member) + ": " + reason);
}

// The number that a .cls member of the archive holds.
std::int64_t class_in(const io::InputFile& archive, const ImageFile& member) {
  constexpr std::uint64_t kMost = 32;
  if (member.member->bytes.size > kMost)
    fail(member, std::to_string(member.member->bytes.size) + " bytes; needs a class's number");
  std::string text(member.member->bytes.size, '\0');
  archive.read(member.member->bytes.offset, std::as_writable_bytes(std::span(text)));
  std::string_view digits = text;
  while (!digits.empty() && std::string_view(" \t\r\n").find(digits.back()) != std::string_view::npos)
    digits.remove_suffix(1);
  std::int64_t number = -1;
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || stop != digits.data() + digits.size() || number < 0 || number >= kMostClasses) {
    fail(member,
         "\"" + printable(text) + "\"; needs a class's number, 0 to " + std::to_string(kMostClasses - 1));
  }
  return number;
}

// Samples of one archive after the other, by class.
class SampleReader {
 public:
  void take(const ImageFile& member) {
    const std::optional<SampleName> name = sample_name(name_of(member));
    if (!name) return;
    if (archive_ != member.path || sample_.key != name->key || sample_.extensions.empty())
      begin(member, name->key);
    if (!sample_.extensions.insert(name->extension).second)
      fail(member, "a second ." + printable(name->extension) + " of this sample");
    if (name->extension == "cls") sample_.label = member;
    if (!is_image_extension(name->extension)) return;
    if (sample_.picture) fail(member, "a second picture of this sample");
    sample_.picture = member;
  }

  ByClass<std::int64_t> finish() {
    end_sample();
    return std::move(classes_);
  }

 private:
  void begin(const ImageFile& member, const std::string& key) {
    end_sample();
    if (archive_ != member.path) {
      keys_.clear();
      file_.emplace(member.path);
    }
    archive_ = member.path;
    if (!keys_.insert(key).second) fail(member, "apart from the other members of its sample");
    sample_ = {.key = key, .extensions = {}, .picture = {}, .label = {}};
  }

  void end_sample() {
    if (sample_.extensions.empty()) return;
    if (!sample_.picture) fail(archive_, "sample \"" + printable(sample_.key) + "\" has no picture");
    if (!sample_.label) fail(archive_, "sample \"" + printable(sample_.key) + "\" has no .cls");
    classes_[class_in(*file_, *sample_.label)].push_back(std::move(*sample_.picture));
  }

  std::string archive_;
  std::optional<io::InputFile> file_;  // the archive
  std::set<std::string> keys_;         // of its samples
  Sample sample_;
  ByClass<std::int64_t> classes_;
};

Trees trees_in(const DataSpec& spec, const std::string& files) {
  const std::vector<ImageFile> members = members_of(archives_of(spec, files));
  const auto is_label = [](const ImageFile& member) {
    const std::optional<SampleName> name = sample_name(name_of(member));
    return name && name->extension == "cls";
  };
  if (std::ranges::none_of(members, is_label)) return trees_of_folders(files, members);
  SampleReader reader;
  for (const ImageFile& member : members) reader.take(member);
  return {.train = tree_of(files, reader.finish()), .test = std::nullopt};
}

}  // namespace

Dataset load_tar(const DataSpec& spec, const DataOptions& options) {
  const FolderOptions asked = folder_options(spec);
  const std::string val = spec.word("val", "");
  if (spec.has("val") && val.empty()) spec.refuse("val= needs archives");
  if (val == spec.directory()) spec.refuse("val= names the archives that are trained on");
  Trees trees = trees_in(spec, spec.directory());
  if (!val.empty()) {
    if (trees.test) spec.refuse("val= has no use: there is " + printable(trees.test->place));
    Trees tested = trees_in(spec, val);
    if (tested.test) {
      spec.refuse("val=: there are both " + printable(tested.train.place) + " and " +
                  printable(tested.test->place) + "; needs archives of class folders or samples alone");
    }
    trees.test = std::move(tested.train);
  }
  return load_class_folders(spec, asked, options, trees.train, trees.test ? &*trees.test : nullptr);
}

}  // namespace nagare::ssl
