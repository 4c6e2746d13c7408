// nagare doctor: a row of the table for every check, its advice below.
#include "apps/command.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "apps/doctor/checks.h"

namespace nagare::apps {
namespace {

using Json = nlohmann::ordered_json;
using doctor::Finding;
using doctor::Verdict;

struct Check {
  const char* name;
  Finding (*look)(const Settings& settings);
};
constexpr Check kChecks[] = {
    {"program", &doctor::program},
    {"processor", &doctor::processor},
    {"threads", &doctor::threads},
    {"memory", &doctor::memory},
    {"limits", &doctor::limits},
    {"output", &doctor::output},
    {"data", &doctor::data},
    {"GPU", &doctor::gpu},
    {"GPU libraries", &doctor::gpu_libraries},
    {"libraries", &doctor::libraries},
    {"locale", &doctor::locale},
    {"clock", &doctor::clock},
};

const char* word(Verdict verdict) {
  switch (verdict) {
    case Verdict::ok:
      return "ok";
    case Verdict::warning:
      return "warning";
    case Verdict::problem:
      return "problem";
  }
  return "";
}

}  // namespace

ExitCode run_doctor(const Settings& settings, Console& console) {
  ExitCode code = ExitCode::done;
  Json list = Json::array();
  std::vector<std::vector<std::string>> rows = {{"check", "verdict", "found"}};
  std::string advice;
  for (const Check& check : kChecks) {
    const Finding finding = check.look(settings);
    if (finding.verdict == Verdict::problem && code == ExitCode::done) code = finding.code;
    list.push_back({{"name", check.name},
                    {"verdict", word(finding.verdict)},
                    {"found", finding.found},
                    {"advice", finding.advice}});
    rows.push_back({check.name, word(finding.verdict), finding.found});
    if (!finding.advice.empty())
      advice += fmt::format("{}, {}: {}\n", word(finding.verdict), check.name, finding.advice);
  }
  const bool healthy = code == ExitCode::done;
  if (settings.options().json) {
    console.result(Json{{"schema", 1},
                        {"healthy", healthy},
                        {"exit_code", static_cast<int>(code)},
                        {"checks", std::move(list)}}
                       .dump(2) +
                   "\n");
  } else {
    console.result(table(rows) + (advice.empty() ? "\nnothing is wrong\n" : "\n" + advice));
  }
  return code;
}

}  // namespace nagare::apps
