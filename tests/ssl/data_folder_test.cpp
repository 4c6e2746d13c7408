#include <gmock/gmock.h>

#include <fstream>

#include "engine/device/errors.h"
#include "ssl/data/folder.h"
#include "ssl/data/image_cache.h"
#include "ssl/data/image_files.h"
#include "tests/support/image_writer.h"
#include "tests/support/temporary_directory.h"

namespace nagare::ssl {
namespace {

namespace fs = std::filesystem;
using test::TemporaryDirectory;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

// 8 x 8, all of one level: the level says which file a pixel came from.
std::string flat_png(int level) {
  return test::png_file(test::make_picture(8, 8, 3, [&](int, int, int) { return level; }));
}

// CLASS/NN.png with levels first, first + 1, ...
void write_class(const TemporaryDirectory& directory, const std::string& folder, int first, int count) {
  for (int i = 0; i < count; ++i)
    directory.write(folder + "/" + std::to_string(100 + i) + ".png", flat_png(first + i));
}

std::vector<int> levels(const Split& split) {
  std::vector<int> found;
  for (std::int64_t i = 0; i < split.size(); ++i)
    found.push_back(split.images.rows(i, 1).data<std::uint8_t>()[0]);
  return found;
}

TEST(Folder, ClassFoldersAreSplitAlwaysAlike) {
  const TemporaryDirectory directory;
  write_class(directory, "cat", 10, 10);
  write_class(directory, "dog", 50, 5);
  write_class(directory, "emu", 90, 1);
  directory.write("cat/notes.txt", "not an image");
  directory.write("cat/.hidden.png", "not looked at");
  directory.write("readme.md", "");
  const std::string spec = "folder:" + directory.string() + ",size=8";
  const Dataset data = load_dataset(spec, {.seed = 1});
  EXPECT_THAT(data.class_names, ElementsAre("cat", "dog", "emu"));
  EXPECT_EQ(data.train.size(), 8 + 4 + 1);
  EXPECT_EQ(data.test.size(), 2 + 1);
  EXPECT_THAT(data.test.labels.classes, ElementsAre(0, 0, 1));
  std::vector<int> all = levels(data.train);
  const std::vector<int> test = levels(data.test);
  all.insert(all.end(), test.begin(), test.end());
  EXPECT_THAT(all,
              testing::UnorderedElementsAre(10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 50, 51, 52, 53, 54, 90));
  EXPECT_EQ(levels(load_dataset(spec, {.seed = 2}).test), test);
  EXPECT_EQ(load_dataset(spec + ",test-fraction=0", {}).test.size(), 0);
  EXPECT_EQ(load_dataset(spec + ",per-class=1,test=0", {}).train.size(), 3);
}

// A class list chooses classes and their order, by folder or by number among all; a number takes the first ones.
TEST(Folder, AClassListChoosesClassesAndTheirOrder) {
  const TemporaryDirectory directory;
  for (const char* split : {"images/train/", "images/val/"}) {
    write_class(directory, std::string(split) + "ant hill", 10, 2);
    write_class(directory, std::string(split) + "bee", 20, 2);
    write_class(directory, std::string(split) + "cat", 30, 2);
  }
  const std::string list = directory.write("list.txt", "# mine\ncat\r\n\n0  # ant hill\n").string();
  const std::string spec = "folder:" + directory.string() + "/images,size=8,classes=";
  const Dataset data = load_dataset(spec + list, {});
  EXPECT_THAT(data.class_names, ElementsAre("cat", "ant hill"));
  EXPECT_THAT(levels(data.train), ElementsAre(10, 11, 30, 31));
  EXPECT_THAT(data.train.labels.classes, ElementsAre(1, 1, 0, 0));
  EXPECT_THAT(levels(data.test), ElementsAre(10, 11, 30, 31));
  EXPECT_THAT(load_dataset(spec + "2", {}).class_names, ElementsAre("ant hill", "bee"));
  EXPECT_THAT([&] { load_dataset(spec + "4", {}); },
              ThrowsMessage<BadConfig>(HasSubstr("classes=4: there are 3")));
  EXPECT_THAT([&] { load_dataset(spec, {}); }, ThrowsMessage<BadConfig>(HasSubstr("needs a file")));
  EXPECT_THROW(load_dataset(spec + list + ".none", {}), BadData);
  directory.write("list.txt", "bee\nbeee\n");
  EXPECT_THAT([&] { load_dataset(spec + list, {}); },
              ThrowsMessage<BadData>(AllOf(HasSubstr("line 2"), HasSubstr("nearest is \"bee\""))));
  directory.write("list.txt", "bee\n1\n");
  EXPECT_THAT([&] { load_dataset(spec + list, {}); },
              ThrowsMessage<BadData>(HasSubstr("line 2: bee comes twice")));
  directory.write("list.txt", "bee\n" + std::string(1 << 20, 'b') + "\n");
  EXPECT_THAT([&] { load_dataset(spec + list, {}); },
              ThrowsMessage<BadData>(HasSubstr("line 2: 1048576 bytes, at most 4096")));
  directory.write("list.txt", "# none\n");
  EXPECT_THAT([&] { load_dataset(spec + list, {}); }, ThrowsMessage<BadData>(HasSubstr("names no class")));
}

TEST(Folder, GivenSplitsAreTaken) {
  const TemporaryDirectory directory;
  write_class(directory, "train/a", 10, 3);
  write_class(directory, "train/b/deeper", 20, 2);
  write_class(directory, "val/b", 30, 1);
  const std::string spec = "folder:" + directory.string() + ",size=8";
  const Dataset data = load_dataset(spec, {});
  EXPECT_THAT(levels(data.train), ElementsAre(10, 11, 12, 20, 21));
  EXPECT_THAT(levels(data.test), ElementsAre(30));
  EXPECT_THAT(data.test.labels.classes, ElementsAre(1));
  EXPECT_THAT([&] { load_dataset(spec + ",test-fraction=0.5", {}); },
              ThrowsMessage<BadConfig>(HasSubstr("has no use")));
  write_class(directory, "val/c", 30, 1);
  EXPECT_THAT([&] { load_dataset(spec, {}); },
              ThrowsMessage<BadData>(HasSubstr("val/c: no training images")));
}

TEST(Folder, EmptyPlacesAreNamed) {
  const TemporaryDirectory directory;
  const std::string spec = "folder:" + directory.string();
  EXPECT_THAT([] { load_dataset("folder:/nowhere", {}); },
              ThrowsMessage<BadData>(HasSubstr("/nowhere: no such directory")));
  EXPECT_THAT([&] { load_dataset(spec, {}); }, ThrowsMessage<BadData>(HasSubstr("no class sub-folders")));
  directory.write("flat.png", flat_png(1));
  EXPECT_THAT([&] { load_dataset(spec, {}); }, ThrowsMessage<BadData>(HasSubstr("no class sub-folders")));
  fs::create_directory(directory.path() / "empty");
  EXPECT_THAT([&] { load_dataset(spec, {}); }, ThrowsMessage<BadData>(HasSubstr("empty: no image files")));
}

TEST(Folder, NamesThatAreNotUtf8AreShownEscaped) {
  const TemporaryDirectory directory;
  write_class(directory, "b\xff\xfe", 10, 2);
  directory.write("b\xff\xfe/x\nbad.jpg", "junk");
  EXPECT_THAT(
      [&] { load_dataset("folder:" + directory.string(), {}); },
      ThrowsMessage<BadData>(AllOf(HasSubstr("b\\xff\\xfe/x\\x0abad.jpg"), HasSubstr("not an image"))));
  fs::remove(directory.path() / "b\xff\xfe/x\nbad.jpg");
  EXPECT_THAT(load_dataset("folder:" + directory.string() + ",size=8", {}).class_names,
              ElementsAre("b\\xff\\xfe"));
}

TEST(Folder, ABadFileInAHundredIsReplacedByItsNeighbour) {
  const TemporaryDirectory directory;
  write_class(directory, "train/a", 10, 60);
  write_class(directory, "train/b", 100, 140);
  write_class(directory, "val/a", 1, 1);
  directory.write("train/a/120.png", flat_png(30).substr(0, 60));
  directory.write("train/b/239.png", "");  // the last one: the first takes its place
  const Dataset data = load_dataset("folder:" + directory.string() + ",size=8", {});
  ASSERT_EQ(data.train.size(), 200);
  EXPECT_EQ(levels(data.train)[20], 31);
  EXPECT_EQ(levels(data.train)[21], 31);
  EXPECT_EQ(levels(data.train)[199], 100);
  ASSERT_EQ(data.skipped.size(), 2U);
  EXPECT_THAT(data.skipped[0].path, HasSubstr("train/a/120.png"));
  EXPECT_THAT(data.skipped[0].reason, HasSubstr("the file ends early"));
  EXPECT_THAT(data.skipped[1].reason, HasSubstr("empty file"));
  directory.write("train/a/121.png", "junk");
  EXPECT_THAT(
      [&] { load_dataset("folder:" + directory.string() + ",size=8", {}); },
      ThrowsMessage<BadData>(AllOf(HasSubstr("120.png"), HasSubstr("and 2 more of 201 files; at most 1 %"))));
}

TEST(Folder, AClassWithoutAGoodImageIsRefused) {
  const TemporaryDirectory directory;
  write_class(directory, "train/a", 0, 120);
  write_class(directory, "val/a", 1, 1);
  directory.write("train/b/1.webp", "RIFF....WEBPVP8 ....");
  EXPECT_THAT([&] { load_dataset("folder:" + directory.string() + ",size=8", {}); },
              ThrowsMessage<BadData>(AllOf(HasSubstr("1.webp"), HasSubstr("WebP"),
                                           HasSubstr("class b has no good training image"))));
}

struct CacheTest : testing::Test {
  TemporaryDirectory directory;
  TemporaryDirectory cache;
  std::string spec;
  DataOptions options;

  CacheTest() {
    write_class(directory, "train/a", 10, 120);
    write_class(directory, "val/a", 200, 2);
    directory.write("train/a/105.png", "junk");
    spec = "folder:" + directory.string() + ",size=8";
    options.cache_dir = (cache.path() / "made/on/demand").string();
  }
  // The only file of the cache.
  fs::path cache_file() const {
    for (const auto& entry : fs::directory_iterator(options.cache_dir)) return entry.path();
    return {};
  }
  static std::string read(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static void expect_same(const Dataset& a, const Dataset& b) {
    EXPECT_EQ(levels(a.train), levels(b.train));
    EXPECT_EQ(levels(a.test), levels(b.test));
    EXPECT_EQ(a.train.labels.classes, b.train.labels.classes);
    EXPECT_EQ(a.class_names, b.class_names);
    ASSERT_EQ(a.skipped.size(), b.skipped.size());
    EXPECT_EQ(a.skipped[0].path, b.skipped[0].path);
    EXPECT_EQ(a.skipped[0].reason, b.skipped[0].reason);
    EXPECT_EQ(a.mean, b.mean);
  }
};

TEST_F(CacheTest, GivesWhatDecodingGave) {
  const Dataset first = load_dataset(spec, options);
  EXPECT_TRUE(first.notes.empty());
  const auto written = fs::last_write_time(cache_file());
  expect_same(load_dataset(spec, options), first);
  EXPECT_EQ(fs::last_write_time(cache_file()), written);
  expect_same(load_dataset(spec, {}), first);
}

TEST_F(CacheTest, AnyDamageIsNoticedAndMended) {
  const Dataset first = load_dataset(spec, options);
  const fs::path path = cache_file();
  const std::string good = read(path);
  for (std::size_t at = 0; at < good.size(); at += 1 + good.size() / 97) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x10);
    std::ofstream(path, std::ios::binary) << bad;
    Dataset untouched;
    EXPECT_FALSE(
        load_cache(path.string(), std::stoull(path.stem().string().substr(7), nullptr, 16), untouched))
        << "byte " << at;
    EXPECT_EQ(untouched.train.size(), 0);
  }
  for (const std::size_t length : {std::size_t{0}, std::size_t{10}, std::size_t{64}, good.size() - 1}) {
    std::ofstream(path, std::ios::binary) << good.substr(0, length);
    expect_same(load_dataset(spec, options), first);
    EXPECT_EQ(read(path), good);
  }
}

TEST_F(CacheTest, AChangedFileOrOptionIsDecodedAnew) {
  load_dataset(spec, options);
  directory.write("train/a/100.png", flat_png(77));
  fs::last_write_time(directory.path() / "train/a/100.png",
                      fs::file_time_type::clock::now() + std::chrono::seconds(5));
  EXPECT_EQ(levels(load_dataset(spec, options).train)[0], 77);
  EXPECT_EQ(load_dataset("folder:" + directory.string() + ",size=16", options).image_size(), 16);
}

TEST_F(CacheTest, ACacheThatCannotBeWrittenIsDoneWithout) {
  options.cache_dir = (directory.write("file", "") / "below").string();
  const Dataset data = load_dataset(spec, options);
  EXPECT_EQ(data.train.size(), 120);
  ASSERT_EQ(data.notes.size(), 1U);
  EXPECT_THAT(data.notes[0], HasSubstr("not cached"));
}

struct TinyImageNetTest : testing::Test {
  TemporaryDirectory directory;
  TinyImageNetTest() {
    write_class(directory, "tiny-imagenet-200/train/n02/images", 20, 3);
    write_class(directory, "tiny-imagenet-200/train/n01/images", 10, 2);
    directory.write("tiny-imagenet-200/train/n01/n01_boxes.txt", "a\t1\t2\t3\t4\n");
    directory.write("tiny-imagenet-200/words.txt", "n02\tcat, feline\nn00\tentity\n");
    directory.write("tiny-imagenet-200/val/images/v0.png", flat_png(30));
    directory.write("tiny-imagenet-200/val/images/v1.png", flat_png(31));
    annotate("v1.png\tn02\t0\t0\t1\t1\nv0.png\tn01\t0\t0\t1\t1\r\n");
  }
  void annotate(const std::string& text) {
    directory.write("tiny-imagenet-200/val/val_annotations.txt", text);
  }
  Dataset load() { return load_dataset("tinyimagenet:" + directory.string() + ",size=8", {}); }
};

TEST_F(TinyImageNetTest, ReadsFoldersAnnotationsAndWords) {
  const Dataset data = load();
  EXPECT_THAT(data.class_names, ElementsAre("n01", "cat"));
  EXPECT_THAT(levels(data.train), ElementsAre(10, 11, 20, 21, 22));
  EXPECT_THAT(levels(data.test), ElementsAre(31, 30));
  EXPECT_THAT(data.test.labels.classes, ElementsAre(1, 0));
}

TEST_F(TinyImageNetTest, BadAnnotationsAreNamedWithTheirLine) {
  annotate("v1.png\tn02\nv0.png\tn99\t0\n");
  EXPECT_THAT([&] { load(); },
              ThrowsMessage<BadData>(AllOf(HasSubstr("val_annotations.txt: line 2"), HasSubstr("n99"))));
  annotate("v1.png");
  EXPECT_THAT([&] { load(); }, ThrowsMessage<BadData>(HasSubstr("line 1")));
  for (const char* name : {"../images/v0.png", "/etc/hostname", "..", ".", "a/b.png", ""}) {
    annotate(std::string("v1.png\tn02\n") + name + "\tn01\n");
    EXPECT_THAT([&] { load(); },
                ThrowsMessage<BadData>(AllOf(HasSubstr("line 2"), HasSubstr("not the name of a file"))))
        << name;
  }
  annotate("v1.png\tn02\n" + std::string(5000, 'x') + "\tn01\n");
  EXPECT_THAT([&] { load(); }, ThrowsMessage<BadData>(HasSubstr("line 2: 5004 bytes")));
  annotate("missing.png\tn01\n");
  EXPECT_THAT([&] { load(); }, ThrowsMessage<BadData>(HasSubstr("missing.png")));
  fs::remove(directory.path() / "tiny-imagenet-200/val/val_annotations.txt");
  EXPECT_THAT([&] { load(); }, ThrowsMessage<BadData>(HasSubstr("val_annotations.txt")));
  EXPECT_THAT([] { load_dataset("tinyimagenet:/nowhere", {}); },
              ThrowsMessage<BadData>(HasSubstr("no such directory")));
}

}  // namespace
}  // namespace nagare::ssl
