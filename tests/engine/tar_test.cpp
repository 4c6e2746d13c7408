#include "engine/io/tar.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>

#include "engine/device/errors.h"
#include "tests/support/tar_writer.h"
#include "tests/support/temporary_directory.h"

namespace nagare::io {
namespace {

using test::pax_record;
using test::tar_archive;
using test::tar_end;
using test::tar_file;
using test::tar_header;
using test::tar_long_name;
using test::tar_member;
using test::tar_octal;
using test::tar_pax;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

struct TarTest : testing::Test {
  test::TemporaryDirectory directory;

  Path write(const std::string& archive) const { return directory.write("x.tar", archive); }
  // "name=content" of every member.
  std::vector<std::string> contents(const Path& path) const {
    std::vector<std::string> found;
    for (const TarMember& member : list_tar(path)) {
      std::string text = member.name + "=";
      for (const std::byte b : read_range(path, member.bytes)) text += static_cast<char>(b);
      found.push_back(text);
    }
    return found;
  }
  std::vector<std::string> contents(const std::string& archive) const { return contents(write(archive)); }
  bool refused(const Path& path) const {
    try {
      list_tar(path);
      return false;
    } catch (const BadData&) {
      return true;
    }
  }
  // Empty when it is read.
  std::string refusal(const std::string& archive) const {
    try {
      list_tar(write(archive));
      return "";
    } catch (const BadData& error) {
      EXPECT_THAT(error.what(), HasSubstr("x.tar: "));
      return error.what();
    }
  }
};

TEST_F(TarTest, ListsRegularFilesInOrderAndWhereTheirBytesLie) {
  EXPECT_THAT(contents(tar_file("b", "two") + tar_member({.name = "d/", .type = '5'}, "") +
                       tar_file("d/a", std::string(512, 'x')) + tar_file("d/e", "") +
                       tar_member({.name = "old", .type = '\0'}, "1") +
                       tar_member({.name = "contiguous", .type = '7'}, "2") + tar_end()),
              ElementsAre("b=two", "d/a=" + std::string(512, 'x'), "d/e=", "old=1", "contiguous=2"));
  EXPECT_THAT(contents(tar_end()), ElementsAre());
  EXPECT_THAT(contents(tar_file("a", "1") + tar_end() + std::string(8191, '\0')), ElementsAre("a=1"));
}

TEST_F(TarTest, DirectoriesMayBeWrittenAsFilesOrHaveABlankSize) {
  for (const char type : {'\0', '0'}) {
    EXPECT_THAT(contents(tar_member({.name = "./", .type = type}, "") +
                         tar_member({.name = "d/", .type = type}, "") + tar_file("d/a", "1") + tar_end()),
                ElementsAre("d/a=1"));
  }
  for (const char blank : {'\0', ' '}) {
    EXPECT_THAT(contents(tar_member({.name = "d/", .size = std::string(12, blank), .type = '5'}, "") +
                         tar_file("d/a", "1") + tar_end()),
                ElementsAre("d/a=1"));
  }
}

TEST_F(TarTest, ALeadingDotIsTakenOff) {
  EXPECT_THAT(contents(tar_member({.name = "./", .type = '5'}, "") +
                       tar_member({.name = "./d", .type = '5'}, "") + tar_file("./d/a", "1") + tar_end()),
              ElementsAre("d/a=1"));
}

TEST_F(TarTest, LongNamesComeFromThePrefixFromGnuOrFromPax) {
  const std::string folder(150, 'f');
  const std::string name = folder + "/" + std::string(90, 'n');
  EXPECT_THAT(contents(tar_member({.name = std::string(90, 'n'), .prefix = folder}, "1") + tar_end()),
              ElementsAre(name + "=1"));
  EXPECT_THAT(
      contents(tar_long_name(name) + tar_member({.name = name.substr(0, 100), .gnu = true}, "2") + tar_end()),
      ElementsAre(name + "=2"));
  EXPECT_THAT(contents(tar_pax(pax_record("mtime", "1.5") + pax_record("path", name)) +
                       tar_file("short", "3") + tar_file("next", "4") + tar_end()),
              ElementsAre(name + "=3", "next=4"));
  // GNU keeps times where POSIX has the prefix.
  EXPECT_THAT(contents(tar_member({.name = "a", .prefix = "14723513310", .gnu = true}, "5") + tar_end()),
              ElementsAre("a=5"));
}

TEST_F(TarTest, SizesMayBeInBase256OrFromPax) {
  EXPECT_THAT(
      contents(tar_member({.name = "a", .size = test::tar_base_256(3), .gnu = true}, "abc") + tar_end()),
      ElementsAre("a=abc"));
  EXPECT_THAT(
      contents(tar_pax(pax_record("size", "3")) + tar_member({.name = "a", .size = tar_octal(0)}, "abc") +
               tar_file("b", "1") + tar_end()),
      ElementsAre("a=abc", "b=1"));
  EXPECT_THAT(contents(tar_member({.name = "a", .size = "       3 "}, "abc") + tar_end()),
              ElementsAre("a=abc"));
}

TEST_F(TarTest, OtherKeysArePassedOver) {
  EXPECT_THAT(contents(tar_pax(pax_record("comment", "0123abcd"), 'g') +
                       tar_pax(pax_record("SCHILY.xattr.user.a", std::string("\0=\n", 3)) +
                               pax_record("linkpath", "/")) +
                       tar_file("a", "1") + tar_end()),
              ElementsAre("a=1"));
  const std::string record = pax_record("SCHILY.xattr.user.a", std::string((1 << 20) - 29, 'x'));
  ASSERT_EQ(record.size(), 1U << 20);
  EXPECT_THAT(contents(tar_pax(record) + tar_file("a", "1") + tar_end()), ElementsAre("a=1"));
}

TEST_F(TarTest, AnEmptyValueLeavesTheHeadersOwn) {
  EXPECT_THAT(
      contents(tar_pax(pax_record("path", "")) + tar_file("a", "12") +
               tar_pax(pax_record("size", "") + pax_record("path", "long")) + tar_file("b", "3") +
               tar_pax(pax_record("path", "") + pax_record("path", "late")) + tar_file("c", "4") + tar_end()),
      ElementsAre("a=12", "long=3", "late=4"));
}

struct Refusal {
  std::string archive;
  const char* reason;
};

std::vector<Refusal> hostile() {
  const auto named = [](const std::string& name) { return tar_file(name, "x") + tar_end(); };
  const auto paxed = [](const std::string& records) {
    return tar_pax(records) + tar_file("a", "x") + tar_end();
  };
  const auto sized = [](const std::string& field) {
    return tar_member({.name = "a", .size = field}, std::string(600, 'x')) + tar_end();
  };
  const auto typed = [](char type) {
    return tar_member({.name = "a", .type = type, .link = "../../etc/passwd"}, "") + tar_end();
  };
  std::string old = tar_header({.name = "a"});
  old.replace(257, 8, std::string(8, '\0'));
  test::mend_tar_sum(old, 0);
  std::string wrong_sum = named("a");
  wrong_sum[0] = 'b';
  return {
      // names
      {named(""), "its name is empty"},
      {named("./"), "its name is empty"},
      {named("/etc/passwd"), "\"/etc/passwd\": its name is absolute"},
      {named(".//etc/passwd"), "its name is absolute"},
      {named(".."), "\"..\" as a part of its name"},
      {named("../a"), "\"..\" as a part of its name"},
      {named("a/../../b"), "\"..\" as a part of its name"},
      {named("a/.."), "\"..\" as a part of its name"},
      {named("././a"), "\".\" as a part of its name"},
      {named("a/./b"), "\".\" as a part of its name"},
      {named("a//b"), "\"\" as a part of its name"},
      {named("a/"), "ends with a slash"},
      {tar_file("/", "") + tar_end(), "its name is empty"},
      {tar_file("../", "") + tar_end(), "\"..\" as a part of its name"},
      {named("a\\..\\b"), "a backslash in its name"},
      {named("a\nb"), "\"a\\x0ab\": a control byte in its name"},
      {named("a\x7f"), "a control byte in its name"},
      {named("a.jpg" + std::string(1, '\0') + "/../b"), "a NUL in its name"},
      {tar_member({.name = "a", .prefix = ".."}, "") + tar_end(), "\"..\" as a part of its name"},
      {tar_member({.name = "a", .prefix = "/"}, "") + tar_end(), "its name is absolute"},
      {tar_member({.name = "../d/", .type = '5'}, "") + tar_end(), "\"..\" as a part of its name"},
      {tar_file("a", "1") + tar_file("b", "2") + tar_file("a", "3") + tar_end(), "\"a\": is there twice"},
      {tar_file("a", "1") + tar_file("./a", "2") + tar_end(), "\"a\": is there twice"},
      // types
      {typed('1'), "\"a\": is a hard link; only regular files are read"},
      {typed('2'), "\"a\": is a symbolic link"},
      {tar_member({.name = "d", .type = '2', .link = "/tmp"}, "") + tar_file("d/a", "x") + tar_end(),
       "\"d\": is a symbolic link"},
      {tar_member({.name = "././@LongLink", .type = 'K', .gnu = true}, "/etc/passwd") + typed('2'),
       "symbolic link"},
      {typed('3'), "is a device"},
      {typed('4'), "is a device"},
      {typed('6'), "is a fifo"},
      {typed('S'), "is a sparse file"},
      {typed('8'), "of the unknown type \"8\""},
      {typed('\n'), "of the unknown type \"\\x0a\""},
      {tar_member({.name = "d/", .type = '5'}, "x") + tar_end(), "a directory with bytes of its own"},
      // sizes
      {sized(tar_octal(5000)), "5000 bytes, the archive has 2048 more: it is cut, or the size is wrong"},
      {sized("77777777777"), "8589934591 bytes, the archive has"},
      {sized("-0000000001"), "its size is negative"},
      {sized("0000000008"), "its size is not an octal number"},
      {sized("00000 00001"), "its size is not an octal number"},
      {sized("0x10"), "its size is not an octal number"},
      {sized(std::string(12, '\0')), "its size is not an octal number"},
      {sized(std::string(12, ' ')), "its size is not an octal number"},
      {sized(std::string(12, '\xff')), "its size is negative"},
      {sized("\x80" + std::string(11, '\xff')), "its size is beyond 63 bits"},
      {sized("\x80" + std::string(3, '\0') + "\x7f" + std::string(7, '\xff')), "9223372036854775807 bytes"},
      {sized("\x80" + std::string(3, '\0') + "\x80" + std::string(7, '\0')), "its size is beyond 63 bits"},
      // extended headers
      {paxed(pax_record("path", "../../a")), "\"..\" as a part of its name"},
      {paxed(pax_record("path", "/a")), "its name is absolute"},
      {paxed(pax_record("path", std::string("a\0b", 3))), "a NUL in its name"},
      {paxed(pax_record("path", std::string(4097, 'a'))), "aaa...\": a name of 4097 bytes, at most 4096"},
      {paxed(pax_record("size", "18446744073709551617")), "is beyond 63 bits"},
      {paxed(pax_record("size", "9223372036854775808")), "is beyond 63 bits"},
      {paxed(pax_record("size", "9223372036854775807")), "9223372036854775807 bytes, the archive has"},
      {paxed(pax_record("size", "-1")), "is negative"},
      {paxed(pax_record("size", "1e3")), "is not a number"},
      {paxed(pax_record("path", "b") + pax_record("path", "c")), "\"path\" twice"},
      {paxed(pax_record("path", "b") + pax_record("path", "")), "\"path\" twice"},
      {paxed(pax_record("size", "1") + pax_record("size", "1")), "\"size\" twice"},
      {paxed(pax_record("GNU.sparse.major", "1")), "sparse file"},
      {paxed(pax_record("comment", std::string(1 << 20, 'x'))), "1048593 bytes, at most 1048576"},
      {paxed("x"), "malformed record"},
      {paxed("99 path=b\n"), "malformed record"},
      {paxed("9 path=b\n\n"), "malformed record"},
      {paxed("8 path=b\n"), "malformed record"},
      {paxed("3 \n"), "without a key"},
      {paxed("2 path=b\n"), "malformed record"},
      {paxed("-9 path=b\n"), "malformed record"},
      {paxed("18446744073709551615 path=b\n"), "malformed record"},
      {paxed("7 =val\n"), "without a key"},
      {tar_pax(pax_record("path", "b"), 'g') + named("a"), "\"path\" for every member, in a global header"},
      {tar_pax(pax_record("size", "0"), 'g') + named("a"), "\"size\" for every member"},
      {tar_pax(pax_record("path", "b")) + paxed(pax_record("path", "c")), "a second extended header"},
      {tar_long_name("b") + tar_long_name("c") + named("a"), "a second extended header"},
      {tar_long_name("b") + paxed(pax_record("path", "c")), "a second extended header"},
      {tar_pax(pax_record("mtime", "1")) + tar_pax(pax_record("comment", "x"), 'g') + named("a"),
       "a second extended"},
      {tar_pax(pax_record("path", "b")) + tar_end(), "ends where a member should follow"},
      {tar_long_name("../a") + named("a"), "\"..\" as a part of its name"},
      {tar_long_name("") + named("a"), "its name is empty"},
      {tar_long_name("a" + std::string(1, '\0') + "b") + named("a"), "a NUL in its name"},
      {tar_long_name(std::string(4097, 'a')) + named("a"), "4098 bytes, at most 4097"},
      {tar_member({.name = "././@LongLink", .size = "77777777777", .type = 'L'}, "") + tar_end(),
       "8589934591 bytes"},
      // headers and ends
      {wrong_sum, "byte 0: no tar header there: its sum is wrong"},
      {tar_file("a", "x") + std::string(512, 'x') + tar_end(), "byte 1024: no tar header there"},
      {old + tar_end(), "a header without \"ustar\" in it"},
      {named("a") + named("b"), "more than zeros behind the archive's end: a second archive?"},
      {tar_file("a", "x") + std::string(512, '\0') + named("b"), "more than zeros behind the archive's end"},
      {named("a") + std::string(600, '\0') + "x", "more than zeros behind the archive's end"},
      {named("a") + std::string((16 << 20) + 1, '\0'),
       "16777217 bytes behind the archive's end, at most 16777216"},
      {tar_file("a", "x"), "byte 1024: the archive is cut: no end marker"},
      {tar_file("a", "x") + std::string(512, '\0'),
       "the archive is cut: one block of zeros, its end has two"},
      {tar_header({.name = "a", .size = tar_octal(512)}) + std::string(512, 'x'), "no end marker"},
      // what is no archive
      {"", "is empty"},
      {std::string(511, '\0'), "511 bytes; a tar archive has blocks of 512"},
      {std::string(512, '\0'), "one block of zeros"},
      {std::string(513, '\0'), "one block of zeros"},
      {std::string(511, 'x'), "511 bytes; a tar archive has blocks of 512"},
      {std::string(512, 'x'), "no tar header there"},
      {std::string(513, 'x'), "no tar header there"},
      {std::string(1024, 'x'), "no tar header there"},
      {"\x1f\x8b\x08", "is packed; needs gunzip first"},
      {"\x28\xb5\x2f\xfd" + std::string(600, 'x'), "is packed; needs unzstd first"},
      {std::string("\xfd"
                   "7zXZ\0",
                   6) +
           std::string(600, 'x'),
       "is packed; needs unxz first"},
      {"BZh91AY" + std::string(600, 'x'), "is packed; needs bunzip2 first"},
  };
}

TEST_F(TarTest, HostileArchivesAreRefusedWithTheReason) {
  const std::vector<Refusal> cases = hostile();
  EXPECT_GE(cases.size(), 60U);
  for (std::size_t i = 0; i < cases.size(); ++i)
    EXPECT_THAT(refusal(cases[i].archive), HasSubstr(cases[i].reason)) << "case " << i;
}

TEST_F(TarTest, ACutAnywhereIsNoticedAndSoIsEveryChangedByteOfAHeader) {
  const std::string archive = tar_pax(pax_record("path", "long")) + tar_file("a", "xyz") +
                              tar_long_name("b") +
                              tar_member({.name = "b", .gnu = true}, std::string(513, 'y')) + tar_end();
  const Path path = write(archive);
  const std::vector<std::string> whole = contents(path);
  // In place: a file written anew goes to the disk each time.
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  const auto put = [&](std::size_t at, char c) {
    file.seekp(static_cast<std::streamoff>(at)).put(c).flush();
    ASSERT_TRUE(file.good());
  };
  for (const std::size_t header : {0, 1024, 2048, 3072}) {
    for (std::size_t at = header; at < header + 512; ++at) {
      put(at, static_cast<char>(archive[at] ^ (1 << at % 8)));
      // Of the sum itself a leading zero may become a space, and its last bytes may be spaces or NULs.
      if (!refused(path)) {
        EXPECT_TRUE(at - header >= 148 && at - header < 156) << at;
        EXPECT_EQ(contents(path), whole) << at;
      }
      put(at, archive[at]);
    }
  }
  EXPECT_EQ(contents(path), whole);
  for (std::size_t length = archive.size(); length-- > 0;) {
    std::filesystem::resize_file(path, length);
    EXPECT_TRUE(refused(path)) << length;
  }
}

TEST_F(TarTest, MembersAreCounted) {
  const Path path = write(tar_archive({{"a", "1"}, {"b", "2"}, {"c", "3"}}));
  EXPECT_EQ(list_tar(path, {.max_members = 3}).size(), 3U);
  EXPECT_THAT([&] { list_tar(path, {.max_members = 2}); },
              ThrowsMessage<BadData>(HasSubstr("x.tar: more than 2 members")));
  EXPECT_EQ(TarLimits{}.max_members, 10'000'000U);
}

// Nothing is read but headers: a member may be larger than memory.
TEST_F(TarTest, AMemberOfATebibyteIsListedFromItsHeader) {
  const std::uint64_t size = std::uint64_t{1} << 40;
  const Path path = write(tar_header({.name = "big", .size = test::tar_base_256(size), .gnu = true}));
  std::error_code error;
  std::filesystem::resize_file(path, 512 + size + 1024, error);
  if (error) GTEST_SKIP() << "no file of a tebibyte here: " << error.message();
  const std::vector<TarMember> members = list_tar(path);
  ASSERT_EQ(members.size(), 1U);
  EXPECT_EQ(members[0].bytes.offset, 512U);
  EXPECT_EQ(members[0].bytes.size, size);
  EXPECT_THAT([&] { read_range(path, members[0].bytes, 1000); },
              ThrowsMessage<BadData>(HasSubstr("1099511627776 bytes, at most 1000")));
}

TEST_F(TarTest, WhatIsNoFileIsNamed) {
  EXPECT_THAT([] { list_tar("/nowhere/x.tar"); },
              ThrowsMessage<BadData>(AllOf(HasSubstr("/nowhere/x.tar"), HasSubstr("No such file"))));
  EXPECT_THAT([&] { list_tar(directory.path()); }, ThrowsMessage<BadData>(HasSubstr("not a regular file")));
}

struct SystemTarTest : TarTest, testing::WithParamInterface<const char*> {};

TEST_P(SystemTarTest, ItsArchivesAreRead) {
  if (std::system("tar --version >/dev/null 2>&1") != 0) GTEST_SKIP() << "no tar on this machine";
  const std::string format = GetParam();
  const std::string folder = "tree/" + std::string(80, 'd');
  const std::string name = folder + "/" + std::string(format == "ustar" ? 90 : 150, 'n');
  directory.write(name, "long");
  directory.write("tree/流れ", std::string(1000, 'x'));
  const auto pack = [&](const std::string& what) {
    const std::string command =
        "cd '" + directory.string() + "' && tar --format=" + format + " -cf x.tar " + what;
    EXPECT_EQ(std::system(command.c_str()), 0);
    return directory.path() / "x.tar";
  };
  EXPECT_THAT(contents(pack("tree")),
              testing::UnorderedElementsAre(name + "=long", "tree/流れ=" + std::string(1000, 'x')));
  EXPECT_THAT(contents(pack("-C tree .")),
              testing::UnorderedElementsAre(name.substr(5) + "=long", "流れ=" + std::string(1000, 'x')));
  std::filesystem::create_symlink("/etc/passwd", directory.path() / "tree/link");
  EXPECT_THAT([&] { list_tar(pack("tree")); },
              ThrowsMessage<BadData>(HasSubstr("member \"tree/link\": is a symbolic link")));
  std::filesystem::remove(directory.path() / "tree/link");
  std::filesystem::create_hard_link(directory.path() / name, directory.path() / "tree/again");
  EXPECT_THAT([&] { list_tar(pack("tree")); }, ThrowsMessage<BadData>(HasSubstr("is a hard link")));
}

INSTANTIATE_TEST_SUITE_P(Formats, SystemTarTest, testing::Values("gnu", "pax", "ustar"));

}  // namespace
}  // namespace nagare::io
