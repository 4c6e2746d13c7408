// A run directory as `nagare report` reads it, up to the finished page.
#include "apps/report/page.h"
#include "apps/report/run_record.h"
#include "apps/settings.h"
#include "engine/device/errors.h"
#include "tests/fuzz/targets.h"

namespace nagare::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFiles[] = {"STATUS.json", "config.resolved.toml", "env.json", "metrics.jsonl",
                                  "results.json"};

std::size_t count(std::string_view page, std::string_view what) {
  std::size_t found = 0;
  for (std::size_t at = page.find(what); at != std::string_view::npos; at = page.find(what, at + 1)) ++found;
  return found;
}

std::string metrics(const std::string& step, const std::string& evaluation) {
  return "{\"schema\":2}\n" + step + "\n" + evaluation + "\n";
}

}  // namespace

void run_report(Bytes input) {
  const fs::path run = scratch() / "run";
  fs::create_directories(run);
  auto files = split_files(input);
  if (!files.contains("config.resolved.toml")) files["config.resolved.toml"] = "seed = 1  # default\n";
  for (const char* name : kFiles) {
    if (files.contains(name)) {
      write(run / name, files[name]);
    } else {
      fs::remove(run / name);
    }
  }
  refused<BadData>([&] {
    apps::Comparison comparison;
    comparison.block = "layer2";
    comparison.runs.push_back(apps::read_run(run));
    comparison.groups = apps::group_by_seed(comparison.runs);
    const std::string page = apps::report_page(comparison);
    need(count(page, "<script>") == 1 && count(page, "<script") == count(page, "</script") &&
             count(page, "<b>") == 0,
         "nothing in a run becomes a tag of the page");
  });
}

Seeds report_seeds() {
  const std::string step =
      R"({"kind":"step","step":1,"task":0,"loss":1.5,"lr":0.1,"seconds":0.01,"images":8,"memory_bytes":1000})"
      "\n"
      R"({"kind":"step","step":2,"task":1,"loss":null,"lr":0.1,"extra":3})";
  const std::string evaluation =
      R"({"kind":"evaluation","step":2,"task_end":true,"readouts":{"knn":{"accuracy":50.0,"top5":90.0,"tasks":[40,null]}},)"
      R"("measures":{"rank":3.5,"alignment":null},"stored_by_task":[4,4]})"
      "\n"
      R"({"kind":"evaluation","step":4,"task_end":true,"readouts":{"knn":{"accuracy":60.0,"tasks":[30,70,10]}}})";
  return {
      join_files(
          {{"metrics.jsonl", metrics(step, evaluation)},
           {"results.json",
            R"({"schema":2,"readouts":{"knn":{"final":{"accuracy":50},"forgetting":1.5}},"images_per_second":9})"},
           {"STATUS.json", R"({"state":"stopped","step":2,"planned_steps":4,"reason":"<b>&\"x\""})"},
           {"env.json", R"({"version":"0.1.0","host":"<script>","cpu":{"model":"x","cores":2}})"},
           {"config.resolved.toml", "seed = 1  # default\nmethod.name = \"<b>\"  # --method\n"}}),
      join_files({{"metrics.jsonl", metrics(R"({"kind":"step"})", R"({"kind":"evaluation"})")}}),
      join_files(
          {{"metrics.jsonl", metrics(R"({"kind":"step","step":1e308,"loss":-1e308,"<b>":1})",
                                     R"({"kind":"evaluation","step":"x","task_end":3,"readouts":[]})")},
           {"STATUS.json", R"({"state":5,"step":"x"})"}}),
      join_files(
          {{"metrics.jsonl", metrics(R"({"kind":"step","step":1,"task":1e300,"loss":1e-320})", "{}")}}),
      join_files({{"metrics.jsonl", "{\"schema\":2}\n" + std::string(500, '[') + "\n"}, {"env.json", "[]"}})};
}

}  // namespace nagare::fuzz
