// Which folders are searched for NVIDIA's libraries, from what the environment says.
#include "apps/library_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "tests/apps/nagare_process.h"

namespace nagare::apps {
namespace {

using test::operator/;

Variables of(const std::map<std::string, std::string>& values) {
  return [values](const char* name) {
    const auto found = values.find(name);
    return found == values.end() ? nullptr : found->second.c_str();
  };
}

std::string made(const std::string& folder) {
  std::filesystem::create_directories(folder);
  return folder;
}

TEST(LibrarySearchTest, StrongestPlaceComesFirst) {
  const test::TemporaryDirectory temporary;
  const std::string root = temporary / "root";
  const std::string system = made(root + "/usr/lib/python3/dist-packages");
  const std::string local = made(root + "/usr/local/lib/python3.11/dist-packages");
  const std::string user = made(temporary / "home" + "/.local/lib/python3.11/site-packages");
  const std::string newer = made(temporary / "venv" + "/lib/python3.12/site-packages");
  const std::string older = made(temporary / "venv" + "/lib/python3.11/site-packages");
  made(temporary / "venv" + "/lib/ruby/site-packages");
  const LibrarySearch search = find_library_search(of({{"CUDA_PATH", "/path"},
                                                       {"CUDA_HOME", "/home"},
                                                       {"NAGARE_PYTHON_SITE", "/given"},
                                                       {"VIRTUAL_ENV", temporary / "venv"},
                                                       {"HOME", temporary / "home"}}),
                                                   root);
  EXPECT_THAT(search.folders, testing::ElementsAre("/home/lib64", "/path/lib64"));
  EXPECT_THAT(search.site_packages, testing::ElementsAre("/given", older, newer, user, local, system));
}

TEST(LibrarySearchTest, UnsetAndEmptyVariablesNameNoFolder) {
  const test::TemporaryDirectory temporary;
  for (const std::map<std::string, std::string>& values : {std::map<std::string, std::string>{},
                                                           {{"CUDA_HOME", ""},
                                                            {"CUDA_PATH", ""},
                                                            {"VIRTUAL_ENV", ""},
                                                            {"HOME", ""},
                                                            {"NAGARE_PYTHON_SITE", ""}}}) {
    const LibrarySearch search = find_library_search(of(values), temporary / "nothing");
    EXPECT_THAT(search.folders, testing::IsEmpty());
    EXPECT_THAT(search.site_packages, testing::IsEmpty());
  }
}

TEST(LibrarySearchTest, ItsVariableIsNotTakenForAnOption) {
  const test::Outcome outcome =
      test::run_nagare({"version"}, {.environment = {{"NAGARE_PYTHON_SITE", "/given"}}});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.err, "");
}

}  // namespace
}  // namespace nagare::apps
