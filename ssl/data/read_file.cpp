#include "ssl/data/read_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>

#include "engine/device/errors.h"
#include "engine/text/printable.h"

namespace nagare::ssl {

std::string read_file(const std::string& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) throw BadData(printable(path) + ": no such file");
  if (!std::filesystem::is_regular_file(status)) throw BadData(printable(path) + ": not a regular file");
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (file == nullptr) throw BadData(printable(path) + ": " + std::strerror(errno));
  const auto size = std::filesystem::file_size(path, error);
  std::string bytes(error ? 0 : size, '\0');
  if (std::fread(bytes.data(), 1, bytes.size(), file.get()) != bytes.size()) {
    throw BadData(printable(path) +
                  ": cannot be read: " + (std::ferror(file.get()) ? std::strerror(errno) : "it shrank"));
  }
  return bytes;
}

}  // namespace nagare::ssl
