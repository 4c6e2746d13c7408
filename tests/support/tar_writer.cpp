#include "tests/support/tar_writer.h"

#include <algorithm>
#include <cstdio>

namespace nagare::test {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kSumAt = 148;

void put(std::string& block, std::size_t at, const std::string& text) {
  block.replace(at, text.size(), text);
}

}  // namespace

void mend_tar_sum(std::string& archive, std::size_t at) {
  put(archive, at + kSumAt, std::string(8, ' '));
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kBlock; ++i) sum += static_cast<unsigned char>(archive[at + i]);
  char digits[9];
  std::snprintf(digits, sizeof digits, "%06llo", static_cast<unsigned long long>(sum));
  put(archive, at + kSumAt, std::string(digits) + std::string("\0 ", 2));
}

std::string tar_octal(std::uint64_t number) {
  char digits[24];
  std::snprintf(digits, sizeof digits, "%011llo", static_cast<unsigned long long>(number));
  return std::string(digits) + '\0';
}

std::string tar_base_256(std::uint64_t number) {
  std::string bytes(12, '\0');
  for (std::size_t i = 0; i < 8; ++i) bytes[11 - i] = static_cast<char>(number >> 8 * i & 0xFF);
  bytes[0] = '\x80';
  return bytes;
}

std::string tar_header(const TarHeader& header) {
  std::string block(kBlock, '\0');
  put(block, 0, header.name);
  put(block, 100, "0000644");
  put(block, 108, "0001750");
  put(block, 116, "0001750");
  put(block, 124, header.size.empty() ? tar_octal(0) : header.size);
  put(block, 136, tar_octal(0));
  block[156] = header.type;
  put(block, 157, header.link);
  put(block, 257, header.gnu ? std::string("ustar  \0", 8) : std::string("ustar\00000", 8));
  put(block, 345, header.prefix);
  mend_tar_sum(block, 0);
  return block;
}

std::string tar_member(TarHeader header, const std::string& content) {
  if (header.size.empty()) header.size = tar_octal(content.size());
  std::string member = tar_header(header) + content;
  member.resize((member.size() + kBlock - 1) / kBlock * kBlock, '\0');
  return member;
}

std::string tar_file(const std::string& name, const std::string& content) {
  return tar_member({.name = name}, content);
}

std::string pax_record(const std::string& key, const std::string& value) {
  const std::size_t rest = key.size() + value.size() + 3;
  std::size_t length = rest + 1;
  while (length != rest + std::to_string(length).size()) ++length;
  return std::to_string(length) + " " + key + "=" + value + "\n";
}

std::string tar_pax(const std::string& records, char type) {
  return tar_member({.name = "PaxHeaders/x", .type = type}, records);
}

std::string tar_long_name(const std::string& name) {
  return tar_member({.name = "././@LongLink", .type = 'L', .gnu = true}, name + '\0');
}

std::string tar_end() { return std::string(2 * kBlock, '\0'); }

std::string tar_archive(const std::vector<std::pair<std::string, std::string>>& files) {
  std::string archive;
  for (const auto& [name, content] : files) archive += tar_file(name, content);
  return archive + tar_end();
}

}  // namespace nagare::test
