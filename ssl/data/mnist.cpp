#include "ssl/data/mnist.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "engine/device/errors.h"
#include "engine/io/file.h"
#include "engine/text/printable.h"
#include "kernels/parallel.h"

namespace nagare::ssl {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kLargestSide = 1024;

// An IDX file of unsigned bytes.
struct Idx {
  fs::path path;
  std::string bytes;
  std::vector<std::int64_t> sizes;
  std::size_t header = 0;

  const std::uint8_t* values() const { return reinterpret_cast<const std::uint8_t*>(bytes.data()) + header; }
  [[noreturn]] void refuse(const std::string& reason) const {
    throw BadData(printable(path.string()) + ": " + reason);
  }
};

// "train-images" + "idx3-ubyte", as the file is called where it was unpacked.
fs::path find_file(const fs::path& directory, const std::string& stem, const std::string& kind) {
  std::error_code ignored;
  const fs::path spellings[] = {directory / (stem + "-" + kind), directory / (stem + "." + kind)};
  for (const fs::path& path : spellings)
    if (fs::exists(path, ignored)) return path;
  for (const fs::path& path : spellings) {
    const fs::path packed = path.string() + ".gz";
    if (fs::exists(packed, ignored))
      throw BadData(printable(packed.string()) + ": is packed; needs gunzip first");
  }
  throw BadData(printable(spellings[0].string()) + ": no such file");
}

Idx read_idx(const fs::path& path, std::size_t dimensions) {
  Idx idx{.path = path, .bytes = io::read_text(path, std::uint64_t{1} << 34), .sizes = {}};
  idx.header = 4 + 4 * dimensions;
  if (idx.bytes.size() < idx.header) {
    idx.refuse(std::to_string(idx.bytes.size()) + " bytes; needs a header of " + std::to_string(idx.header));
  }
  const auto* head = reinterpret_cast<const unsigned char*>(idx.bytes.data());
  if (head[0] != 0 || head[1] != 0 || head[2] != 8 || head[3] != dimensions) {
    idx.refuse("begins with bytes " + std::to_string(head[0]) + " " + std::to_string(head[1]) + " " +
               std::to_string(head[2]) + " " + std::to_string(head[3]) + "; needs 0 0 8 " +
               std::to_string(dimensions) + ", an IDX array of unsigned bytes");
  }
  for (std::size_t d = 0; d < dimensions; ++d) {
    const unsigned char* at = head + 4 + 4 * d;
    idx.sizes.push_back(std::int64_t{at[0]} << 24 | std::int64_t{at[1]} << 16 | std::int64_t{at[2]} << 8 |
                        std::int64_t{at[3]});
  }
  return idx;
}

// That the header's sizes are those of the file. Each factor is bounded first, so that their product is a number.
void check_length(const Idx& idx) {
  const auto held = static_cast<std::int64_t>(idx.bytes.size() - idx.header);
  std::int64_t each = 1;
  for (std::size_t d = 1; d < idx.sizes.size(); ++d) each *= idx.sizes[d];
  const std::int64_t count = idx.sizes[0];
  if (count < 1) idx.refuse("holds nothing; needs at least one");
  if (count * each != held) {
    idx.refuse(std::to_string(held) + " bytes behind the header, which tells of " + std::to_string(count) +
               " times " + std::to_string(each));
  }
}

Split read_split(const fs::path& directory, const std::string& stem, std::int64_t pad) {
  const Idx images = read_idx(find_file(directory, stem + "-images", "idx3-ubyte"), 3);
  const std::int64_t side = images.sizes[1];
  if (side < 1 || side > kLargestSide || images.sizes[2] != side) {
    images.refuse("images of " + std::to_string(side) + " x " + std::to_string(images.sizes[2]) +
                  "; needs squares of 1 to " + std::to_string(kLargestSide));
  }
  check_length(images);
  const Idx labels = read_idx(find_file(directory, stem + "-labels", "idx1-ubyte"), 1);
  check_length(labels);
  const std::int64_t count = images.sizes[0];
  if (labels.sizes[0] != count) {
    labels.refuse(std::to_string(labels.sizes[0]) + " labels; needs " + std::to_string(count) +
                  ", one for each of " + images.path.filename().string());
  }

  const std::int64_t padded = side + 2 * pad;
  Split split;
  split.images = Tensor::zeros({count, padded, padded, 3}, {.dtype = DType::u8});
  split.labels.classes.assign(labels.values(), labels.values() + count);
  auto* pixels = split.images.data<std::uint8_t>();
  parallel_for(count, [&](std::int64_t i) {
    for (std::int64_t y = 0; y < side; ++y) {
      const std::uint8_t* grey = images.values() + (i * side + y) * side;
      std::uint8_t* row = pixels + ((i * padded + pad + y) * padded + pad) * 3;
      for (std::int64_t x = 0; x < side; ++x) std::fill_n(row + 3 * x, 3, grey[x]);
    }
  });
  return split;
}

}  // namespace

Dataset load_mnist(const DataSpec& spec, const DataOptions& /*options*/) {
  const std::int64_t pad = spec.integer("pad", 2, {.min = 0, .max = 16});
  const fs::path directory = spec.directory();
  std::error_code ignored;
  if (!fs::is_directory(directory, ignored)) {
    throw BadData(printable(directory.string()) +
                  ": no such directory; needs train-images-idx3-ubyte and its three companions in it");
  }
  Dataset data;
  data.train = read_split(directory, "train", pad);
  data.test = read_split(directory, "t10k", pad);
  if (data.test.images.shape()[1] != data.train.images.shape()[1]) {
    throw BadData(printable(directory.string()) + ": test images of " +
                  std::to_string(data.test.images.shape()[1]) + " pixels a side, training images of " +
                  std::to_string(data.train.images.shape()[1]) + " (with " + std::to_string(pad) +
                  " added on every side): need one size");
  }
  const std::int64_t largest = *std::ranges::max_element(data.train.labels.classes);
  for (std::int64_t c = 0; c <= largest; ++c) data.class_names.push_back(std::to_string(c));
  const auto& test = data.test.labels.classes;
  const auto bad = std::ranges::find_if(test, [&](auto c) { return c > largest; });
  if (bad != test.end()) {
    throw BadData(printable(directory.string()) + ": test label " + std::to_string(*bad) + " of image " +
                  std::to_string(bad - test.begin()) + "; the training labels are 0 to " +
                  std::to_string(largest));
  }
  return data;
}

}  // namespace nagare::ssl
