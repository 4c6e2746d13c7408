#pragma once
// Tar archives for tests, a block at a time, so that any of them can be odd.
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace nagare::test {

struct TarHeader {
  std::string name;  // at most 100 bytes, as they are
  std::string prefix = {};
  std::string size = {};  // the field as it is, at most 12 bytes; "": told by tar_member()
  char type = '0';
  std::string link = {};
  bool gnu = false;  // else POSIX
};

// One block, its sum right.
std::string tar_header(const TarHeader& header);
// Eleven octal digits.
std::string tar_octal(std::uint64_t number);
// GNU's other way to write it: twelve bytes, big-endian.
std::string tar_base_256(std::uint64_t number);
// Header, content, zeros up to the next block.
std::string tar_member(TarHeader header, const std::string& content);
std::string tar_file(const std::string& name, const std::string& content);
// Extended headers: "x" for the member behind, "g" for all; a GNU long name.
std::string pax_record(const std::string& key, const std::string& value);
std::string tar_pax(const std::string& records, char type = 'x');
std::string tar_long_name(const std::string& name);
// Two blocks of zeros.
std::string tar_end();
// A whole archive of such files.
std::string tar_archive(const std::vector<std::pair<std::string, std::string>>& files);
// Writes the sum of the block at `at` anew.
void mend_tar_sum(std::string& archive, std::size_t at);

}  // namespace nagare::test
