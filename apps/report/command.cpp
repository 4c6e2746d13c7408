// `nagare report RUN...`
#include "apps/command.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <system_error>

#include "apps/report/page.h"
#include "engine/device/errors.h"
#include "engine/text/printable.h"

namespace nagare::apps {
namespace {

constexpr char kFileName[] = "report.html";

// Runs of one name are told apart by their whole path.
void tell_apart(std::vector<RunRecord>& runs) {
  std::vector<std::string> names;
  for (const RunRecord& run : runs) names.push_back(run.name);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (std::ranges::count(names, names[i]) > 1) runs[i].name = printable(runs[i].path.string());
  }
}

// Each directory once, whatever it is called and whichever links lead to it: a run given twice would count as two seeds.
std::vector<std::string> without_repeats(const std::vector<std::string>& given, Console& console) {
  std::vector<std::string> kept;
  for (const std::string& run : given) {
    std::error_code absent;  // read_run() says it
    const auto same = std::ranges::find_if(
        kept, [&](const std::string& other) { return std::filesystem::equivalent(run, other, absent); });
    if (same == kept.end()) {
      kept.push_back(run);
    } else {
      console.warning(printable(run) + " is the run " + printable(*same) + ", given already: it counts once");
    }
  }
  return kept;
}

// A copy of a run, or the same run made again, is no second seed; only the user knows why it is there.
void warn_of_equal_seeds(const Comparison& comparison, Console& console) {
  for (const RunGroup& group : comparison.groups) {
    std::map<std::string, std::string> seeds;  // -> the first run of each
    for (const std::size_t i : group.runs) {
      const RunRecord& run = comparison.runs[i];
      const auto [first, is_new] = seeds.emplace(run.config_value("seed"), run.name);
      if (is_new) continue;
      console.warning(first->second + " and " + run.name + " have one configuration and one seed, " +
                      printable(first->first) + ": the mean over seeds counts it twice");
    }
  }
}

}  // namespace

ExitCode run_report(const Settings& settings, Console& console) {
  const Options& options = settings.options();
  if (options.runs.empty()) throw UsageError("report: the run is missing\nsee nagare report --help");
  constexpr std::string_view kBlocks[] = {"stem", "layer1", "layer2", "layer3", "layer4"};
  if (std::ranges::find(kBlocks, options.block) == std::end(kBlocks)) {
    throw BadConfig("--block " + options.block + ": need stem, layer1, layer2, layer3 or layer4");
  }
  Comparison comparison;
  comparison.block = options.block;
  const std::vector<std::string> runs = without_repeats(options.runs, console);
  for (const std::string& run : runs) comparison.runs.push_back(read_run(run));
  tell_apart(comparison.runs);
  comparison.groups = group_by_seed(comparison.runs);
  warn_of_equal_seeds(comparison, console);
  const std::string page = report_page(comparison);  // whole, before an older report is replaced
  const io::Path out = !options.out.empty() ? io::Path(options.out)
                       : runs.size() == 1   ? io::Path(runs.front()) / kFileName
                                            : io::Path(kFileName);
  io::write_file(out, page);
  if (options.json) {
    const nlohmann::ordered_json json = {
        {"schema", 1}, {"report", out.string()}, {"runs", runs}, {"bytes", page.size()}};
    console.result(json.dump(2) + "\n");
  } else {
    console.result(out.string() + "\n");
  }
  return ExitCode::done;
}

}  // namespace nagare::apps
