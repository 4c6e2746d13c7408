#include "engine/io/file.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include "engine/device/errors.h"
#include "engine/io/directory.h"
#include "tests/support/temporary_directory.h"

namespace nagare::io {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

std::size_t count_files(const Path& directory) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(directory), {}));
}

TEST(FileTest, WhatWasWrittenIsRead) {
  const test::TemporaryDirectory directory;
  const Path path = directory.path() / "a.txt";
  write_file(path, "one\ntwo");
  EXPECT_EQ(read_text(path), "one\ntwo");
  EXPECT_EQ(read_file(path).size(), 7U);
  EXPECT_EQ(map_file(path).bytes().size(), 7U);
  EXPECT_EQ(map_file(path).bytes()[0], std::byte{'o'});
  write_file(path, "");
  EXPECT_EQ(read_text(path), "");
  EXPECT_EQ(map_file(path).size, 0U);
}

TEST(FileTest, AMappingOutlivesTheFile) {
  const test::TemporaryDirectory directory;
  const MappedFile mapped = map_file(directory.write("a", "content"));
  std::filesystem::remove(directory.path() / "a");
  EXPECT_EQ(mapped.bytes()[6], std::byte{'t'});
}

TEST(FileTest, AnAbandonedWriteLeavesTheOldFileAndNothingElse) {
  const test::TemporaryDirectory directory;
  const Path path = directory.write("a", "old");
  {
    AtomicFile file(path);
    file.write("half of the new");
    EXPECT_EQ(read_text(path), "old");
  }
  EXPECT_EQ(read_text(path), "old");
  EXPECT_EQ(count_files(directory.path()), 1U);
}

TEST(FileTest, CommitReplacesTheOldFileAndLeavesNothingElse) {
  const test::TemporaryDirectory directory;
  const Path path = directory.write("a", "old");
  AtomicFile file(path);
  file.write("new ");
  file.write("text");
  file.commit();
  EXPECT_EQ(read_text(path), "new text");
  EXPECT_EQ(count_files(directory.path()), 1U);
}

TEST(FileTest, CommitOntoADirectoryFailsAndLeavesNothingBehind) {
  const test::TemporaryDirectory directory;
  directory.write("taken/file", "");
  EXPECT_THAT([&] { write_file(directory.path() / "taken", "x"); },
              ThrowsMessage<CannotWrite>(AllOf(HasSubstr("taken"), HasSubstr("directory"))));
  EXPECT_EQ(count_files(directory.path()), 1U);
}

TEST(FileTest, AppendingAddsAtTheEnd) {
  const test::TemporaryDirectory directory;
  const Path path = directory.write("log", "1\n");
  AppendFile log(path);
  log.append("2\n");
  AppendFile(path).append("3\n");
  log.append("4\n");
  EXPECT_EQ(read_text(path), "1\n2\n3\n4\n");
}

TEST(FileTest, AFullDiskIsNamed) {
  AppendFile full("/dev/full");
  EXPECT_THAT([&] { full.append("x"); },
              ThrowsMessage<CannotWrite>(AllOf(HasSubstr("/dev/full"), HasSubstr("No space left"))));
}

TEST(FileTest, WhereNothingCanBeWrittenTheErrorSaysWhereAndWhy) {
  const test::TemporaryDirectory directory;
  const Path inside_a_file = directory.write("plain", "") / "x";
  const auto names_both = AllOf(HasSubstr(inside_a_file.string()), HasSubstr("Not a directory"));
  EXPECT_THAT([&] { write_file(inside_a_file, "x"); }, ThrowsMessage<CannotWrite>(names_both));
  EXPECT_THAT([&] { AppendFile log(inside_a_file); }, ThrowsMessage<CannotWrite>(names_both));
  EXPECT_THAT([&] { make_directories(inside_a_file); }, ThrowsMessage<CannotWrite>(names_both));
  EXPECT_THAT([&] { make_directories(directory.path() / "plain"); },
              ThrowsMessage<CannotWrite>(HasSubstr("Not a directory")));
  EXPECT_THAT([&] { write_file(directory.path() / "absent" / "x", "x"); },
              ThrowsMessage<CannotWrite>(HasSubstr("No such file or directory")));
  EXPECT_THAT([&] { write_file("/proc/nagare-cannot-write-here", "x"); },
              ThrowsMessage<CannotWrite>(HasSubstr("/proc")));
}

TEST(FileTest, ReadingNamesTheFileAndTheReason) {
  const test::TemporaryDirectory directory;
  const Path absent = directory.path() / "absent";
  const auto reason = AllOf(HasSubstr(absent.string()), HasSubstr("No such file or directory"));
  EXPECT_THAT([&] { read_file(absent); }, ThrowsMessage<BadData>(reason));
  EXPECT_THAT([&] { map_file(absent); }, ThrowsMessage<BadData>(reason));
  EXPECT_THAT([&] { read_file(directory.path()); }, ThrowsMessage<BadData>(HasSubstr("not a regular file")));
  EXPECT_THAT([&] { read_file("/dev/zero"); }, ThrowsMessage<BadData>(HasSubstr("not a regular file")));
  EXPECT_THAT([&] { read_text(directory.write("big", "12345"), 4); },
              ThrowsMessage<BadData>(HasSubstr("5 bytes, at most 4")));
}

TEST(FileTest, ARangeIsReadWhereItIsWholeInTheFile) {
  const test::TemporaryDirectory directory;
  const Path path = directory.write("a", "0123456789");
  const auto text = [&](const ByteRange& range) {
    std::string read;
    for (const std::byte b : read_range(path, range)) read += static_cast<char>(b);
    return read;
  };
  EXPECT_EQ(text({.offset = 3, .size = 4}), "3456");
  EXPECT_EQ(text({.offset = 0, .size = 10}), "0123456789");
  EXPECT_EQ(text({.offset = 10, .size = 0}), "");
  const auto shorter =
      ThrowsMessage<BadData>(AllOf(HasSubstr(path.string()), HasSubstr("it became shorter")));
  EXPECT_THAT([&] { text({.offset = 7, .size = 4}); }, shorter);
  EXPECT_THAT([&] { text({.offset = 11, .size = 1}); }, shorter);
  EXPECT_THAT([&] { text({.offset = ~std::uint64_t{0}, .size = 1}); },
              ThrowsMessage<BadData>(HasSubstr("Invalid argument")));
  EXPECT_THAT([&] { read_range(path, {.offset = 0, .size = 5}, 4); },
              ThrowsMessage<BadData>(HasSubstr("5 bytes, at most 4")));
  EXPECT_THROW(text({.offset = 0, .size = std::uint64_t{1} << 62}), BadData);
  EXPECT_EQ(InputFile(path).size(), 10U);
  EXPECT_THAT([&] { InputFile(directory.path()); }, ThrowsMessage<BadData>(HasSubstr("not a regular file")));
}

TEST(FileTest, DirectoriesAreMadeWithTheirParents) {
  const test::TemporaryDirectory directory;
  const Path deep = directory.path() / "a" / "b" / "c";
  EXPECT_FALSE(io::exists(deep));
  make_directories(deep);
  make_directories(deep);
  EXPECT_TRUE(io::exists(deep));
  make_directories(directory.path() / "d" / "e" / "");
  EXPECT_TRUE(io::exists(directory.path() / "d" / "e"));
}

// Where a user may only enter and write, as in a drop box.
TEST(FileTest, DirectoriesAreMadeInOneThatCannotBeRead) {
  const test::TemporaryDirectory directory;
  const Path box = directory.path() / "box";
  std::filesystem::create_directory(box);
  constexpr auto kEnterAndWrite = static_cast<std::filesystem::perms>(0333);
  std::filesystem::permissions(directory.path(), static_cast<std::filesystem::perms>(0711));
  std::filesystem::permissions(box, kEnterAndWrite);
  const bool root = geteuid() == 0;  // whom permissions do not stop
  if (root) {
    ASSERT_EQ(seteuid(65534), 0);
  }
  EXPECT_NO_THROW(make_directories(box / "a" / "b"));
  EXPECT_TRUE(io::exists(box / "a" / "b"));
  if (root) {
    ASSERT_EQ(seteuid(0), 0);
  }
  std::filesystem::permissions(box, std::filesystem::perms::owner_all);
}

TEST(DirectoryTest, IsListedInOrderAndRemovedWithAllInIt) {
  const test::TemporaryDirectory directory;
  for (const char* name : {"b/deep/file", "a", "c"}) {
    make_directories((directory.path() / name).parent_path());
    directory.write(name, "x");
  }
  std::error_code error;
  EXPECT_THAT(list_directory(directory.path(), error),
              testing::ElementsAre(directory.path() / "a", directory.path() / "b", directory.path() / "c"));
  EXPECT_FALSE(error);
  for (const char* name : {"b", "a", "none"}) {
    remove_tree(directory.path() / name, error);
    EXPECT_FALSE(error) << name;
  }
  EXPECT_THAT(list_directory(directory.path(), error), testing::ElementsAre(directory.path() / "c"));
  EXPECT_TRUE(list_directory(directory.path() / "c", error).empty());
  EXPECT_TRUE(error);
  EXPECT_EQ(list_directory(directory.path()), std::vector<Path>{directory.path() / "c"});
  EXPECT_THAT([&] { list_directory(directory.path() / "c"); },
              testing::ThrowsMessage<CannotWrite>(testing::EndsWith("/c: Not a directory")));
}

}  // namespace
}  // namespace nagare::io
