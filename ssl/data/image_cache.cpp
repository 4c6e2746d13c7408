#include "ssl/data/image_cache.h"

#include <sys/stat.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <string_view>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "engine/device/errors.h"
#include "engine/io/file.h"

namespace nagare::ssl {
namespace {

namespace fs = std::filesystem;

constexpr char kMagic[] = "NAGIMG01";
constexpr std::uint64_t kDecoderVersion = 1;  // raise it when the same files come out as other pixels

struct Header {
  char magic[8];
  std::uint64_t fingerprint;
  std::uint64_t checksum;  // of everything behind it
  std::uint64_t train, test, size, classes, text_bytes;
};
constexpr std::size_t kChecked = offsetof(Header, train);  // where the checksum begins

void append(std::string& bytes, const std::string& text) {
  const auto length = static_cast<std::uint32_t>(text.size());
  bytes.append(reinterpret_cast<const char*>(&length), sizeof length).append(text);
}

std::string text_block(const Dataset& data) {
  std::string text;
  for (const std::string& name : data.class_names) append(text, name);
  for (const SkippedFile& file : data.skipped) {
    append(text, file.path);
    append(text, file.reason);
  }
  return text;
}

// Reads what text_block() wrote; false when lengths do not add up.
bool read_text_block(std::string_view text, std::uint64_t classes, Dataset& data) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    std::uint32_t length = 0;
    if (text.size() < sizeof length) return false;
    std::memcpy(&length, text.data(), sizeof length);
    text.remove_prefix(sizeof length);
    if (text.size() < length) return false;
    parts.emplace_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  if (parts.size() < classes || (parts.size() - classes) % 2 != 0) return false;
  data.class_names.assign(parts.begin(), parts.begin() + static_cast<std::ptrdiff_t>(classes));
  for (std::size_t i = classes; i < parts.size(); i += 2) data.skipped.push_back({parts[i], parts[i + 1]});
  return true;
}

// Bytes behind the header, or 0 when the header's numbers are absurd.
std::uint64_t body_bytes(const Header& header) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 40;
  if (header.train > kMost || header.test > kMost || header.size < 1 || header.size > 4096 ||
      header.text_bytes > kMost || header.classes > kMost) {
    return 0;
  }
  const std::uint64_t images = header.train + header.test;
  const std::uint64_t per_image = sizeof(std::uint32_t) + header.size * header.size * 3;
  return images > kMost / per_image ? 0 : header.text_bytes + images * per_image;
}

// Takes `count` images and labels from the mapping; false when a label is out of range.
bool read_split(const io::MappedFile& file, const Header& header, std::uint64_t count, std::size_t labels_at,
                std::size_t pixels_at, Split& split) {
  if (count == 0) return true;
  const std::byte* base = file.data.get();
  for (std::uint64_t i = 0; i < count; ++i) {
    std::uint32_t label = 0;
    std::memcpy(&label, base + labels_at + i * sizeof label, sizeof label);
    if (label >= header.classes) return false;
    split.labels.classes.push_back(label);
  }
  const auto size = static_cast<std::int64_t>(header.size);
  // The pages are read-only; a data set's images are never written to.
  split.images = Tensor::wrap(std::shared_ptr<void>(file.data, const_cast<std::byte*>(base + pixels_at)),
                              {static_cast<std::int64_t>(count), size, size, 3}, {.dtype = DType::u8});
  return true;
}

std::string header_and_labels(const Dataset& data, std::uint64_t fingerprint) {
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof header.magic);
  header.fingerprint = fingerprint;
  header.train = static_cast<std::uint64_t>(data.train.size());
  header.test = static_cast<std::uint64_t>(data.test.size());
  header.size = static_cast<std::uint64_t>(data.image_size());
  header.classes = static_cast<std::uint64_t>(data.classes());
  const std::string text = text_block(data);
  header.text_bytes = text.size();
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
  bytes += text;
  for (const Split* split : {&data.train, &data.test}) {
    for (const std::int64_t label : split->labels.classes) {
      const auto small = static_cast<std::uint32_t>(label);
      bytes.append(reinterpret_cast<const char*>(&small), sizeof small);
    }
  }
  return bytes;
}

// What tells that a file is another one than before.
struct FileState {
  std::int64_t size = -1;  // there is none
  std::int64_t seconds = 0;
  std::int64_t nanoseconds = 0;
};

FileState state_of(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return {};
  return {.size = status.st_size, .seconds = status.st_mtim.tv_sec, .nanoseconds = status.st_mtim.tv_nsec};
}

}  // namespace

std::uint64_t files_fingerprint(const std::vector<ImageFile>& files,
                                const std::vector<std::string>& class_names, std::int64_t size) {
  std::string bytes;
  const auto number = [&](std::int64_t value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  };
  number(kDecoderVersion);
  number(size);
  for (const std::string& name : class_names) append(bytes, name);
  std::map<std::string_view, FileState> archives;  // with many members each
  for (const ImageFile& file : files) {
    FileState state;
    if (!file.member) {
      state = state_of(file.path);
    } else if (const auto known = archives.find(file.path); known != archives.end()) {
      state = known->second;
    } else {
      state = archives[file.path] = state_of(file.path);
    }
    append(bytes, file.path);
    number(file.member ? 1 : 0);
    if (file.member) {
      append(bytes, file.member->name);
      number(static_cast<std::int64_t>(file.member->bytes.offset));
      number(static_cast<std::int64_t>(file.member->bytes.size));
    }
    number(file.label);
    number(file.test ? 1 : 0);
    number(state.size);
    number(state.seconds);
    number(state.nanoseconds);
  }
  return XXH3_64bits(bytes.data(), bytes.size());
}

std::string cache_path(const std::string& directory, std::uint64_t fingerprint) {
  char name[48];
  std::snprintf(name, sizeof name, "images-%016llx.cache", static_cast<unsigned long long>(fingerprint));
  return (fs::path(directory) / name).string();
}

bool load_cache(const std::string& path, std::uint64_t fingerprint, Dataset& data) {
  io::MappedFile file;
  try {
    if (!io::exists(path)) return false;
    file = io::map_file(path);
  } catch (const BadData&) {
    return false;  // unreadable: made anew
  }
  Header header{};
  if (file.size < sizeof header) return false;
  const auto* base = reinterpret_cast<const char*>(file.data.get());
  std::memcpy(&header, base, sizeof header);
  const bool ours =
      std::memcmp(header.magic, kMagic, sizeof header.magic) == 0 && header.fingerprint == fingerprint;
  const std::uint64_t body = body_bytes(header);
  if (!ours || header.train == 0 || body == 0 || file.size - sizeof header != body) return false;
  if (XXH3_64bits(base + kChecked, file.size - kChecked) != header.checksum) return false;

  Dataset loaded;
  const std::size_t labels = sizeof header + header.text_bytes;
  const std::size_t pixels = labels + (header.train + header.test) * sizeof(std::uint32_t);
  const std::size_t test_pixels = pixels + header.train * header.size * header.size * 3;
  const bool good = read_text_block({base + sizeof header, header.text_bytes}, header.classes, loaded) &&
                    read_split(file, header, header.train, labels, pixels, loaded.train) &&
                    read_split(file, header, header.test, labels + header.train * sizeof(std::uint32_t),
                               test_pixels, loaded.test);
  if (good) data = std::move(loaded);
  return good;
}

std::string save_cache(const std::string& path, std::uint64_t fingerprint, const Dataset& data) {
  std::string head = header_and_labels(data, fingerprint);
  std::vector<std::string_view> parts = {head};
  for (const Split* split : {&data.train, &data.test}) {
    if (split->size() > 0)
      parts.emplace_back(static_cast<const char*>(split->images.raw()), split->images.bytes());
  }
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  XXH3_64bits_update(&state, head.data() + kChecked, head.size() - kChecked);
  for (std::size_t i = 1; i < parts.size(); ++i) XXH3_64bits_update(&state, parts[i].data(), parts[i].size());
  const std::uint64_t checksum = XXH3_64bits_digest(&state);
  std::memcpy(head.data() + offsetof(Header, checksum), &checksum, sizeof checksum);

  try {
    io::make_directories(fs::path(path).parent_path());
    io::AtomicFile file(path);
    for (const std::string_view part : parts) file.write(part);
    file.commit();
  } catch (const CannotWrite& error) {
    return error.what();
  }
  return "";
}

}  // namespace nagare::ssl
