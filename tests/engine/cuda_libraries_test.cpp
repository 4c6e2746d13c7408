#include "engine/vendor/cuda_libraries.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "engine/device/errors.h"
#include "engine/vendor/dynamic_library.h"

namespace nagare::vendor {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TEST(DynamicLibraryTest, OpensByTheLoadersOwnSearchAndTellsItsFile) {
  const DynamicLibrary library({"libno-such-library.so.1", "libc.so.6"}, {});
  ASSERT_TRUE(library.open()) << library.problem();
  EXPECT_THAT(library.path(), HasSubstr("libc.so.6"));
  EXPECT_EQ(library.problem(), "");
  EXPECT_NE(library.symbol("malloc"), nullptr);
  EXPECT_EQ(library.symbol("no_such_function"), nullptr);
}

TEST(DynamicLibraryTest, AnAbsentLibraryIsAReasonAndNotACrash) {
  const DynamicLibrary library({"libno-such-library.so.1"}, {"/no/such/folder"});
  EXPECT_FALSE(library.open());
  EXPECT_EQ(library.path(), "");
  EXPECT_EQ(library.symbol("malloc"), nullptr);
  EXPECT_THAT(library.problem(), HasSubstr("libno-such-library.so.1"));
  EXPECT_EQ(library.tried(), std::vector<std::string>{"libno-such-library.so.1"});
}

TEST(DynamicLibraryTest, AFileThatIsNoLibraryIsTheReasonGiven) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "nagare_dynamic_library";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "libno-such-library.so.1") << "not a library";
  const DynamicLibrary library({"libno-such-library.so.1"}, {folder.string()});
  EXPECT_FALSE(library.open());
  EXPECT_THAT(library.problem(), HasSubstr(folder.string()));
  EXPECT_THAT(library.tried(), testing::SizeIs(2));
  std::filesystem::remove_all(folder);
}

TEST(CudaLibrariesTest, EveryLibraryHasAVersionOrAReason) {
  const std::vector<LibraryStatus> all = library_status();
  ASSERT_EQ(all.size(), 7U);
  for (const LibraryStatus& status : all) {
    SCOPED_TRACE(status.name);
    EXPECT_THAT(status.tried, Not(IsEmpty()));
    if (status.version.empty()) {
      EXPECT_THAT(status.problem, Not(IsEmpty()));
    } else {
      EXPECT_THAT(status.path, Not(IsEmpty()));
      EXPECT_THAT(status.problem, IsEmpty());
    }
  }
}

TEST(CudaLibrariesTest, AMissingFunctionOrLibraryIsNamed) {
  EXPECT_THAT([] { library_symbol(CudaLibrary::cudnn, "cudnnNoSuchFunction"); },
              testing::ThrowsMessage<DeviceUnavailable>(HasSubstr("cuDNN")));
}

}  // namespace
}  // namespace nagare::vendor
