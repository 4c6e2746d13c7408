// `nagare sweep`: grids, runs that go on, tables.
#include <gmock/gmock.h>

#include <cmath>
#include <csignal>
#include <nlohmann/json.hpp>
#include <sstream>

#include "apps/sweep/earlier.h"
#include "apps/sweep/grid.h"
#include "apps/sweep/table.h"
#include "engine/device/errors.h"
#include "tests/apps/nagare_process.h"

namespace nagare::test {
namespace {

using apps::CellResult;
using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::ThrowsMessage;

constexpr int kUsage = 2;
constexpr int kConfig = 3;
constexpr int kDiverged = 9;
constexpr int kSaved = 75;

apps::Settings flags(const std::vector<std::pair<std::string, std::string>>& given) {
  apps::Settings settings;
  for (const auto& [key, text] : given) settings.assign(key, text, "--" + key);
  return settings;
}

TEST(SweepGridTest, EveryCombinationIsACellWithAName) {
  const apps::Grid grid = apps::read_grid(flags(
      {{"epochs", "2"}, {"axis", "method=simsiam,byol"}, {"axis", "optim.lr=0.1,0.2"}, {"axis", "seed=1"}}));
  const std::vector<apps::Cell> cells = apps::cells_of(grid);
  ASSERT_EQ(cells.size(), 4U);
  EXPECT_EQ(cells[0].name, "simsiam_lr0.1_seed1");
  EXPECT_EQ(cells[1].name, "simsiam_lr0.2_seed1");
  EXPECT_EQ(cells[3].name, "byol_lr0.2_seed1");
  EXPECT_THAT(cells[3].values, ElementsAre("byol", "0.2", "1"));
  EXPECT_EQ(cells[3].flags.size(), 4U) << "epochs and three axes";
}

TEST(SweepGridTest, AFileHoldsOptionsAndAxesAndFlagsOutweighIt) {
  const TemporaryDirectory directory;
  const std::string file = directory / "grid.toml";
  write_all(file, "epochs = 3\nseed = [1, 2]\n[method]\nname = \"simsiam\"\nlayers = [2, 3]\n");
  const apps::Grid grid = apps::read_grid(flags({{"grid", file}, {"epochs", "5"}, {"axis", "seed=7,8,9"}}));
  EXPECT_EQ(apps::cells_of(grid).size(), 6U);
  EXPECT_EQ(grid.axes[0].key, "seed");
  EXPECT_THAT(grid.axes[0].values, ElementsAre("7", "8", "9"));
  EXPECT_EQ(grid.axes[1].key, "method.layers");
  const auto epochs = std::ranges::find(grid.shared, "epochs", &apps::FlagValue::key);
  ASSERT_NE(epochs, grid.shared.end());
  EXPECT_EQ(epochs->text, "5");
}

TEST(SweepGridTest, NamesAreDirectoriesAndNeverTheSame) {
  const auto cells = apps::cells_of(apps::read_grid(flags({{"axis", "data=folder:/a b,folder:/a/b"}})));
  EXPECT_EQ(cells[0].name, "datafolder--a-b");
  EXPECT_EQ(cells[1].name, "datafolder--a-b~2");
}

TEST(SweepGridTest, RefusesWhatIsNoGrid) {
  const auto refused = [](const std::vector<std::pair<std::string, std::string>>& given,
                          const std::string& why) {
    EXPECT_THAT([&] { apps::read_grid(flags(given)); }, ThrowsMessage<BadConfig>(HasSubstr(why)));
  };
  refused({{"epochs", "2"}}, "there is no axis");
  refused({{"axis", "seed"}}, "need KEY=VALUE");
  refused({{"axis", "seed="}}, "has no values");
  for (const char* axis : {"seed=1,", "seed=,1", "seed=1,,2"}) refused({{"axis", axis}}, "a value is empty");
  refused({{"axis", "seed=1,1"}}, "a value twice");
  refused({{"axis", "seed=1"}, {"axis", "seed=2"}}, "given twice");
  refused({{"axis", "out=a,b"}}, "cannot vary");
  refused({{"axis", "slots=1,2"}}, "cannot vary");
  refused({{"axis", "sede=1,2"}}, "cannot vary");
  refused({{"axis", "seed=1,2"}, {"seed", "3"}}, "an axis and an option at once");
}

// What a sweep with one cell of method simsiam and seed 1 leaves, and what another grid makes of it.
class EarlierSweepTest : public testing::Test {
 protected:
  void leave(const std::string& state) const {
    write_all(directory_ / "sweep.json",
              R"({"schema": 1, "cells": [{"name": "simsiam_seed1",
                  "values": {"method.name": "simsiam", "seed": "1"}, "state": ")" +
                  state + "\"}]}");
  }
  void check(const std::vector<std::pair<std::string, std::string>>& given) const {
    const apps::Grid grid = apps::read_grid(flags(given));
    apps::check_keeps_earlier(grid, apps::cells_of(grid), directory_.path());
  }
  void refused(const std::vector<std::pair<std::string, std::string>>& given, const std::string& why) const {
    EXPECT_THAT([&] { check(given); },
                ThrowsMessage<BadConfig>(AllOf(HasSubstr("holds the sweep of another grid: " + why),
                                               HasSubstr("choose another --out"))));
  }

  TemporaryDirectory directory_;
};

TEST_F(EarlierSweepTest, MayGrowAndDropsNothing) {
  EXPECT_NO_THROW(check({{"axis", "seed=2"}})) << "there is none";
  leave("waiting");
  EXPECT_NO_THROW(check({{"axis", "method=simsiam"}, {"axis", "seed=1"}}));
  EXPECT_NO_THROW(check({{"axis", "method=byol,simsiam"}, {"axis", "seed=3,2,1"}, {"epochs", "7"}}));
  refused({{"axis", "method=simsiam"}, {"axis", "seed=2,3"}}, "seed has 1 there, and only 2, 3 here");
  refused({{"axis", "method=byol"}, {"axis", "seed=1"}}, "method.name has simsiam there, and only byol here");
  refused({{"axis", "seed=1"}, {"axis", "method=simsiam"}},
          "the axes are method.name, seed there, seed, method.name here");
  refused({{"axis", "method=simsiam"}, {"seed", "1"}},
          "the axes are method.name, seed there, method.name here");
}

TEST_F(EarlierSweepTest, ASkippedCellMayGo) {
  leave("skipped");
  EXPECT_NO_THROW(check({{"axis", "seed=2"}}));
}

TEST_F(EarlierSweepTest, NamesThatChangePlacesAreOtherCells) {
  write_all(directory_ / "sweep.json",
            R"({"cells": [{"name": "datax", "values": {"data": "x"}, "state": "failed"},
                          {"name": "dataa-b", "values": {"data": "a b"}, "state": "failed"}]})");
  EXPECT_NO_THROW(check({{"axis", "data=x,a b,a/b"}}));
  refused({{"axis", "data=a/b,a b,x"}}, "the run directory dataa-b is of other values here");
}

TEST_F(EarlierSweepTest, ADamagedFileIsNamed) {
  for (const char* text : {"{}", "[", R"({"cells": [{}]})", R"({"cells": [{"state": "failed", "name": 3}]})",
                           R"({"cells": [{"state": "failed", "name": "a", "values": {"seed": 1}}]})"}) {
    write_all(directory_ / "sweep.json", text);
    EXPECT_THAT(
        [&] {
          check({{"axis", "seed=2"}});
        },
        ThrowsMessage<BadData>(HasSubstr("sweep.json")))
        << text;
  }
}

std::vector<CellResult> results() {
  return {{.values = {"er", "1"}, .final_accuracy = 40, .average_accuracy = 50, .forgetting = 8},
          {.values = {"er", "2"}, .final_accuracy = 44, .average_accuracy = 54, .forgetting = 10},
          {.values = {"a_b", "1"}, .final_accuracy = 30, .average_accuracy = NAN, .forgetting = 3},
          {.values = {"a_b", "2"}, .final_accuracy = NAN, .average_accuracy = NAN, .forgetting = NAN}};
}
const std::vector<apps::Axis> kAxes = {{.key = "strategy.name", .values = {"er", "a_b"}},
                                       {.key = "seed", .values = {"1", "2"}}};

TEST(SweepTableTest, AveragesOverSeedsAndMarksTheBest) {
  const apps::ResultTable table = apps::make_table(kAxes, results());
  EXPECT_EQ(apps::format_table(table, "markdown"),
            "| strategy | final % | average % | forgetting |\n|---|---:|---:|---:|\n"
            "| er | **42.00 ± 2.83** | **52.00 ± 2.83** | 9.00 ± 1.41 |\n"
            "| a_b | 30.00 | - | **3.00** |\n");
  EXPECT_EQ(apps::format_table(table, "csv"),
            "\"strategy\",\"final %\",\"final % std\",\"final % n\",\"average %\",\"average % "
            "std\",\"average % n\","
            "\"forgetting\",\"forgetting std\",\"forgetting n\"\n"
            "\"er\",42,2.82843,2,52,2.82843,2,9,1.41421,2\n\"a_b\",30,,1,,,0,3,,1\n");
  EXPECT_THAT(apps::format_table(table, "latex"),
              AllOf(HasSubstr("\\begin{tabular}{lrrr}"), HasSubstr("a\\_b & 30.00 & - & \\textbf{3.00} \\\\"),
                    HasSubstr("\\textbf{42.00} $\\pm$ 2.83"), HasSubstr("final \\%")));
  EXPECT_THAT([&] { apps::format_table(table, "pdf"); },
              ThrowsMessage<BadConfig>(HasSubstr("markdown, csv or latex")));
}

TEST(SweepTableTest, DataAndStreamsAreGroupsOfColumns) {
  const std::vector<apps::Axis> axes = {{.key = "method.name", .values = {}},
                                        {.key = "stream", .values = {}}};
  const apps::ResultTable table = apps::make_table(
      axes, {{.values = {"byol", "seq:2"}, .final_accuracy = 1, .average_accuracy = 2, .forgetting = 3},
             {.values = {"byol", "iid"}, .final_accuracy = 4, .average_accuracy = 5, .forgetting = 6}});
  ASSERT_EQ(table.rows.size(), 1U);
  EXPECT_EQ(table.columns[3], "iid: final %");
  EXPECT_DOUBLE_EQ(table.rows[0].cells[3].mean, 4);
}

// tiny_run() as a sweep.
std::vector<std::string> tiny_sweep(const std::string& out, const std::vector<std::string>& more) {
  std::vector<std::string> arguments = tiny_run(out, more);
  arguments[0] = "sweep";
  return arguments;
}

json state_of(const std::string& out) { return json::parse(read_all(out + "/sweep.json"))["cells"]; }

TEST(SweepTest, RunsTheGridAndLeavesWhatHasFinished) {
  const TemporaryDirectory directory;
  const std::string out = directory / "s";
  const std::vector<std::string> arguments = tiny_sweep(
      out, {"--axis", "strategy=finetune,er", "--axis", "seed=1,2", "--max-steps", "2", "--slots", "2"});
  const Outcome first = run_nagare(arguments);
  ASSERT_EQ(first.exit_code, 0) << first.err;
  EXPECT_THAT(first.out,
              AllOf(HasSubstr("| strategy | final % |"), HasSubstr("| finetune |"), HasSubstr(" ± ")));
  EXPECT_EQ(read_all(out + "/table.md"), first.out);
  EXPECT_TRUE(std::filesystem::exists(out + "/er_seed2/results.json"));
  EXPECT_THAT(read_all(out + "/table.tex"), HasSubstr("\\toprule"));
  const std::string before = read_all(out + "/er_seed2/results.json");
  const Outcome again = run_nagare(arguments);
  ASSERT_EQ(again.exit_code, 0) << again.err;
  EXPECT_EQ(again.out, first.out);
  EXPECT_THAT(again.err, HasSubstr("er_seed2: has finished already"));
  EXPECT_EQ(read_all(out + "/er_seed2/results.json"), before);
  // More updates: the runs that are there go on.
  std::vector<std::string> longer = arguments;
  *(std::ranges::find(longer, "--max-steps") + 1) = "4";
  const Outcome more = run_nagare(longer);
  ASSERT_EQ(more.exit_code, 0) << more.err;
  EXPECT_THAT(more.err, HasSubstr("er_seed2: goes on"));
  EXPECT_EQ(json::parse(read_all(out + "/er_seed2/results.json"))["steps"], 4);
}

TEST(SweepTest, AnotherGridIsRefusedAndALargerOneGoesOn) {
  const TemporaryDirectory directory;
  const std::string out = directory / "s";
  const auto sweep = [&](const std::string& seeds, const std::vector<std::string>& more = {}) {
    std::vector<std::string> all = {"--axis", "seed=" + seeds, "--max-steps", "1"};
    all.insert(all.end(), more.begin(), more.end());
    return run_nagare(tiny_sweep(out, all));
  };
  ASSERT_EQ(sweep("1").exit_code, 0);
  const std::string state = read_all(out + "/sweep.json");
  const std::string table = read_all(out + "/table.md");
  for (const std::vector<std::string>& more : {std::vector<std::string>{}, {"--dry-run"}}) {
    const Outcome other = sweep("2,3", more);
    EXPECT_EQ(other.exit_code, kConfig);
    EXPECT_THAT(other.err,
                HasSubstr("holds the sweep of another grid: seed has 1 there, and only 2, 3 here"));
  }
  EXPECT_EQ(read_all(out + "/sweep.json"), state);
  EXPECT_EQ(read_all(out + "/table.md"), table);
  EXPECT_FALSE(std::filesystem::exists(out + "/seed2"));
  const Outcome larger = sweep("2,1");
  EXPECT_EQ(larger.exit_code, 0) << larger.err;
  EXPECT_THAT(larger.err, AllOf(HasSubstr("seed1: has finished already"), HasSubstr("seed2: begins")));
  EXPECT_EQ(state_of(out).size(), 2U);
}

TEST(SweepTest, DryRunListsCommandsAndWritesNothing) {
  const TemporaryDirectory directory;
  const std::string out = directory / "s";
  const Outcome outcome = run_nagare(tiny_sweep(out, {"--axis", "seed=1,2", "--dry-run"}));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(std::ranges::count(outcome.out, '\n'), 2);
  EXPECT_THAT(outcome.out, AllOf(testing::StartsWith("nagare train "), HasSubstr("--seed=2"),
                                 HasSubstr("--out=" + out + "/seed2")));
  EXPECT_FALSE(std::filesystem::exists(out));
}

TEST(SweepTest, AFailedRunIsNamedAndTheOthersAreRun) {
  const TemporaryDirectory directory;
  const std::string out = directory / "s";
  const Outcome outcome =
      run_nagare(tiny_sweep(out, {"--method", "supervised", "--optim.name", "sgd", "--axis",
                                  "optim.lr=1e6,0.01", "--optim.weight-decay", "1e6", "--max-steps", "2"}));
  EXPECT_EQ(outcome.exit_code, kDiverged) << outcome.err;
  EXPECT_THAT(outcome.err,
              AllOf(HasSubstr("lr1e6: failed with exit code 9: the loss is"), HasSubstr("[2/2]")));
  const json cells = state_of(out);
  EXPECT_EQ(cells[0]["state"], "failed");
  EXPECT_EQ(cells[0]["exit_code"], kDiverged);
  EXPECT_THAT(outcome.out, HasSubstr("| 1e6 | - |"));
}

TEST(SweepTest, ASenselessPairIsSkippedWithTheReason) {
  const TemporaryDirectory directory;
  const std::string out = directory / "s";
  const Outcome outcome = run_nagare(tiny_sweep(
      out, {"--axis", "method=supervised,simsiam", "--axis", "strategy=minred", "--max-steps", "1"}));
  const json cells = state_of(out);
  EXPECT_EQ(cells[1]["state"], "finished");
  if (cells[0]["state"] == "skipped") {
    EXPECT_NE(cells[0]["reason"], "");
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_THAT(outcome.out, Not(HasSubstr("supervised")));
  }
}

TEST(SweepTest, AnInterruptSavesItsRunsAndTheSweepGoesOn) {
  const TemporaryDirectory directory;
  const std::string out = directory / "s";
  bool sent = false;
  const Launch launch{.meanwhile = [&](pid_t child, const std::string&) {
    if (sent || !std::filesystem::exists(out + "/seed1/metrics.jsonl")) return;
    if (read_all(out + "/seed1/metrics.jsonl").find("\"step\":3,") == std::string::npos) return;
    sent = true;
    kill(child, SIGINT);
  }};
  const std::vector<std::string> arguments = tiny_sweep(out, {"--epochs", "30", "--axis", "seed=1,2"});
  const Outcome stopped = run_nagare(arguments, launch);
  ASSERT_TRUE(sent) << stopped.err;
  EXPECT_EQ(stopped.exit_code, kSaved) << stopped.err;
  EXPECT_EQ(state_of(out)[0]["state"], "stopped");
  EXPECT_EQ(state_of(out)[1]["state"], "waiting");
  EXPECT_EQ(json::parse(read_all(out + "/seed1/STATUS.json"))["state"], "stopped");
  const Outcome resumed = run_nagare(arguments);
  EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_THAT(resumed.err, AllOf(HasSubstr("seed1: goes on"), HasSubstr("seed2: begins")));
}

TEST(SweepTest, RefusesBeforeAnythingRuns) {
  const TemporaryDirectory directory;
  const std::string out = directory / "s";
  EXPECT_EQ(run_nagare({"sweep", "--axis", "seed=1,2"}).exit_code, kUsage);
  const Outcome typo = run_nagare(tiny_sweep(out, {"--axis", "optim.lr=0.1,x"}));
  EXPECT_EQ(typo.exit_code, kConfig);
  EXPECT_THAT(typo.err, HasSubstr("optim.lr"));
  EXPECT_EQ(run_nagare(tiny_sweep(out, {"--axis", "seed=1", "--format", "pdf"})).exit_code, kConfig);
  const Outcome method = run_nagare(tiny_sweep(out, {"--axis", "method=simsiam,simclrr", "--dry-run"}));
  EXPECT_EQ(method.exit_code, kConfig);
  EXPECT_THAT(method.err, HasSubstr("unknown method \"simclrr\": nearest is \"simclr\""));
  EXPECT_FALSE(std::filesystem::exists(out));
  ASSERT_EQ(run_nagare(tiny_sweep(out, {"--axis", "seed=1", "--max-steps", "1"})).exit_code, 0);
  const Outcome other =
      run_nagare(tiny_sweep(out, {"--axis", "seed=1", "--max-steps", "1", "--optim.lr", "0.7"}));
  EXPECT_EQ(other.exit_code, kConfig);
  EXPECT_THAT(other.err,
              AllOf(HasSubstr("seed1 holds a run of other values"), HasSubstr("optim.lr: 0.7 here")));
}

}  // namespace
}  // namespace nagare::test
