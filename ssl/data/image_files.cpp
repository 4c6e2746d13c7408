#include "ssl/data/image_files.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "engine/device/errors.h"
#include "engine/io/file.h"
#include "engine/text/printable.h"
#include "kernels/parallel.h"
#include "ssl/data/image.h"
#include "ssl/data/image_cache.h"

namespace nagare::ssl {
namespace {

constexpr std::int64_t kSkippedPerCent = 1;

std::vector<std::byte> bytes_of(const ImageFile& file) {
  constexpr std::uint64_t kMost = DecodeLimits{}.max_file_bytes;
  return file.member ? io::read_range(file.path, file.member->bytes, kMost) : io::read_file(file.path, kMost);
}

// Why the file could not be decoded into `pixels`; "" when it was.
std::string try_decode(const ImageFile& file, std::int64_t size, std::uint8_t* pixels) {
  try {
    const std::vector<std::byte> bytes = bytes_of(file);
    const Image image =
        decode_image({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, size);
    const std::vector<std::uint8_t> square = fit_square(image, size);
    std::memcpy(pixels, square.data(), square.size());
    return "";
  } catch (const BadData& error) {
    return error.what();
  } catch (const std::bad_alloc&) {
    return "no memory to decode it";
  }
}

// Puts a good neighbour in the place of every bad image of a group (one class of one split).
void replace_bad(const std::vector<std::size_t>& group, const std::vector<std::string>& reasons,
                 const std::vector<std::uint8_t*>& pixels, std::size_t bytes) {
  for (std::size_t i = 0; i < group.size(); ++i) {
    if (reasons[group[i]].empty()) continue;
    for (std::size_t step = 1; step < group.size(); ++step) {
      const std::size_t other = group[(i + step) % group.size()];
      if (!reasons[other].empty()) continue;
      std::memcpy(pixels[group[i]], pixels[other], bytes);
      break;
    }
  }
}

void handle_bad_files(const std::vector<ImageFile>& files, const std::vector<std::string>& reasons,
                      const std::vector<std::uint8_t*>& pixels, std::size_t bytes, Dataset& data) {
  std::map<std::pair<bool, std::int64_t>, std::vector<std::size_t>> groups;
  for (std::size_t i = 0; i < files.size(); ++i) {
    groups[{files[i].test, files[i].label}].push_back(i);
    if (!reasons[i].empty()) data.skipped.push_back({shown_name(files[i]), reasons[i]});
  }
  if (data.skipped.empty()) return;
  const std::string first = data.skipped[0].path + ": " + data.skipped[0].reason;
  const auto bad = static_cast<std::int64_t>(data.skipped.size());
  if (bad * 100 > kSkippedPerCent * static_cast<std::int64_t>(files.size())) {
    throw BadData(first + (bad == 1 ? "" : "; and " + std::to_string(bad - 1) + " more") + " of " +
                  std::to_string(files.size()) + " files; at most 1 % may be bad");
  }
  for (const auto& [key, group] : groups) {
    const auto good = [&](std::size_t i) { return reasons[i].empty(); };
    if (std::none_of(group.begin(), group.end(), good)) {
      throw BadData(shown_name(files[group[0]]) + ": " + reasons[group[0]] + "; class " +
                    data.class_names[static_cast<std::size_t>(key.second)] + " has no good " +
                    (key.first ? "test" : "training") + " image");
    }
    replace_bad(group, reasons, pixels, bytes);
  }
}

Dataset decode_all(const std::vector<ImageFile>& files, std::vector<std::string> class_names,
                   std::int64_t size) {
  Dataset data;
  data.class_names = std::move(class_names);
  for (const ImageFile& file : files)
    (file.test ? data.test : data.train).labels.classes.push_back(file.label);
  const std::int64_t bytes = size * size * 3;
  for (Split* split : {&data.train, &data.test}) {
    const auto count = static_cast<std::int64_t>(split->labels.classes.size());
    if (count > 0) split->images = Tensor::empty({count, size, size, 3}, {.dtype = DType::u8});
  }
  std::vector<std::uint8_t*> pixels;
  std::int64_t next[2] = {0, 0};
  for (const ImageFile& file : files) {
    const Tensor& images = (file.test ? data.test : data.train).images;
    pixels.push_back(images.data<std::uint8_t>() + next[file.test ? 1 : 0]++ * bytes);
  }
  std::vector<std::string> reasons(files.size());
  parallel_for(static_cast<std::int64_t>(files.size()), [&](std::int64_t i) {
    const auto n = static_cast<std::size_t>(i);
    reasons[n] = try_decode(files[n], size, pixels[n]);
  });
  handle_bad_files(files, reasons, pixels, static_cast<std::size_t>(bytes), data);
  return data;
}

}  // namespace

std::string shown_name(const ImageFile& file) {
  return printable(file.path) + (file.member ? ": " + printable(file.member->name) : "");
}

Dataset decode_files(std::vector<ImageFile> files, std::vector<std::string> class_names, std::int64_t size,
                     const std::string& cache_dir) {
  if (cache_dir.empty()) return decode_all(files, std::move(class_names), size);
  const std::uint64_t fingerprint = files_fingerprint(files, class_names, size);
  const std::string path = cache_path(cache_dir, fingerprint);
  Dataset data;
  if (load_cache(path, fingerprint, data)) return data;
  data = decode_all(files, std::move(class_names), size);
  const std::string problem = save_cache(path, fingerprint, data);
  if (!problem.empty()) data.notes.push_back("decoded images are not cached: " + problem);
  return data;
}

}  // namespace nagare::ssl
