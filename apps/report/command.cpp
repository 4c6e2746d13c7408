// `nagare report RUN...`
#include "apps/command.h"

#include <algorithm>

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
  for (const std::string& run : options.runs) comparison.runs.push_back(read_run(run));
  tell_apart(comparison.runs);
  comparison.groups = group_by_seed(comparison.runs);
  const std::string page = report_page(comparison);  // whole, before an older report is replaced
  const io::Path out = !options.out.empty()       ? io::Path(options.out)
                       : options.runs.size() == 1 ? io::Path(options.runs.front()) / kFileName
                                                  : io::Path(kFileName);
  io::write_file(out, page);
  if (options.json) {
    const nlohmann::ordered_json json = {
        {"schema", 1}, {"report", out.string()}, {"runs", options.runs}, {"bytes", page.size()}};
    console.result(json.dump(2) + "\n");
  } else {
    console.result(out.string() + "\n");
  }
  return ExitCode::done;
}

}  // namespace nagare::apps
