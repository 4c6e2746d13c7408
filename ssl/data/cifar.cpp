#include "ssl/data/cifar.h"

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "engine/device/errors.h"
#include "engine/io/file.h"
#include "engine/text/printable.h"
#include "kernels/parallel.h"

namespace nagare::ssl {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kSide = 32;
constexpr std::int64_t kPlane = kSide * kSide;

// What differs between the two sets.
struct Layout {
  std::string folder;            // inside the parent directory
  std::int64_t label_bytes = 1;  // before the pixels
  std::int64_t label_at = 0;     // the byte that counts
  std::int64_t classes = 10;
  std::int64_t official_records = 10'000;

  std::int64_t record() const { return label_bytes + 3 * kPlane; }
};

fs::path find_directory(const DataSpec& spec, const Layout& layout, const std::string& first_file) {
  const fs::path given = spec.directory();
  std::error_code ignored;
  if (!fs::is_directory(given, ignored)) {
    throw BadData(printable(given.string()) + ": no such directory; needs " + first_file + " in it");
  }
  if (fs::exists(given / first_file, ignored)) return given;
  if (fs::exists(given / layout.folder / first_file, ignored)) return given / layout.folder;
  throw BadData(printable((given / first_file).string()) + ": no such file, nor in " + layout.folder + "/");
}

// The bytes of a file of whole records.
std::string read_records(const fs::path& path, const Layout& layout) {
  std::string bytes = io::read_text(path);
  const std::int64_t size = static_cast<std::int64_t>(bytes.size());
  if (size == 0 || size % layout.record() != 0) {
    throw BadData(printable(path.string()) + ": " + std::to_string(size) + " bytes; needs whole records of " +
                  std::to_string(layout.record()) + " bytes (the official file has " +
                  std::to_string(layout.official_records * layout.record()) + ")");
  }
  return bytes;
}

// Planes of one record to interleaved pixels.
void interleave(const unsigned char* planes, std::uint8_t* pixels) {
  for (std::int64_t i = 0; i < kPlane; ++i) {
    for (std::int64_t c = 0; c < 3; ++c) pixels[3 * i + c] = planes[c * kPlane + i];
  }
}

Split read_split(const std::vector<fs::path>& paths, const Layout& layout) {
  std::vector<std::string> files;
  std::int64_t records = 0;
  for (const fs::path& path : paths) {
    files.push_back(read_records(path, layout));
    if (files.back().size() != files.front().size()) {
      throw BadData(printable(path.string()) + ": " + std::to_string(files.back().size()) + " bytes; needs " +
                    std::to_string(files.front().size()) + " as " + paths.front().filename().string() +
                    " has");
    }
    records += static_cast<std::int64_t>(files.back().size()) / layout.record();
  }
  const std::int64_t per_file = records / static_cast<std::int64_t>(files.size());

  Split split;
  split.images = Tensor::empty({records, kSide, kSide, 3}, {.dtype = DType::u8});
  split.labels.classes.resize(static_cast<std::size_t>(records));
  auto* pixels = split.images.data<std::uint8_t>();
  parallel_for(records, [&](std::int64_t i) {
    const auto* file =
        reinterpret_cast<const unsigned char*>(files[static_cast<std::size_t>(i / per_file)].data());
    const unsigned char* record = file + (i % per_file) * layout.record();
    split.labels.classes[static_cast<std::size_t>(i)] = record[layout.label_at];
    interleave(record + layout.label_bytes, pixels + i * 3 * kPlane);
  });
  const auto& classes = split.labels.classes;
  const auto bad = std::find_if(classes.begin(), classes.end(), [&](auto c) { return c >= layout.classes; });
  if (bad != classes.end()) {
    const std::int64_t i = bad - classes.begin();
    throw BadData(printable(paths[static_cast<std::size_t>(i / per_file)].string()) + ": record " +
                  std::to_string(i % per_file) + " has label " + std::to_string(*bad) + "; needs 0 to " +
                  std::to_string(layout.classes - 1));
  }
  return split;
}

std::vector<std::string> read_names(const fs::path& path, std::int64_t classes) {
  std::istringstream lines(io::exists(path) ? io::read_text(path) : "");
  std::vector<std::string> names;
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) names.push_back(printable(line));
  }
  if (static_cast<std::int64_t>(names.size()) == classes) return names;
  names.clear();
  for (std::int64_t c = 0; c < classes; ++c) names.push_back(std::to_string(c));
  return names;
}

}  // namespace

Dataset load_cifar10(const DataSpec& spec, const DataOptions& /*options*/) {
  const Layout layout{.folder = "cifar-10-batches-bin"};
  const fs::path directory = find_directory(spec, layout, "data_batch_1.bin");
  std::vector<fs::path> train;
  for (int i = 1; i <= 5; ++i) train.push_back(directory / ("data_batch_" + std::to_string(i) + ".bin"));
  Dataset data;
  data.train = read_split(train, layout);
  data.test = read_split({directory / "test_batch.bin"}, layout);
  data.class_names = read_names(directory / "batches.meta.txt", layout.classes);
  return data;
}

Dataset load_cifar100(const DataSpec& spec, const DataOptions& /*options*/) {
  const std::string labels = spec.word("labels", "fine");
  if (labels != "fine" && labels != "coarse")
    spec.refuse("labels=" + printable(labels) + ": needs fine or coarse");
  const bool fine = labels == "fine";
  Layout layout{
      .folder = "cifar-100-binary", .label_bytes = 2, .label_at = fine ? 1 : 0, .classes = fine ? 100 : 20};
  const fs::path directory = find_directory(spec, layout, "train.bin");
  Dataset data;
  layout.official_records = 50'000;
  data.train = read_split({directory / "train.bin"}, layout);
  layout.official_records = 10'000;
  data.test = read_split({directory / "test.bin"}, layout);
  data.class_names = read_names(directory / (labels + "_label_names.txt"), layout.classes);
  return data;
}

}  // namespace nagare::ssl
