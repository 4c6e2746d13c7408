#include "ssl/data/image_cache.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>

#define XXH_INLINE_ALL
#include <xxhash.h>

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

// A private mapping of a whole file; empty when it cannot be had.
struct Mapping {
  std::shared_ptr<void> memory;
  std::size_t bytes = 0;
};

Mapping map_file(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return {};
  struct stat status {};
  Mapping mapping;
  if (::fstat(file, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0) {
    const auto bytes = static_cast<std::size_t>(status.st_size);
    void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    if (memory != MAP_FAILED) {
      mapping = {std::shared_ptr<void>(memory, [bytes](void* m) { ::munmap(m, bytes); }), bytes};
    }
  }
  ::close(file);
  return mapping;
}

// Bytes behind the header, or 0 when the header's numbers are absurd.
std::uint64_t body_bytes(const Header& header) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 40;
  const std::uint64_t images = header.train + header.test;
  if (header.train > kMost || header.test > kMost || header.size < 1 || header.size > 4096 ||
      header.text_bytes > kMost || header.classes > kMost) {
    return 0;
  }
  const std::uint64_t per_image = sizeof(std::uint32_t) + header.size * header.size * 3;
  return images > kMost / per_image ? 0 : header.text_bytes + images * per_image;
}

// Takes `count` images and labels from the mapping; false when a label is out of range.
bool read_split(const Mapping& mapping, const Header& header, std::uint64_t count, std::size_t labels_at,
                std::size_t pixels_at, Split& split) {
  if (count == 0) return true;
  auto* base = static_cast<std::uint8_t*>(mapping.memory.get());
  for (std::uint64_t i = 0; i < count; ++i) {
    std::uint32_t label = 0;
    std::memcpy(&label, base + labels_at + i * sizeof label, sizeof label);
    if (label >= header.classes) return false;
    split.labels.classes.push_back(label);
  }
  const auto size = static_cast<std::int64_t>(header.size);
  split.images = Tensor::wrap(std::shared_ptr<void>(mapping.memory, base + pixels_at),
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

// Writes the parts one after the other and makes sure that they are on disk.
bool write_parts(const std::string& path, const std::vector<std::string_view>& parts) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "wbe"), std::fclose);
  if (file == nullptr) return false;
  for (const std::string_view part : parts) {
    if (std::fwrite(part.data(), 1, part.size(), file.get()) != part.size()) return false;
  }
  return std::fflush(file.get()) == 0 && ::fsync(::fileno(file.get())) == 0;
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
  for (const ImageFile& file : files) {
    struct stat status {};
    const bool found = ::stat(file.path.c_str(), &status) == 0;
    append(bytes, file.path);
    number(file.label);
    number(file.test ? 1 : 0);
    number(found ? status.st_size : -1);
    number(found ? status.st_mtim.tv_sec : 0);
    number(found ? status.st_mtim.tv_nsec : 0);
  }
  return XXH3_64bits(bytes.data(), bytes.size());
}

std::string cache_path(const std::string& directory, std::uint64_t fingerprint) {
  char name[48];
  std::snprintf(name, sizeof name, "images-%016llx.cache", static_cast<unsigned long long>(fingerprint));
  return (fs::path(directory) / name).string();
}

bool load_cache(const std::string& path, std::uint64_t fingerprint, Dataset& data) {
  const Mapping mapping = map_file(path);
  Header header{};
  if (mapping.bytes < sizeof header) return false;
  const auto* base = static_cast<const char*>(mapping.memory.get());
  std::memcpy(&header, base, sizeof header);
  const bool ours =
      std::memcmp(header.magic, kMagic, sizeof header.magic) == 0 && header.fingerprint == fingerprint;
  if (!ours || header.train == 0 || mapping.bytes - sizeof header != body_bytes(header)) return false;
  if (XXH3_64bits(base + kChecked, mapping.bytes - kChecked) != header.checksum) return false;

  Dataset loaded;
  const std::size_t labels = sizeof header + header.text_bytes;
  const std::size_t pixels = labels + (header.train + header.test) * sizeof(std::uint32_t);
  const std::size_t test_pixels = pixels + header.train * header.size * header.size * 3;
  const bool good = read_text_block({base + sizeof header, header.text_bytes}, header.classes, loaded) &&
                    read_split(mapping, header, header.train, labels, pixels, loaded.train) &&
                    read_split(mapping, header, header.test, labels + header.train * sizeof(std::uint32_t),
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

  std::error_code error;
  fs::create_directories(fs::path(path).parent_path(), error);
  const std::string temporary = path + "." + std::to_string(::getpid());
  if (write_parts(temporary, parts) && ::rename(temporary.c_str(), path.c_str()) == 0) return "";
  const std::string reason = path + ": " + std::strerror(errno);
  ::unlink(temporary.c_str());
  return reason;
}

}  // namespace nagare::ssl
