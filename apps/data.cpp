#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "apps/command.h"
#include "apps/session.h"
#include "apps/stream_listing.h"
#include "engine/device/errors.h"
#include "ssl/data/table.h"

namespace nagare::apps {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kClassesShown = 20;

// Images of each class.
std::vector<std::int64_t> histogram(const ssl::Labels& labels, std::int64_t classes) {
  std::vector<std::int64_t> counts(static_cast<std::size_t>(classes));
  for (const std::int64_t label : labels.classes) ++counts.at(static_cast<std::size_t>(label));
  return counts;
}

std::string three(const std::vector<float>& values) {
  return fmt::format("{:.4f} {:.4f} {:.4f}", values.at(0), values.at(1), values.at(2));
}

ExitCode show(const Options& options, Console& console) {
  const ssl::Dataset data = load_data(options);
  const auto train = histogram(data.train.labels, data.classes());
  const auto test = histogram(data.test.labels, data.classes());
  Json bad_images = Json::array();
  for (const ssl::SkippedFile& file : data.skipped) {
    bad_images.push_back({{"path", file.path}, {"reason", file.reason}});
    console.warning(fmt::format("{}: {}", file.path, file.reason));
  }
  if (options.json) {
    Json classes = Json::array();
    for (std::size_t i = 0; i < train.size(); ++i) {
      classes.push_back({{"name", data.class_names[i]}, {"train", train[i]}, {"test", test[i]}});
    }
    const Json json = {{"schema", 1},
                       {"data", options.data},
                       {"image_size", data.image_size()},
                       {"train", data.train.size()},
                       {"test", data.test.size()},
                       {"mean", data.mean},
                       {"std", data.std},
                       {"bad_images", bad_images},
                       {"classes", std::move(classes)}};
    console.result(json.dump(2) + "\n");
    return ExitCode::done;
  }
  const std::vector<std::vector<std::string>> facts = {
      {"source", options.data},
      {"images", fmt::format("{} training, {} test", data.train.size(), data.test.size())},
      {"size", fmt::format("{0} x {0} x 3", data.image_size())},
      {"mean", three(data.mean)},
      {"deviation", three(data.std)},
      {"classes", std::to_string(data.classes())}};
  std::vector<std::vector<std::string>> rows = {{"class", "training", "test"}};
  for (std::size_t i = 0; i < std::min(train.size(), kClassesShown); ++i) {
    rows.push_back({data.class_names[i], std::to_string(train[i]), std::to_string(test[i])});
  }
  std::string text = table(facts) + "\n" + table(rows);
  if (train.size() > kClassesShown) text += fmt::format("and {} more\n", train.size() - kClassesShown);
  console.result(text);
  return ExitCode::done;
}

ExitCode show_stream(const Options& options, Console& console) {
  const ssl::Dataset data = load_data(options);
  const ssl::Stream stream = ssl::make_stream(data, stream_options(options));
  const ListedStream listed{.data = data,
                            .stream = stream,
                            .spec = options.stream,
                            .order = options.class_order,
                            .whole = options.dry_run};
  console.result(options.json ? stream_json(listed) : stream_text(listed));
  return ExitCode::done;
}

ExitCode list_sources(const Options& options, Console& console) {
  Json json = Json::array();
  std::vector<std::vector<std::string>> rows;
  for (const ssl::DataSource& row : ssl::data_sources()) {
    json.push_back({{"name", row.name}, {"syntax", row.syntax}, {"summary", row.summary}});
    rows.push_back({row.name, row.syntax, row.summary});
  }
  console.result(options.json ? json.dump(2) + "\n" : table(rows));
  return ExitCode::done;
}

}  // namespace

ExitCode run_data(const Settings& settings, Console& console) {
  Options options = settings.options();
  if (!options.spec.empty() && settings.is_set("data")) {
    throw UsageError("data: the source is given twice, as " + options.spec + " and by " +
                     settings.origin("data"));
  }
  if (!options.spec.empty()) options.data = options.spec;
  if (options.action == "show") return show(options, console);
  if (options.action == "stream") return show_stream(options, console);
  if (options.action == "list") return list_sources(options, console);
  throw UsageError("data: unknown action " + options.action + ": need show, stream or list");
}

}  // namespace nagare::apps
