// Every fuzz target over its seeds, over the inputs that once were findings (corpus/TARGET/), and over a fixed number of
// mutations of both: what fuzzing found stays found where there is no clang.
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/io/file.h"
#include "kernels/philox.h"
#include "tests/fuzz/target.h"

namespace nagare::fuzz {
namespace {

std::vector<std::string> inputs_of(const Target& target) {
  std::vector<std::string> inputs = target.seeds();
  const io::Path folder = io::Path(NAGARE_FUZZ_CORPUS) / target.name;
  std::vector<io::Path> found;
  if (io::exists(folder)) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) found.push_back(entry.path());
  }
  std::ranges::sort(found);
  for (const io::Path& path : found) inputs.push_back(io::read_text(path));
  return inputs;
}

void run(const Target& target, std::string_view input) {
  target.run({reinterpret_cast<const std::uint8_t*>(input.data()), input.size()});
}

// Cuts, changes, repeats or inserts bytes in one to three places.
std::string mutated(std::string input, Philox& random) {
  constexpr std::string_view kOdd("\x00\xff\x7f\x80\x01\n\"{[,.", 11);
  for (std::uint32_t changes = 1 + random.below(3); changes > 0 && !input.empty(); --changes) {
    const std::size_t at = random.below(static_cast<std::uint32_t>(input.size()));
    const std::size_t length = std::min<std::size_t>(1 + random.below(8), input.size() - at);
    switch (random.below(5)) {
      case 0:
        input.resize(at);
        break;
      case 1:
        input[at] = static_cast<char>(random.below(256));
        break;
      case 2:
        input[at] = kOdd[random.below(kOdd.size())];
        break;
      case 3:
        input.insert(at, input.substr(at, length));
        break;
      default:
        input.erase(at, length);
        break;
    }
  }
  return input;
}

struct Replay : testing::TestWithParam<Target> {};

TEST_P(Replay, SeedsFindingsAndTheirMutationsEndWell) {
  const Target target = GetParam();
  const std::vector<std::string> inputs = inputs_of(target);
  ASSERT_FALSE(inputs.empty());
  run(target, "");
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    run(target, inputs[i]);
    Philox random({.seed = i, .purpose = Purpose::synthetic});
    for (int m = 0; m < target.mutations; ++m) run(target, mutated(inputs[i], random));
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, Replay, testing::ValuesIn(targets().begin(), targets().end()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(FuzzInput, FilesAreJoinedAndSplit) {
  const std::string input = join_files({{"a", "x\ny\n"}, {"b", ""}, {"c", "%%\n"}});
  const auto files = split_files({reinterpret_cast<const std::uint8_t*>(input.data()), input.size()});
  EXPECT_EQ(files.size(), 3U);
  EXPECT_EQ(files.at("a"), "x\ny\n");
  EXPECT_EQ(files.at("b"), "");
  EXPECT_EQ(files.at("c"), "%%\n");
}

}  // namespace
}  // namespace nagare::fuzz
