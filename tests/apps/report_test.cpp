// `nagare report` on runs of the program.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/apps/nagare_process.h"

namespace nagare::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr int kUsage = 2;
constexpr int kConfig = 3;
constexpr int kData = 4;

// Two seeds and another strategy, made once.
class ReportTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    directory_ = new TemporaryDirectory;
    ASSERT_EQ(run_nagare(tiny_run(at("emp <b>&\"1\""), {"--seed", "1", "--strategy", "er", "--buffer", "8"}))
                  .exit_code,
              0);
    ASSERT_EQ(run_nagare(tiny_run(at("b"), {"--seed", "2", "--strategy", "er", "--buffer", "8"})).exit_code,
              0);
    ASSERT_EQ(run_nagare(tiny_run(at("c"), {"--seed", "1"})).exit_code, 0);
  }
  static void TearDownTestSuite() { delete directory_; }
  static std::string at(const std::string& name) { return *directory_ / name; }
  static std::string hostile() { return at("emp <b>&\"1\""); }

  static TemporaryDirectory* directory_;
};
TemporaryDirectory* ReportTest::directory_ = nullptr;

TEST_F(ReportTest, OneRunHasItsReportInItsDirectory) {
  const Outcome outcome = run_nagare({"report", at("b")});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, at("b") + "/report.html\n");
  const std::string page = read_all(at("b") + "/report.html");
  for (const char* section : {"summary", "accuracy", "matrix", "forgetting", "loss", "buffer", "embedding",
                              "neighbours", "views", "filters", "maps", "machine", "configuration"}) {
    EXPECT_THAT(page, HasSubstr("<section id=\"" + std::string(section) + "\"")) << section;
  }
  EXPECT_THAT(page, AllOf(HasSubstr("data:image/png;base64,"), HasSubstr("t-SNE"),
                          HasSubstr("prefers-color-scheme")));
  ASSERT_EQ(run_nagare({"report", at("b")}).exit_code, 0);
  EXPECT_EQ(read_all(at("b") + "/report.html"), page) << "the same bytes for the same run";
}

TEST_F(ReportTest, AComparisonIsOneSmallFileThatAsksForNothing) {
  const std::string out = at("all.html");
  const Outcome outcome = run_nagare({"report", hostile(), at("b"), at("c"), "--out", out, "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(nlohmann::json::parse(outcome.out)["report"], out);
  const std::string page = read_all(out);
  EXPECT_LT(page.size(), 5U << 20);
  EXPECT_THAT(page, AllOf(HasSubstr("Comparison of 3 runs"), HasSubstr(" ± "), HasSubstr("What differs")));
  EXPECT_THAT(page, AllOf(Not(HasSubstr("http:")), Not(HasSubstr("https:")), Not(HasSubstr("url(")),
                          Not(HasSubstr("<link")), Not(HasSubstr("import "))));
  for (std::size_t from = 0; (from = page.find("src=\"", from)) != std::string::npos; ++from) {
    ASSERT_EQ(page.substr(from + 5, 22), "data:image/png;base64,");
  }
  EXPECT_THAT(page, AllOf(Not(HasSubstr("<b>")), HasSubstr("emp &lt;b&gt;&amp;&quot;1&quot;")));
}

TEST_F(ReportTest, ARunGivenTwiceCountsOnce) {
  std::filesystem::create_directory_symlink(at("b"), at("link"));
  const Outcome outcome =
      run_nagare({"report", at("b"), at("c") + "/../b/.", at("link"), "--json"}, {.directory = at("c")});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("c/../b/. is the run " + at("b")), HasSubstr("link is the run")));
  const nlohmann::json said = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(said["runs"], nlohmann::json::array({at("b")}));
  EXPECT_EQ(said["report"], at("b") + "/report.html") << "as for one run";
  EXPECT_THAT(read_all(at("b") + "/report.html"),
              AllOf(Not(HasSubstr("Comparison of")), Not(HasSubstr(" ± "))));
}

TEST_F(ReportTest, ACopyOfARunIsNamed) {
  std::filesystem::copy(at("b"), at("copy"), std::filesystem::copy_options::recursive);
  const std::vector<std::string> arguments = {"report", at("b"), at("c"), "--out", at("copies.html")};
  EXPECT_EQ(run_nagare(arguments).err, "");
  std::vector<std::string> with_copy = arguments;
  with_copy.insert(with_copy.begin() + 2, at("copy"));
  const Outcome outcome = run_nagare(with_copy);
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.err, HasSubstr("b and copy have one configuration and one seed, 2"));
}

TEST_F(ReportTest, DamageCostsNothing) {
  const std::string report = at("c") + "/report.html";
  write_all(report, "older");
  const std::string gallery = at("c") + "/gallery.safetensors";
  const std::string whole = read_all(gallery);
  write_all(gallery, whole.substr(0, whole.size() / 2));
  const Outcome outcome = run_nagare({"report", at("c")});
  EXPECT_EQ(outcome.exit_code, kData);
  EXPECT_THAT(outcome.err, HasSubstr(gallery));
  EXPECT_EQ(read_all(report), "older");
  write_all(gallery, whole);
}

TEST_F(ReportTest, RefusesWhatItCannotShow) {
  EXPECT_EQ(run_nagare({"report"}).exit_code, kUsage);
  const Outcome block = run_nagare({"report", at("b"), "--block", "layer9"});
  EXPECT_EQ(block.exit_code, kConfig);
  EXPECT_THAT(block.err, HasSubstr("need stem, layer1"));
  const Outcome nowhere = run_nagare({"report", at("nowhere")});
  EXPECT_EQ(nowhere.exit_code, kData);
  EXPECT_THAT(nowhere.err, HasSubstr("nowhere: there is no such run"));
}

TEST_F(ReportTest, ARunWithoutAGallerySaysSo) {
  ASSERT_EQ(run_nagare(tiny_run(at("bare"), {"--gallery", "0", "--max-steps", "1"})).exit_code, 0);
  ASSERT_EQ(run_nagare({"report", at("bare")}).exit_code, 0);
  EXPECT_THAT(read_all(at("bare") + "/report.html"), HasSubstr("kept no gallery"));
}

TEST_F(ReportTest, AProgressiveNetworkShowsTheFiltersOfEveryColumn) {
  ASSERT_EQ(run_nagare(tiny_run(at("columns"), {"--strategy", "pnn"})).exit_code, 0);
  ASSERT_EQ(run_nagare({"report", at("columns")}).exit_code, 0);
  EXPECT_THAT(read_all(at("columns") + "/report.html"),
              AllOf(HasSubstr("first convolution, column of task 1"),
                    HasSubstr("first convolution, column of task 2")));
}

}  // namespace
}  // namespace nagare::test
