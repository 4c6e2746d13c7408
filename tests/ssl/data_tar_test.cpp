#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>

#include "engine/device/errors.h"
#include "ssl/data/dataset.h"
#include "tests/support/image_writer.h"
#include "tests/support/tar_writer.h"
#include "tests/support/temporary_directory.h"

namespace nagare::ssl {
namespace {

namespace fs = std::filesystem;
using test::tar_archive;
using test::TemporaryDirectory;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;
using Files = std::vector<std::pair<std::string, std::string>>;

// 8 x 8, all of one level: the level says which file a pixel came from.
std::string flat_png(int level) {
  return test::png_file(test::make_picture(8, 8, 3, [&](int, int, int) { return level; }));
}

std::vector<int> levels(const Split& split) {
  std::vector<int> found;
  for (std::int64_t i = 0; i < split.size(); ++i)
    found.push_back(split.images.rows(i, 1).data<std::uint8_t>()[0]);
  return found;
}

struct TarDataTest : testing::Test {
  TemporaryDirectory directory;

  std::string write(const std::string& name, const Files& files) const {
    return directory.write(name, tar_archive(files)).string();
  }
  Dataset load(const std::string& files, const std::string& options = "") const {
    return load_dataset("tar:" + directory.string() + "/" + files + ",size=8" + options, {});
  }
  // The same data set as of a folder that holds the files.
  void expect_as_folder(const std::string& folder, const std::string& archive) const {
    const Dataset a = load_dataset("folder:" + directory.string() + "/" + folder + ",size=8", {});
    const Dataset b = load(archive);
    EXPECT_EQ(a.class_names, b.class_names);
    for (Split Dataset::*split : {&Dataset::train, &Dataset::test}) {
      EXPECT_EQ(levels(a.*split), levels(b.*split));
      EXPECT_EQ((a.*split).labels.classes, (b.*split).labels.classes);
      ASSERT_EQ((a.*split).size() > 0, (b.*split).size() > 0);
      if ((a.*split).size() == 0) continue;
      EXPECT_EQ((a.*split).images.to_vector<std::uint8_t>(), (b.*split).images.to_vector<std::uint8_t>());
    }
    EXPECT_EQ(a.mean, b.mean);
  }
};

// Names whose order as texts is not their order as paths, endings in upper case, what is passed over.
Files tree_files(const std::string& split, int first) {
  Files files;
  for (const char* name : {"cat/b-1.png", "cat/b/1.png", "cat/b.PNG", "cat/10.png", "cat/9.png",
                           "cat-a/1.png", "cat-a/2.png", "Zebra/deep/er/1.png", "Zebra/2.png", "Zebra/3.png"})
    files.emplace_back(split + name, flat_png(first++));
  for (const char* name :
       {"cat/.hidden.png", "cat/.d/1.png", ".thumbnails/1.png", "cat/notes.txt", "top.png"})
    files.emplace_back(split + name, "passed over");
  return files;
}

TEST_F(TarDataTest, GivesWhatAFolderOfTheSameFilesGives) {
  for (const auto& [name, content] : tree_files("plain/", 10)) directory.write(name, content);
  Files packed = tree_files("", 10);
  std::ranges::reverse(packed);
  write("plain.tar", packed);
  expect_as_folder("plain", "plain.tar");
  Files around = tree_files("pets/", 10);
  std::erase_if(around, [](const auto& file) { return file.first == "pets/top.png"; });
  write("around.tar", around);
  expect_as_folder("plain", "around.tar");

  Files splits = tree_files("train/", 10);
  std::ranges::move(tree_files("val/", 100), std::back_inserter(splits));
  std::ranges::move(tree_files("test/", 150), std::back_inserter(splits));
  for (const auto& [name, content] : splits) directory.write("splits/" + name, content);
  for (auto& [name, content] : splits) name = "./" + name;
  write("splits.tar", splits);
  expect_as_folder("splits", "splits.tar");
  EXPECT_EQ(load("splits.tar").test.size(), 10);
}

TEST_F(TarDataTest, AFolderAroundTheOthersIsTakenOff) {
  Files splits = tree_files("train/", 10);
  std::ranges::move(tree_files("val/", 100), std::back_inserter(splits));
  for (const auto& [name, content] : splits) directory.write("splits/" + name, content);
  for (auto& [name, content] : splits) name = "./ds/" + name;
  splits.emplace_back("./ds/logo.png", "passed over");
  splits.emplace_back("./top.png", "passed over");
  write("splits.tar", splits);
  expect_as_folder("splits", "splits.tar");
  EXPECT_EQ(load("splits.tar").test.size(), 10);
  // A picture of its own makes it a class, where it has no train/ with class folders.
  for (const char* other : {"ds/train/1.png", "ds/cat/1.png", "ds/cat/deep/1.png"}) {
    write("class.tar", {{"ds/2.png", flat_png(2)}, {other, flat_png(3)}});
    EXPECT_THAT(load("class.tar").class_names, ElementsAre("ds")) << other;
  }
  write("two.tar", {{"ds/train/a/1.png", flat_png(2)}, {"other/1.png", flat_png(3)}});
  EXPECT_THAT(load("two.tar").class_names, ElementsAre("ds", "other"));
  // A class may be called train.
  write("train.tar", {{"train/cat/1.png", flat_png(2)}, {"train/train/deep/1.png", flat_png(3)}});
  EXPECT_THAT(load("train.tar").class_names, ElementsAre("cat", "train"));
}

TEST_F(TarDataTest, TheSystemsArchivesGiveWhatTheFolderGives) {
  if (std::system("tar --version >/dev/null 2>&1") != 0) GTEST_SKIP() << "no tar on this machine";
  const std::string deep = "tree/train/cat/" + std::string(90, 'd') + "/" + std::string(90, 'n') + ".png";
  for (const auto& [name, content] : tree_files("tree/train/", 10)) directory.write(name, content);
  for (const auto& [name, content] : tree_files("tree/test/", 100)) directory.write(name, content);
  directory.write(deep, flat_png(77));
  for (const char* format : {"gnu", "pax", "ustar"}) {
    for (const char* what : {"tree", "-C tree .", "-C tree train test"}) {
      const std::string command =
          "cd '" + directory.string() + "' && tar --format=" + format + " -cf x.tar " + what;
      ASSERT_EQ(std::system(command.c_str()), 0);
      expect_as_folder("tree", "x.tar");
    }
  }
}

TEST_F(TarDataTest, OptionsAreThoseOfFolders) {
  Files files;
  for (int i = 0; i < 5; ++i) {
    for (const char* name : {"a", "b", "c"})
      files.emplace_back(name + std::string("/") + std::to_string(i) + ".png",
                         flat_png(10 * (name[0] - 'a') + i));
  }
  write("x.tar", files);
  EXPECT_EQ(load("x.tar").test.size(), 3);
  EXPECT_EQ(load("x.tar", ",test-fraction=0").test.size(), 0);
  EXPECT_THAT(load("x.tar", ",classes=2").class_names, ElementsAre("a", "b"));
  const std::string list = directory.write("list.txt", "c\n0\n").string();
  EXPECT_THAT(load("x.tar", ",classes=" + list).class_names, ElementsAre("c", "a"));
  EXPECT_EQ(load("x.tar", ",per-class=2,test=3").train.size(), 6);
}

TEST_F(TarDataTest, TestPicturesMayLieInArchivesOfTheirOwn) {
  write("train.tar", {{"train/a/1.png", flat_png(1)}, {"train/b/1.png", flat_png(2)}});
  const std::string val = write("val.tar", {{"val/b/1.png", flat_png(3)}});
  const Dataset data = load("train.tar", ",val=" + val);
  EXPECT_THAT(levels(data.train), ElementsAre(1, 2));
  EXPECT_THAT(levels(data.test), ElementsAre(3));
  EXPECT_THAT(data.test.labels.classes, ElementsAre(1));
  EXPECT_THAT([&] { load("train.tar", ",test-fraction=0.5,val=" + val); },
              ThrowsMessage<BadConfig>(HasSubstr("test-fraction= has no use: there is " + val)));
  EXPECT_THAT([&] { load("train.tar", ",val="); },
              ThrowsMessage<BadConfig>(HasSubstr("val= needs archives")));
  write("both.tar", {{"train/a/1.png", flat_png(1)}, {"test/a/1.png", flat_png(2)}});
  EXPECT_THAT([&] { load("both.tar", ",val=" + val); },
              ThrowsMessage<BadConfig>(HasSubstr("val= has no use: there is")));
  EXPECT_THAT([&] { load("train.tar", ",val=" + directory.string() + "/train.tar"); },
              ThrowsMessage<BadConfig>(HasSubstr("val= names the archives that are trained on")));
  EXPECT_THAT(
      [&] { load("train.tar", ",val=" + directory.string() + "/both.tar"); },
      ThrowsMessage<BadConfig>(AllOf(HasSubstr("val=: there are both "), HasSubstr("both.tar: train and "),
                                     HasSubstr("both.tar: test; needs archives of class folders "
                                               "or samples alone"))));
  const std::string other = write("other.tar", {{"c/1.png", flat_png(3)}});
  EXPECT_THAT([&] { load("train.tar", ",val=" + other); },
              ThrowsMessage<BadData>(HasSubstr("other.tar/c: no training images of this class")));
}

TEST_F(TarDataTest, ShardsAreTakenInOrder) {
  write("s-008.tar", {{"b/1.png", flat_png(1)}, {"a/1.png", flat_png(2)}});
  write("s-009.tar", {{"a/1.png", flat_png(3)}, {"a/0.png", flat_png(4)}});
  write("s-010.tar", {{"b/0.png", flat_png(5)}});
  const Dataset data = load("s-{008..010}.tar", ",test-fraction=0");
  EXPECT_THAT(data.class_names, ElementsAre("a", "b"));
  EXPECT_THAT(levels(data.train), ElementsAre(4, 2, 3, 5, 1));
  EXPECT_EQ(load("s-{009..009}.tar", ",test-fraction=0").train.size(), 2);
  EXPECT_THAT([&] { load("s-{008..011}.tar"); },
              ThrowsMessage<BadData>(AllOf(HasSubstr("s-011.tar"), HasSubstr("No such file"))));
  for (const char* series : {"s-{9..8}.tar", "s-{0..100000}.tar", "s-{0..99999999999999999999}.tar"})
    EXPECT_THAT([&] { load(series); }, ThrowsMessage<BadConfig>(HasSubstr("at most 100000 of them")))
        << series;
  const std::string padded(19, '0');
  write("s-" + padded + "7.tar", {{"a/1.png", flat_png(7)}});
  EXPECT_THAT(levels(load("s-{" + padded + "7..7}.tar").train), ElementsAre(7));
  for (const std::string& series : {"s-{0" + padded + "7..7}.tar", "s-{7..0" + padded + "7}.tar"})
    EXPECT_THAT([&] { load(series); }, ThrowsMessage<BadConfig>(HasSubstr("21 digits, at most 20")));
  // No series of numbers: names as they are.
  for (const char* name : {"{a..b}.tar", "{1..}.tar", "{..}.tar", "{1.2}.tar", "{1..2.tar", "x{}..{.tar"}) {
    write(name, {{"a/1.png", flat_png(7)}});
    EXPECT_THAT(levels(load(name).train), ElementsAre(7)) << name;
  }
}

TEST_F(TarDataTest, WebDatasetSamplesAreLabelledByTheirCls) {
  write("w-0.tar", {{"n/b.jpg", flat_png(1)},
                    {"n/b.cls", "10\n"},
                    {"n/b.seg.png", "not looked at"},
                    {"n/a.CLS", "9"},
                    {"n/a.v1.JSON", "{}"},
                    {"n/a.PNG", flat_png(2)},
                    {"__index__", "5"},
                    {"__meta.cls__", "5"},
                    {"README", ""},
                    {".hidden.cls", "7"}});
  write("w-1.tar", {{"n/b.cls", " 9"}, {"n/b.webp", flat_png(3)}});
  EXPECT_THAT([&] { load("w-1.tar"); }, ThrowsMessage<BadData>(HasSubstr("needs a class's number")));
  write("w-1.tar", {{"n/b.cls", "009 \r\n"}, {"n/b.png", flat_png(3)}});
  const Dataset data = load("w-{0..1}.tar", ",test-fraction=0");
  EXPECT_THAT(data.class_names, ElementsAre("9", "10"));
  EXPECT_THAT(levels(data.train), ElementsAre(2, 3, 1));
  EXPECT_THAT(data.train.labels.classes, ElementsAre(0, 0, 1));
  const Dataset tested = load("w-0.tar", ",val=" + directory.string() + "/w-{1..1}.tar");
  EXPECT_THAT(levels(tested.test), ElementsAre(3));
  EXPECT_THAT(tested.test.labels.classes, ElementsAre(0));
}

TEST_F(TarDataTest, UnderscoresAroundAFirstPartMarkWhatIsPassedOver) {
  write("x.tar", {{"__meta__/shard.json", "{}"},
                  {"__data__/s0.png", flat_png(1)},
                  {"__data__/s0.cls", "3"},
                  {"__s1__.png", flat_png(2)},
                  {"__s1__.cls", "4"}});
  const Dataset data = load("x.tar", ",test-fraction=0");
  EXPECT_THAT(data.class_names, ElementsAre("4"));
  EXPECT_THAT(levels(data.train), ElementsAre(2));
}

// As with directories: a train/ without class folders is no data set, and a val/ without any tests nothing.
TEST_F(TarDataTest, ASplitIsThereWhenAnythingLiesInIt) {
  for (const std::string top : {"", "d/"}) {
    write("x.tar", {{top + "train/0.png", flat_png(1)}, {top + "val/0.png", flat_png(2)}});
    EXPECT_THAT([&] { load("x.tar"); },
                ThrowsMessage<BadData>(HasSubstr(top + "train: no class folders with pictures in it")));
    write("y.tar", {{top + "train/c0/0.png", flat_png(1)},
                    {top + "train/c0/1.png", flat_png(2)},
                    {top + "val/0.png", flat_png(3)}});
    const Dataset data = load("y.tar");
    EXPECT_THAT(levels(data.train), ElementsAre(1, 2));
    EXPECT_EQ(data.test.size(), 0);
  }
}

TEST_F(TarDataTest, SamplesThatAreNotWholeAreNamed) {
  const std::string png = flat_png(1);
  const std::pair<Files, const char*> cases[] = {
      {{{"a.cls", "1"}}, "x.tar: sample \"a\" has no picture"},
      {{{"a.cls", "1"}, {"a.seg.png", png}}, "sample \"a\" has no picture"},
      {{{"a.cls", "1"}, {"a.png", png}, {"b.png", png}}, "sample \"b\" has no .cls"},
      {{{"a.png", png}, {"b.png", png}, {"b.cls", "1"}}, "sample \"a\" has no .cls"},
      {{{"a.png", png}, {"a.PNG", png}, {"a.cls", "1"}}, "x.tar: a.PNG: a second .png of this sample"},
      {{{"a.png", png}, {"a.jpg", png}, {"a.cls", "1"}}, "a.jpg: a second picture of this sample"},
      {{{"a.png", png}, {"a.cls", "1"}, {"b.png", png}, {"b.cls", "1"}, {"a.json", ""}},
       "a.json: apart from the other members of its sample"},
      {{{"a.png", png}, {"a.cls", "cat"}}, "x.tar: a.cls: \"cat\"; needs a class's number, 0 to 999999"},
      {{{"a.png", png}, {"a.cls", ""}}, "\"\"; needs a class's number"},
      {{{"a.png", png}, {"a.cls", "\n"}}, "\"\\x0a\"; needs a class's number"},
      {{{"a.png", png}, {"a.cls", "-1"}}, "\"-1\"; needs a class's number"},
      {{{"a.png", png}, {"a.cls", "1000000"}}, "\"1000000\"; needs a class's number"},
      {{{"a.png", png}, {"a.cls", "18446744073709551617"}}, "needs a class's number"},
      {{{"a.png", png}, {"a.cls", "1\n2"}}, "\"1\\x0a2\"; needs a class's number"},
      {{{"a.png", png}, {"a.cls", std::string(33, '1')}}, "33 bytes; needs a class's number"},
      {{{"a.png", png}}, "neither class folders with pictures in it nor samples with a .cls"},
      {{{"a/x.txt", ""}}, "neither class folders"},
      {{}, "neither class folders"},
  };
  for (const auto& [files, reason] : cases) {
    write("x.tar", files);
    EXPECT_THAT([&] { load("x.tar"); }, ThrowsMessage<BadData>(HasSubstr(reason)));
  }
}

TEST_F(TarDataTest, ABadPictureInAHundredIsReplacedByItsNeighbour) {
  Files files;
  for (int i = 0; i < 200; ++i) files.emplace_back("a/" + std::to_string(100 + i) + ".png", flat_png(i));
  files[20].second = files[20].second.substr(0, 60);
  write("x.tar", files);
  const Dataset data = load("x.tar", ",test-fraction=0");
  EXPECT_EQ(levels(data.train)[20], 21);
  ASSERT_EQ(data.skipped.size(), 1U);
  EXPECT_EQ(data.skipped[0].path, directory.string() + "/x.tar: a/120.png");
  EXPECT_THAT(data.skipped[0].reason, HasSubstr("the file ends early"));
}

TEST_F(TarDataTest, TheCacheKnowsWhereInTheArchiveAPictureLies) {
  const auto load_cached = [&] {
    return load_dataset("tar:" + directory.string() + "/x.tar,size=8,test-fraction=0",
                        {.cache_dir = directory.string() + "/cache"});
  };
  const auto count = [&] {
    return std::distance(fs::directory_iterator(directory.path() / "cache"), fs::directory_iterator());
  };
  const fs::path path = write("x.tar", {{"a/1.png", flat_png(1)}, {"b/2.png", flat_png(2)}});
  const auto time = fs::last_write_time(path);
  EXPECT_THAT(levels(load_cached().train), ElementsAre(1, 2));
  EXPECT_THAT(levels(load_cached().train), ElementsAre(1, 2));
  EXPECT_EQ(count(), 1);
  // The same size and time, the same names, other places.
  write("x.tar", {{"b/2.png", flat_png(2)}, {"a/1.png", flat_png(1)}});
  fs::last_write_time(path, time);
  EXPECT_THAT(levels(load_cached().train), ElementsAre(1, 2));
  EXPECT_EQ(count(), 2);
}

// Names are keys: nothing outside the archive is read, made or changed, whatever it holds.
TEST_F(TarDataTest, AHostileArchiveIsRefusedAndTouchesNothing) {
  directory.write("secret/a/1.png", flat_png(200));
  write("x.tar", {{"a/1.png", flat_png(1)}});
  const auto tree = [&] {
    std::vector<std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(directory.path())) {
      found.push_back(entry.path().string());
      if (!entry.is_regular_file() || entry.path().filename() == "x.tar") continue;
      std::ifstream file(entry.path(), std::ios::binary);
      found.back() += std::string(std::istreambuf_iterator<char>(file), {});
    }
    std::ranges::sort(found);
    return found;
  };
  const std::vector<std::string> before = tree();
  const std::string outside = directory.string() + "/secret/a/1.png";
  const std::string good = test::tar_file("a/1.png", flat_png(1));
  const std::pair<std::string, const char*> cases[] = {
      {test::tar_file("../secret/a/1.png", "x"),
       "member \"../secret/a/1.png\": \"..\" as a part of its name"},
      {test::tar_file(outside.substr(0, 100), "x"), "its name is absolute"},
      {test::tar_member({.name = "b/2.png", .type = '2', .link = "../secret/a/1.png"}, ""),
       "is a symbolic link"},
      {test::tar_member({.name = "b/2.png", .type = '1', .link = "../secret/a/1.png"}, ""), "is a hard link"},
      {test::tar_member({.name = "b", .type = '2', .link = "secret"}, "") + test::tar_file("b/a/1.png", "x"),
       "member \"b\": is a symbolic link"},
      {good, "\"a/1.png\": is there twice"},
      {test::tar_pax(test::pax_record("path", "../secret/a/1.png")) + test::tar_file("b/1.png", "x"),
       "\"..\""},
      {test::tar_pax(test::pax_record("path", outside)) + test::tar_file("b/1.png", "x"), "absolute"},
      {test::tar_end() + good, "a second archive?"},
  };
  for (const auto& [archive, reason] : cases) {
    directory.write("x.tar", good + archive + test::tar_end());
    EXPECT_THAT([&] { load("x.tar"); },
                ThrowsMessage<BadData>(AllOf(HasSubstr("x.tar: "), HasSubstr(reason))));
    EXPECT_EQ(tree(), before);
  }
}

}  // namespace
}  // namespace nagare::ssl
