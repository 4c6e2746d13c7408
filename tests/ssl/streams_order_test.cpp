// The published class orders, against the lists that were published or computed from the published rule.
#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <numeric>

#include "engine/device/errors.h"
#include "ssl/data/name_list.h"
#include "ssl/streams/class_order.h"
#include "ssl/streams/published_random.h"
#include "tests/support/temporary_directory.h"

namespace nagare::ssl {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::HasSubstr;
using testing::ThrowsMessage;
using Order = std::vector<std::int64_t>;

const Order kCassle = {11, 22, 39, 23, 42, 30, 78, 81, 64, 20, 29, 79, 15, 69, 86, 63, 55, 53, 73, 68,
                       89, 67, 58, 97, 96, 92, 37, 14, 75, 51, 54, 7,  3,  6,  50, 40, 45, 4,  83, 98,
                       27, 12, 8,  99, 60, 87, 28, 5,  84, 34, 82, 16, 72, 49, 59, 31, 71, 35, 66, 76,
                       61, 17, 36, 62, 13, 2,  38, 94, 80, 19, 25, 18, 0,  1,  46, 74, 85, 91, 52, 77,
                       21, 33, 32, 88, 93, 70, 44, 47, 26, 57, 90, 95, 48, 65, 43, 10, 9,  56, 24, 41};
const Order kAvalanche10 = {2, 6, 1, 8, 4, 5, 0, 9, 3, 7};
const Order kAvalanche100 = {42, 96, 62, 98, 46, 95, 60, 24, 78, 16, 68, 70, 11, 13, 97, 52, 99, 19, 71, 10,
                             89, 86, 18, 40, 5,  38, 9,  82, 83, 43, 32, 94, 67, 93, 75, 59, 79, 1,  50, 73,
                             66, 45, 63, 58, 22, 3,  87, 4,  61, 51, 12, 74, 21, 20, 6,  35, 44, 48, 37, 33,
                             15, 88, 31, 69, 27, 81, 85, 56, 7,  65, 47, 41, 29, 80, 57, 84, 36, 17, 34, 72,
                             2,  91, 8,  53, 30, 90, 26, 23, 54, 76, 14, 55, 0,  64, 77, 39, 25, 92, 49, 28};
const Order kCcl = {80, 84, 33, 81, 93, 17, 36, 82, 69, 65, 92, 39, 56, 52, 51, 32, 31, 44, 78, 10,
                    2,  73, 97, 62, 19, 35, 94, 27, 46, 38, 67, 99, 54, 95, 88, 40, 48, 59, 23, 34,
                    86, 53, 77, 15, 83, 41, 45, 91, 26, 98, 43, 55, 24, 4,  58, 49, 21, 87, 3,  74,
                    30, 66, 70, 42, 47, 89, 8,  60, 0,  90, 57, 22, 61, 63, 7,  96, 13, 68, 85, 14,
                    29, 28, 11, 18, 20, 50, 25, 6,  71, 76, 1,  16, 64, 79, 5,  75, 9,  72, 12, 37};

Dataset with_classes(std::int64_t classes) {
  Dataset data;
  for (std::int64_t c = 0; c < classes; ++c) {
    data.class_names.push_back("name " + std::to_string(c));
    data.class_keys.push_back("n" + std::to_string(100 + c));
  }
  return data;
}

Order order_of(const std::string& text, std::int64_t classes, std::uint64_t seed = 0) {
  return class_order(text, with_classes(classes), seed);
}

void expect_permutation(Order order, std::int64_t classes) {
  Order all(static_cast<std::size_t>(classes));
  std::iota(all.begin(), all.end(), 0);
  std::ranges::sort(order);
  EXPECT_EQ(order, all);
}

TEST(ClassOrderTest, ThePublishedListsComeOut) {
  EXPECT_THAT(order_of("cassle", 100), ElementsAreArray(kCassle));
  EXPECT_THAT(order_of("avalanche", 10), ElementsAreArray(kAvalanche10));
  EXPECT_THAT(order_of("avalanche", 100), ElementsAreArray(kAvalanche100));
  EXPECT_THAT(order_of("ccl", 100), ElementsAreArray(kCcl));
  EXPECT_EQ(order_of("pytorch:5", 100), kCassle);
  EXPECT_EQ(order_of("numpy:1", 100), kCcl);
  const Order osiris = order_of("osiris", 100);
  EXPECT_THAT(Order(osiris.begin(), osiris.begin() + 5), ElementsAre(4, 15, 66, 50, 92));
  EXPECT_THAT(Order(osiris.end() - 5, osiris.end()), ElementsAre(85, 67, 84, 34, 60));
  const Order superclasses = order_of("osiris-structured", 100);
  EXPECT_EQ(superclasses, order_of("cifar100-superclass", 100));
  EXPECT_THAT(Order(superclasses.begin(), superclasses.begin() + 5),
              ElementsAre(4, 30, 55, 72, 95));  // aquatic mammals
}

TEST(ClassOrderTest, EveryOrderIsAPermutation) {
  for (const Order& list : {kCassle, kAvalanche100, kCcl}) expect_permutation(list, 100);
  for (const char* name : {"avalanche", "cassle", "ccl", "cifar100-superclass", "natural", "numpy:7",
                           "osiris", "osiris-structured", "pytorch:7", "seeded"}) {
    expect_permutation(order_of(name, 100), 100);
  }
  for (const std::int64_t n : {0, 1, 2, 3, 64, 257}) {
    expect_permutation(pytorch_permutation(n, 3), n);
    expect_permutation(numpy_permutation(n, 3), n);
  }
  EXPECT_THROW(pytorch_permutation(-1, 0), std::invalid_argument);
}

TEST(ClassOrderTest, SeedsChooseTheSeededOrderAlone) {
  EXPECT_NE(order_of("seeded", 10, 1), order_of("seeded", 10, 2));
  EXPECT_EQ(order_of("avalanche", 10, 1), order_of("avalanche", 10, 2));
  EXPECT_NE(order_of("pytorch:1", 10), order_of("pytorch:2", 10));
}

TEST(ClassOrderTest, AFileNamesClassesByKeyNameOrNumber) {
  const test::TemporaryDirectory directory;
  const std::string path = (directory.path() / "order.txt").string();
  std::ofstream(path) << "# my order\nn102\n\n name 0 \r\n3  # the last\n1\n";
  EXPECT_THAT(order_of("file:" + path, 4), ElementsAre(2, 0, 3, 1));
  std::ofstream(path) << "n102\nn10x\n";
  EXPECT_THAT([&] { order_of("file:" + path, 4); },
              ThrowsMessage<BadData>(testing::AllOf(HasSubstr("line 2"), HasSubstr("n10x"))));
  std::ofstream(path) << "n102\n2\n";
  EXPECT_THAT([&] { order_of("file:" + path, 4); },
              ThrowsMessage<BadConfig>(HasSubstr("class 2 comes twice")));
  std::ofstream(path) << "n102\n";
  EXPECT_THAT([&] { order_of("file:" + path, 4); },
              ThrowsMessage<BadConfig>(HasSubstr("1 classes are named")));
  EXPECT_THROW(order_of("file:" + path + ".none", 4), BadData);
}

// random.seed(42); random.sample(range(1000), 100) begins 654 114 25 and ends 379 363 214 686.
TEST(ClassListTest, TheDeliveredListNamesAHundredClassesOfAThousand) {
  // SOURCE/build/bin/nagare-test-ssl
  const auto program = std::filesystem::read_symlink("/proc/self/exe");
  const auto list =
      program.parent_path().parent_path().parent_path() / "examples/class-lists/imagenet100-cla.txt";
  if (!std::filesystem::exists(list)) {
    GTEST_SKIP() << list << " is not there: only a build inside the source tree has it beside it";
  }
  Order classes;
  for (const ListedName& entry : read_name_list(list)) classes.push_back(std::stoll(entry.name));
  ASSERT_EQ(classes.size(), 100U);
  EXPECT_THAT(Order(classes.begin(), classes.begin() + 3), ElementsAre(654, 114, 25));
  EXPECT_THAT(Order(classes.end() - 4, classes.end()), ElementsAre(379, 363, 214, 686));
  std::ranges::sort(classes);
  EXPECT_EQ(std::ranges::adjacent_find(classes), classes.end());
  EXPECT_GE(classes.front(), 0);
  EXPECT_LT(classes.back(), 1000);
}

TEST(ClassOrderTest, RefusesWhatIsNoOrder) {
  const auto refused = [](const char* text, const char* why) {
    EXPECT_THAT([&] { order_of(text, 6); }, ThrowsMessage<BadConfig>(HasSubstr(why))) << text;
  };
  refused("0,1,2,3,4", "5 classes are named");
  refused("0,1,2,3,4,4", "class 4 comes twice");
  refused("0,1,2,3,4,6", "no class 6");
  refused("0,1,2,x,4,5", "\"x\" is not a class number");
  refused("casle", "nearest is \"cassle\"");
  refused("osiris", "a list of 100 classes, the data have 6");
  refused("pytorch:", "needs a seed");
  refused("numpy:-1", "needs a seed");
}

}  // namespace
}  // namespace nagare::ssl
