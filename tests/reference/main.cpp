// nagare-test-reference: runs every reference file it finds, each as a test of its own.
//
//   --device cpu|cuda     --precision f32|bf16     plus GoogleTest's own flags (--gtest_filter='ops.conv2d*')
//
// The files are looked for in $NAGARE_REFERENCE_DIR, else in ../shared/reference as seen from the current
// directory, else as seen from the source tree that this program was built in. Without any: exit code 77, for
// ctest "skipped".
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <stdexcept>
#include <vector>

#include "engine/device/device_context.h"
#include "tests/reference/registry.h"

namespace nagare::reference {
namespace {

constexpr int kExitSkipped = 77;
constexpr int kExitUsage = 2;

namespace fs = std::filesystem;

class ReferenceTest : public testing::Test {
 public:
  ReferenceTest(fs::path path, const Settings& settings) : path_(std::move(path)), settings_(settings) {}

  void TestBody() override {
    Case c(io::read_safetensors(path_), settings_);
    const Handler* handler = find_handler(c.op());
    if (handler == nullptr) GTEST_SKIP() << "no handler for op " << c.op();
    if (c.is_meaningless()) GTEST_SKIP() << "its tolerances are n/a in bf16";
    handler->run(c);
    c.finish();
  }

 private:
  fs::path path_;
  Settings settings_;
};

fs::path find_directory() {
  if (const char* given = std::getenv("NAGARE_REFERENCE_DIR")) return given;
  std::error_code error;
  const fs::path beside_source = fs::path("..") / "shared" / "reference";
  if (fs::is_directory(beside_source, error)) return beside_source;
  // SOURCE/build/bin/nagare-test-reference
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  return program.parent_path().parent_path().parent_path() / beside_source;
}

std::vector<fs::path> find_files(const fs::path& directory) {
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file() && entry.path().extension() == ".safetensors") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

// Takes our flags out of argv; what GoogleTest leaves behind is an error.
Settings read_flags(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    const std::string value = i + 1 < argc ? argv[++i] : "";
    if (flag == "--device" && value == "cuda") {
      settings.device = choose_device("cuda").device;
    } else if (flag == "--precision" && value == "bf16") {
      settings.precision = DType::bf16;
    } else if (!(flag == "--device" && value == "cpu") && !(flag == "--precision" && value == "f32")) {
      throw std::invalid_argument(flag + " " + value + ": need --device cpu|cuda, --precision f32|bf16");
    }
  }
  return settings;
}

int run(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const Settings settings = read_flags(argc, argv);
  const fs::path directory = find_directory();
  std::error_code error;
  if (!fs::is_directory(directory, error)) {
    std::cout << "no reference data at " << directory.string()
              << ": set NAGARE_REFERENCE_DIR; all cases skipped\n"
              << "0 passed, 0 failed, 0 skipped\n";
    return kExitSkipped;
  }
  for (const fs::path& path : find_files(directory)) {
    const std::string group = path.parent_path().filename().string();
    testing::RegisterTest(group.c_str(), path.stem().string().c_str(), nullptr, nullptr, __FILE__, __LINE__,
                          [path, settings]() -> testing::Test* { return new ReferenceTest(path, settings); });
  }
  const int failed = RUN_ALL_TESTS();
  const testing::UnitTest& all = *testing::UnitTest::GetInstance();
  std::cout << to_string(settings.device) << " " << to_string(settings.precision) << ": "
            << all.successful_test_count() << " passed, " << all.failed_test_count() << " failed, "
            << all.skipped_test_count() << " skipped\n";
  return failed;
}

}  // namespace
}  // namespace nagare::reference

int main(int argc, char** argv) {
  try {
    return nagare::reference::run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "nagare-test-reference: " << error.what() << "\n";
    return nagare::reference::kExitUsage;
  }
}
