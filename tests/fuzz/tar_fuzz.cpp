// Tar archives: their members, and the data sets made of them.
#include <algorithm>
#include <set>

#include "engine/device/errors.h"
#include "engine/io/tar.h"
#include "tests/fuzz/dataset_check.h"
#include "tests/fuzz/targets.h"
#include "tests/support/image_writer.h"
#include "tests/support/tar_writer.h"

namespace nagare::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBlock = 512;

void check_members(const fs::path& path, std::uint64_t size) {
  std::set<std::string> names;
  for (const io::TarMember& member : io::list_tar(path)) {
    const io::ByteRange& bytes = member.bytes;
    need(bytes.offset >= kBlock && bytes.offset <= size && bytes.size <= size - bytes.offset,
         "a member lies in its archive");
    need(io::read_range(path, bytes).size() == bytes.size, "its bytes can be read");
    need(names.insert(member.name).second, "every name comes once");
    const fs::path name = member.name;
    const bool above = std::ranges::any_of(name, [](const fs::path& part) { return part == ".."; });
    need(!member.name.empty() && name.is_relative() && !above && name.lexically_normal() == name,
         "a name stays where it is");
    need(std::ranges::none_of(member.name, [](char c) { return c >= 0 && c < ' '; }),
         "no control bytes in it");
  }
}

std::string pixel() {
  return test::png_file(test::make_picture(1, 1, 3, [](int, int, int) { return 9; }));
}

}  // namespace

// Of an even length, the sums of all headers are put right first: few mutations would get past them.
void run_tar(Bytes input) {
  std::string archive(text_of(input));
  if (archive.size() % 2 == 0) {
    for (std::size_t at = 0; at + kBlock <= archive.size(); at += kBlock) {
      if (archive.compare(at + 257, 5, "ustar") == 0) test::mend_tar_sum(archive, at);
    }
  }
  const fs::path path = scratch() / "x.tar";
  write(path, archive);
  refused<BadData>([&] { check_members(path, archive.size()); });
  refused<BadData>([&] { check(ssl::load_dataset("tar:" + path.string() + ",size=1", {})); });
}

Seeds tar_seeds() {
  const std::string png = pixel();
  const std::string folders =
      test::tar_archive({{"train/a/1.png", png}, {"train/b/1.png", png}, {"val/a/1.png", png}});
  const std::string samples =
      test::tar_archive({{"d/1.png", png}, {"d/1.cls", "3"}, {"d/2.x.json", "{}"}, {"d/2.cls", "0\n"}});
  const std::string pax =
      test::tar_pax(test::pax_record("mtime", "1.5") + test::pax_record("path", "a/1.png") +
                    test::pax_record("size", std::to_string(png.size()))) +
      test::tar_file("short", png) + test::tar_end();
  const std::string gnu =
      test::tar_member({.name = "./", .type = '5', .gnu = true}, "") + test::tar_long_name("./a/2.png") +
      test::tar_member({.name = "2", .size = test::tar_base_256(png.size()), .gnu = true}, png) +
      test::tar_end();
  const std::string global = test::tar_pax(test::pax_record("comment", "x"), 'g') + folders;
  const std::string old =
      test::tar_member({.name = "ds/", .type = '\0'}, "") +
      test::tar_member({.name = "ds/train/", .size = std::string(12, ' '), .type = '5'}, "") +
      test::tar_pax(test::pax_record("path", "") + test::pax_record("size", "")) +
      test::tar_member({.name = "ds/train/a/1.png", .type = '7'}, png) + test::tar_file("ds/1.png", png) +
      test::tar_end();
  return {folders, samples, pax, gnu, global, old, gnu + gnu, folders + '\0', std::string("\x1f\x8b\x08")};
}

}  // namespace nagare::fuzz
