// The parts of a report: markup, charts, runs as they are read, and the numbers that each figure shows.
#include <gmock/gmock.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <regex>

#include "apps/report/figures.h"
#include "apps/report/frame.h"
#include "apps/report/page.h"
#include "apps/report/tiles.h"
#include "engine/device/errors.h"
#include "tests/support/temporary_directory.h"

namespace nagare::apps {
namespace {

using nlohmann::json;
using test::TemporaryDirectory;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::ThrowsMessage;

std::vector<std::string> all_matches(const std::string& text, const std::string& pattern) {
  const std::regex regex(pattern);
  std::vector<std::string> found;
  for (std::sregex_iterator at(text.begin(), text.end(), regex), end; at != end; ++at)
    found.push_back((*at)[1]);
  return found;
}

// The data of every chart in the markup, by its title.
std::map<std::string, json> chart_data(const Html& html) {
  std::map<std::string, json> data;
  for (const std::string& text :
       all_matches(html.markup(), "<script type=\"application/json\">([^<]*)</script>")) {
    const json chart = json::parse(text);
    data[chart["title"]] = chart;
  }
  return data;
}

TEST(ReportHtmlTest, OutsideTextIsEscapedInTextAndAttributes) {
  const std::string hostile = "</title><script>alert('1')</script>&\"\n\xFF";
  const std::string safe =
      "&lt;/title&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;&quot;\\x0a\\xff";
  EXPECT_EQ(text(hostile).markup(), safe);
  EXPECT_EQ(element("p", {{"title", hostile}}).markup(), "<p title=\"" + safe + "\"></p>");
  EXPECT_THAT(
      script(json{{"name", "</script><b>&"}}).markup(),
      AllOf(Not(HasSubstr("</script><b>")), HasSubstr("\\u003c/script\\u003e\\u003cb\\u003e\\u0026")));
  EXPECT_EQ(element("td").markup(), "<td></td>");
  EXPECT_EQ(element("line").markup(), "<line/>");
}

TEST(ReportHtmlTest, NumbersAndBase64) {
  EXPECT_EQ(number(12.5), "12.5");
  EXPECT_EQ(number(-0.001), "0");
  EXPECT_EQ(number(100), "100");
  EXPECT_EQ(number(NAN), "-");
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");  // RFC 4648, section 10
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
}

TEST(ReportChartTest, TicksAreRound) {
  EXPECT_THAT(ticks({0, 100}, 5), ElementsAre(0, 20, 40, 60, 80, 100));
  EXPECT_THAT(ticks({0.13, 0.31}, 4),
              ElementsAre(testing::DoubleNear(0.15, 1e-12), testing::DoubleNear(0.2, 1e-12),
                          testing::DoubleNear(0.25, 1e-12), testing::DoubleNear(0.3, 1e-12)));
  EXPECT_EQ(tick_label(0.15, 0.05), "0.15");
  EXPECT_EQ(tick_label(20000, 10000), "20k");
}

TEST(ReportChartTest, RangesLeaveOutWhatIsNotFinite) {
  EXPECT_EQ(range_of({3, NAN, -1, INFINITY}).low, -1);
  EXPECT_EQ(range_of({3, NAN, -1, INFINITY}).high, 3);
  EXPECT_EQ(range_of({}).high, 1);
  EXPECT_NEAR(range_of({0.5, 0.5}).low, 0.45, 1e-12);
}

TEST(ReportChartTest, ThinningKeepsTheSpikeOfEveryColumnAndGaps) {
  std::vector<Sample> samples;
  for (int i = 0; i < 10'000; ++i)
    samples.push_back({.x = i * 1.0, .y = i == 4321 ? 99.0 : i == 7777 ? -99.0 : 0.0});
  samples[5000].y = NAN;
  const std::vector<Sample> kept = thinned(samples, {0, 9999}, 100);
  EXPECT_LE(kept.size(), 202U);
  EXPECT_TRUE(std::ranges::any_of(kept, [](const Sample& s) { return s.x == 4321 && s.y == 99; }));
  EXPECT_TRUE(std::ranges::any_of(kept, [](const Sample& s) { return s.x == 7777 && s.y == -99; }));
  EXPECT_TRUE(std::ranges::any_of(kept, [](const Sample& s) { return std::isnan(s.y); }));
  EXPECT_TRUE(std::ranges::is_sorted(kept, {}, &Sample::x));
}

TEST(ReportChartTest, ALineLiesWhereItsFrameSays) {
  const LineChart chart{.title = "t",
                        .x_name = "x",
                        .y_name = "y",
                        .lines = {{.name = "a", .samples = {{0, 0}, {10, 50}, {20, 100}}}}};
  const Frame frame({.x = {0, 20}, .y = {0, 100}});
  const std::string d = all_matches(draw(chart).markup(), "<path d=\"([^\"]*)\" class=\"line")[0];
  EXPECT_EQ(d, "M" + number(frame.x(0), 1) + " " + number(frame.y(0), 1) + "L" + number(frame.x(10), 1) +
                   " " + number(frame.y(50), 1) + "L" + number(frame.x(20), 1) + " " +
                   number(frame.y(100), 1));
  EXPECT_NEAR(frame.x(10), (frame.x(0) + frame.x(20)) / 2, 1e-9);
  EXPECT_GT(frame.y(0), frame.y(100)) << "up is less";
}

TEST(ReportChartTest, AGapBreaksTheLine) {
  const LineChart chart{.title = "t",
                        .x_name = "x",
                        .y_name = "y",
                        .lines = {{.name = "a", .samples = {{0, 1}, {1, NAN}, {2, 3}, {3, 4}}}}};
  const std::string d = all_matches(draw(chart).markup(), "<path d=\"([^\"]*)\" class=\"line")[0];
  EXPECT_EQ(std::ranges::count(d, 'M'), 2);
  EXPECT_EQ(std::ranges::count(d, 'L'), 1);
}

TEST(ReportChartTest, BarsAreAsHighAsTheirNumbers) {
  const BarChart chart{.title = "t",
                       .x_name = "task",
                       .y_name = "y",
                       .categories = {"1", "2", "3"},
                       .sets = {{.name = "a", .heights = {10, 20, -5}}}};
  const std::vector<std::string> heights =
      all_matches(draw(chart).markup(), "height=\"([^\"]*)\" class=\"bar");
  ASSERT_EQ(heights.size(), 3U);
  EXPECT_NEAR(std::stod(heights[1]) / std::stod(heights[0]), 2.0, 0.01);
  EXPECT_NEAR(std::stod(heights[2]) / std::stod(heights[0]), 0.5, 0.01);
}

TEST(ReportChartTest, StackedBarsStandOnOneAnother) {
  const BarChart chart{.title = "t",
                       .x_name = "x",
                       .y_name = "y",
                       .categories = {"1"},
                       .sets = {{.name = "a", .heights = {30}}, {.name = "b", .heights = {50}}},
                       .stacked = true};
  const std::string markup = draw(chart).markup();
  const std::vector<std::string> tops = all_matches(markup, "<rect x=\"[^\"]*\" y=\"([^\"]*)\"");
  const std::vector<std::string> heights = all_matches(markup, "height=\"([^\"]*)\" class=\"bar");
  EXPECT_NEAR(std::stod(tops[1]) + std::stod(heights[1]), std::stod(tops[0]), 0.11);
}

TEST(ReportChartTest, CellsOfAHeatMapAreAsDarkAsTheirNumbers) {
  const HeatMap map{
      .title = "t", .row_name = "after task", .column_name = "task", .values = {{25, NAN}, {50, 100}}};
  const std::string markup = draw(map).markup();
  EXPECT_THAT(all_matches(markup, "fill-opacity:([0-9.]*)"), ElementsAre("0.25", "0.5", "1"));
  EXPECT_THAT(all_matches(markup, "class=\"cell-[a-z]*\">([0-9.]*)"), ElementsAre("25.0", "50.0", "100.0"));
  EXPECT_EQ(all_matches(markup, "(cell diagonal)").size(), 2U);
}

TEST(ReportTilesTest, PlanesLieRowByRowWithAGap) {
  const std::vector<std::uint8_t> dark(3, 0);
  const std::vector<std::uint8_t> light(3, 200);
  const ssl::Image image = tiled({dark, light, dark}, {.height = 1, .width = 1}, 2);
  EXPECT_EQ(image.width, 3);
  EXPECT_EQ(image.height, 3);
  EXPECT_EQ(image.pixels[0], 0);
  EXPECT_EQ(image.pixels[3], 255);  // the gap
  EXPECT_EQ(image.pixels[6], 200);
  EXPECT_EQ(image.pixels[18], 0);
  const std::vector<float> weights = {-2, 0, 2};
  EXPECT_THAT(around_grey(weights), ElementsAre(0, 128, 255));
  const std::vector<float> plane = {1, 3};
  EXPECT_THAT(heat(plane), ElementsAre(24, 15, 61, 250, 231, 84));
}

TEST(ReportSeedsTest, MeanAndSampleDeviation) {
  const MeanAndDeviation three = summarize_values({1, 2, NAN, 6});
  EXPECT_DOUBLE_EQ(three.mean, 3);
  EXPECT_DOUBLE_EQ(three.deviation, std::sqrt(7.0));  // (4 + 1 + 9) / 2
  EXPECT_EQ(mean_text(three), "3.00 ± 2.65");
  EXPECT_EQ(mean_text(summarize_values({5})), "5.00");
  EXPECT_EQ(mean_text(summarize_values({NAN})), "-");
}

// A run directory made by hand: two tasks, four updates.
class ReportRunTest : public testing::Test {
 protected:
  void write_run(const std::string& name, int seed, double last = 40.0) const {
    directory_.write(name + "/config.resolved.toml",
                     "data = \"fractal\"  # default\nmethod.name = \"simsiam\"  # --method\n"
                     "threads = " +
                         std::to_string(seed) + "  # default\nseed = " + std::to_string(seed) +
                         "  # --seed\n");
    std::string lines = "{\"schema\":2,\"run\":\"x\"}\n" + evaluation(0, -1, false, 30, {35, 25}, {});
    for (int step = 1; step <= 4; ++step) {
      lines +=
          json{{"kind", "step"}, {"step", step},   {"task", (step - 1) / 2}, {"loss", 1.0 / step},
               {"lr", 0.1},      {"seconds", 0.5}, {"images", 100},          {"memory_bytes", 1048576 * step},
               {"tcr", -step}}
              .dump() +
          "\n";
      if (step == 2) lines += evaluation(2, 0, true, 45, {60, 30}, {8, 0});
    }
    lines += evaluation(4, 1, true, 55, {last, 70}, {3, 5});
    directory_.write(name + "/metrics.jsonl", lines);
    directory_.write(name + "/results.json", json{{"schema", 2},
                                                  {"task_classes", {{0, 1}, {2, 3}}},
                                                  {"images_per_second", 200.0},
                                                  {"training_seconds", 2.0},
                                                  {"peak_memory_bytes", 4194304},
                                                  {"readouts",
                                                   {{"knn",
                                                     {{"untrained", {{"accuracy", 30}}},
                                                      {"final", {{"accuracy", 50.0 + seed}}},
                                                      {"average_accuracy", 55},
                                                      {"forgetting", 20}}}}}}
                                                 .dump());
    directory_.write(name + "/STATUS.json",
                     json{{"state", "finished"}, {"step", 4}, {"planned_steps", 4}}.dump());
  }
  static std::string evaluation(int step, int task, bool end, double all, const std::vector<double>& tasks,
                                const std::vector<int>& stored) {
    return json{{"kind", "evaluation"},
                {"step", step},
                {"task", task},
                {"task_end", end},
                {"readouts", {{"knn", {{"accuracy", all}, {"tasks", tasks}}}}},
                {"measures", {{"rank", 10.0 + step}, {"spread", nullptr}}},
                {"stored_by_task", stored}}
               .dump() +
           "\n";
  }
  RunRecord run(const std::string& name) const { return read_run(directory_.path() / name); }
  Comparison comparison(const std::vector<std::string>& names) const {
    Comparison all;
    for (const std::string& name : names) all.runs.push_back(run(name));
    all.groups = group_by_seed(all.runs);
    return all;
  }
  TemporaryDirectory directory_;
};

TEST_F(ReportRunTest, IsReadAsItWasWritten) {
  write_run("a", 1);
  const RunRecord record = run("a");
  EXPECT_EQ(record.name, "a");
  EXPECT_EQ(record.primary, "knn");
  EXPECT_EQ(record.config_value("method.name"), "simsiam");
  EXPECT_EQ(record.config[1].origin, "--method");
  EXPECT_THAT(record.steps.of("loss"), ElementsAre(1, 0.5, testing::DoubleNear(1.0 / 3, 1e-12), 0.25));
  EXPECT_TRUE(std::isnan(record.steps.of("nothing").at(3)));
  EXPECT_THAT(record.accuracy_matrix(), ElementsAre(ElementsAre(60, 30), ElementsAre(40, 70)));
  EXPECT_DOUBLE_EQ(record.result({"readouts", "knn", "forgetting"}), 20);
}

TEST_F(ReportRunTest, CurvesShowTheLoggedNumbers) {
  write_run("a", 1);
  const Comparison one = comparison({"a"});
  auto learning = chart_data(learning_curves(one));
  EXPECT_EQ(learning.at("Loss")["series"][0]["y"], json({1.0, 0.5, 1.0 / 3, 0.25}));
  EXPECT_EQ(learning.at("Learning rate")["series"][0]["x"], json({1.0, 2.0, 3.0, 4.0}));
  EXPECT_EQ(learning.at("tcr")["series"][0]["y"][3], -4.0);
  auto accuracy = chart_data(accuracy_over_stream(one));
  EXPECT_EQ(accuracy.at("Accuracy on all classes")["series"][0]["y"], json({30.0, 45.0, 55.0}));
  EXPECT_EQ(accuracy.at("Task by task")["series"][1]["y"], json({25.0, 30.0, 70.0}));
  EXPECT_THAT(accuracy_over_stream(one).markup(), HasSubstr(">chance<"));
  EXPECT_EQ(task_boundaries(one).at(0).x, 2);
  auto machine = chart_data(throughput(one));
  EXPECT_EQ(machine.at("Images per second")["series"][0]["y"][0], 200.0);
  EXPECT_EQ(machine.at("Memory of tensors")["series"][0]["y"], json({1.0, 2.0, 3.0, 4.0}));
  auto measures = chart_data(measures_over_stream(one));
  EXPECT_EQ(measures.at("Effective rank (RankMe)")["series"][0]["y"], json({10.0, 12.0, 14.0}));
  EXPECT_EQ(measures.size(), 1U) << "what is null throughout is no chart";
}

TEST_F(ReportRunTest, ForgettingIsTheBestOfEarlierRowsLessTheLast) {
  EXPECT_THAT(forgetting_per_task({{60, 0, 0}, {70, 80, 0}, {50, 85, 90}}), ElementsAre(20, -5));
  EXPECT_TRUE(forgetting_per_task({{60, 0, 0}, {70, 80, 0}}).empty()) << "not ended";
  EXPECT_TRUE(forgetting_per_task({{60}}).empty());
  write_run("a", 1);
  EXPECT_THAT(forgetting_bars(comparison({"a"})).markup(), HasSubstr("a, task 1: 20"));
}

TEST_F(ReportRunTest, TheBufferIsCountedByTask) {
  write_run("a", 1);
  EXPECT_THAT(buffer_composition(comparison({"a"})).markup(),
              AllOf(HasSubstr("task 1, update 2: 8"), HasSubstr("task 1, update 4: 3"),
                    HasSubstr("task 2, update 4: 5")));
}

TEST_F(ReportRunTest, SeedsOfOneConfigurationAreSummedUp) {
  write_run("emp-seed1", 1);
  write_run("emp-seed2", 2);
  write_run("other", 3);
  directory_.write("other/config.resolved.toml", "method.name = \"byol\"\nseed = 3\n");
  const Comparison all = comparison({"emp-seed1", "other", "emp-seed2"});
  ASSERT_EQ(all.groups.size(), 2U) << "threads do not count";
  EXPECT_EQ(all.groups[0].name, "emp");
  EXPECT_THAT(all.groups[0].runs, ElementsAre(0, 2));
  EXPECT_EQ(all.style(0), all.style(2));
  EXPECT_NE(all.dash(0), all.dash(2));
  EXPECT_NE(all.style(0), all.style(1));
  EXPECT_THAT(summary_tables(all).markup(),
              AllOf(HasSubstr("<td>51.50 ± 0.71</td>"), HasSubstr("<td>53.00</td>")));
  EXPECT_THAT(configuration(all).markup(),
              HasSubstr("<th scope=\"row\">method.name</th><td>simsiam</td><td>byol</td>"));
}

TEST_F(ReportRunTest, ARunAtWorkHasAReportToo) {
  write_run("a", 1);
  std::filesystem::remove(directory_.path() / "a/results.json");
  std::filesystem::remove(directory_.path() / "a/STATUS.json");
  directory_.write("a/metrics.jsonl",
                   "{\"schema\":2}\n{\"kind\":\"step\",\"step\":1,\"loss\":2}\n{\"kind\":\"st");
  const Comparison one = comparison({"a"});
  EXPECT_THAT(one.runs[0].steps.step, ElementsAre(1)) << "the last line was cut by a kill";
  EXPECT_THAT(report_page(one), AllOf(HasSubstr("Nothing has been evaluated yet"), HasSubstr("no gallery")));
}

// Numbers at the ends of what a double holds: a page, not an endless loop over ticks that cannot be told apart.
TEST_F(ReportRunTest, AbsurdNumbersMakeAPage) {
  write_run("a", 1);
  for (const char* loss : {"1e308", "-1e308", "1e-320", "9007199254740993", "4503599627370497.5"}) {
    directory_.write(
        "a/metrics.jsonl",
        "{\"schema\":2}\n{\"kind\":\"step\",\"step\":1e300,\"task\":1e300,\"loss\":" + std::string(loss) +
            "}\n{\"kind\":\"step\",\"step\":-1e300,\"loss\":9007199254740992}\n");
    EXPECT_THAT(report_page(comparison({"a"})), HasSubstr("</html>")) << loss;
  }
  EXPECT_LE(ticks({9007199254740992, 9007199254740994}, 5).size(), 51U);
}

TEST_F(ReportRunTest, DamageIsRefusedWithTheFilesName) {
  const auto refused = [&](const std::string& file, const std::string& content, const std::string& why) {
    write_run("a", 1);
    directory_.write("a/" + file, content);
    EXPECT_THAT([&] { run("a"); }, ThrowsMessage<BadData>(AllOf(HasSubstr("a/" + file), HasSubstr(why))))
        << file;
    std::filesystem::remove(directory_.path() / "a" / file);
  };
  refused("metrics.jsonl", "{\"schema\":2}\nnonsense\n{}\n", ":2: damaged");
  refused("metrics.jsonl", "{\"schema\":1}\n", "schema 1");
  refused("metrics.jsonl", "", "empty");
  refused("metrics.jsonl", "{\"schema\":2}\n{\"kind\":\"evaluation\",\"step\":1,\"readouts\":{\"knn\":{}}}\n",
          ":2: damaged");
  const std::string schema = "{\"schema\":2}\n";
  refused("metrics.jsonl", schema + "{\"kind\":\"step\",\"loss\":1}\n", ":2: damaged");
  refused("metrics.jsonl", schema + "{\"kind\":\"evaluation\"}\n", ":2: damaged");
  refused("metrics.jsonl", schema + "{\"kind\":3}\n", ":2: damaged");
  refused("metrics.jsonl", schema + "{\"a\":" + std::string(100'000, '[') + "\n", "deeper than 64");
  const auto evaluation = [](int step, const std::string& tasks) {
    return "{\"kind\":\"evaluation\",\"step\":" + std::to_string(step) +
           ",\"task_end\":true,\"readouts\":{\"knn\":{\"accuracy\":1,\"tasks\":" + tasks + "}}}\n";
  };
  refused("metrics.jsonl", schema + evaluation(1, "[1,2]") + evaluation(2, "[1]"),
          ":3: damaged: accuracies of 1 tasks, of 2 before");
  std::string names = schema;
  for (int i = 0; i < 200; ++i) names += "{\"kind\":\"step\",\"step\":1,\"x" + std::to_string(i) + "\":1}\n";
  refused("metrics.jsonl", names, "more than 128 different numbers");
  refused("STATUS.json", "{\"state\":5}", "state is no text");
  refused("STATUS.json", "{\"step\":\"x\"}", "step is no number");
  refused("results.json", "{\"schema\":2", "not a JSON object");
  refused("STATUS.json", "[]", "not a JSON object");
  refused("config.resolved.toml", "seed = ", "damaged");
  refused("gallery.safetensors", "no", "");
  EXPECT_THAT([&] { run("nowhere"); }, ThrowsMessage<BadData>(HasSubstr("no such run")));
}

}  // namespace
}  // namespace nagare::apps
