#include "apps/stream_listing.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "apps/console.h"
#include "ssl/streams/motion.h"

namespace nagare::apps {
namespace {

using Json = nlohmann::ordered_json;

struct TaskTotals {
  std::int64_t images = 0;  // arriving
  std::int64_t batches = 0;
};

std::vector<TaskTotals> totals_of(const ssl::Stream& stream) {
  std::vector<TaskTotals> totals(static_cast<std::size_t>(stream.tasks));
  for (const ssl::StreamBatch& batch : stream.batches) {
    TaskTotals& task = totals.at(static_cast<std::size_t>(batch.task));
    task.images += static_cast<std::int64_t>(batch.ids.size());
    ++task.batches;
  }
  return totals;
}

// body(batch number, batch, position, id) for every arriving image.
template <class Body>
void for_each_arrival(const ssl::Stream& stream, const Body& body) {
  for (std::size_t b = 0; b < stream.batches.size(); ++b) {
    const ssl::StreamBatch& batch = stream.batches[b];
    for (std::size_t i = 0; i < batch.ids.size(); ++i)
      body(b, batch, batch.position + static_cast<std::int64_t>(i), batch.ids[i]);
  }
}

bool drifts(const ssl::Motion& motion) {
  return motion.rotate != 0.0 || motion.hue != 0.0 || motion.zoom != 1.0;
}

std::string digest_of(const ssl::Stream& stream) {
  return fmt::format("{:016x}", ssl::stream_digest(stream));
}

std::int64_t class_of(const ListedStream& listed, std::int64_t image) {
  return listed.data.train.labels.classes.at(static_cast<std::size_t>(image));
}

Json arrivals_json(const ListedStream& listed) {
  const ssl::Motion& motion = listed.stream.motion;
  Json columns;
  const std::vector<const char*> names = {"position", "batch", "task", "class", "image"};
  for (const char* name : names) columns[name] = Json::array();
  if (motion.runs > 1) columns["frame"] = Json::array();
  if (drifts(motion)) columns["angle"] = columns["zoom"] = columns["hue"] = Json::array();
  for_each_arrival(listed.stream,
                   [&](std::size_t b, const ssl::StreamBatch& batch, std::int64_t position, std::int64_t id) {
                     const std::int64_t image = ssl::image_of(id, motion.images);
                     columns["position"].push_back(position);
                     columns["batch"].push_back(b);
                     columns["task"].push_back(batch.task + 1);
                     columns["class"].push_back(class_of(listed, image));
                     columns["image"].push_back(image);
                     if (motion.runs > 1) columns["frame"].push_back(id / motion.images);
                     if (!drifts(motion)) return;
                     const ssl::Pose pose = ssl::pose_of(motion, position, id);
                     columns["angle"].push_back(pose.angle);
                     columns["zoom"].push_back(pose.zoom);
                     columns["hue"].push_back(pose.hue);
                   });
  return columns;
}

std::string arrivals_text(const ListedStream& listed) {
  const ssl::Motion& motion = listed.stream.motion;
  std::vector<std::vector<std::string>> rows = {{"position", "batch", "task", "class", "image"}};
  if (motion.runs > 1) rows[0].emplace_back("frame");
  if (drifts(motion)) rows[0].insert(rows[0].end(), {"angle", "zoom", "hue"});
  for_each_arrival(listed.stream, [&](std::size_t b, const ssl::StreamBatch& batch, std::int64_t position,
                                      std::int64_t id) {
    const std::int64_t image = ssl::image_of(id, motion.images);
    const std::int64_t c = class_of(listed, image);
    rows.push_back({std::to_string(position), std::to_string(b), std::to_string(batch.task + 1),
                    fmt::format("{} {}", c, listed.data.class_names.at(static_cast<std::size_t>(c))),
                    std::to_string(image)});
    if (motion.runs > 1) rows.back().push_back(std::to_string(id / motion.images));
    if (!drifts(motion)) return;
    const ssl::Pose pose = ssl::pose_of(motion, position, id);
    rows.back().insert(rows.back().end(),
                       {fmt::format("{:.2f}", pose.angle), fmt::format("{:.4f}", pose.zoom),
                        fmt::format("{:.4f}", pose.hue)});
  });
  return table(rows);
}

}  // namespace

std::string stream_json(const ListedStream& listed) {
  const std::vector<TaskTotals> totals = totals_of(listed.stream);
  Json tasks = Json::array();
  for (std::size_t t = 0; t < totals.size(); ++t) {
    tasks.push_back({{"classes", listed.stream.task_classes[t]},
                     {"images", totals[t].images},
                     {"batches", totals[t].batches}});
    if (!listed.stream.task_domains.empty())
      tasks.back()["domain"] =
          listed.data.domains.at(static_cast<std::size_t>(listed.stream.task_domains[t]));
  }
  Json json = {{"schema", 1},
               {"data", listed.data.spec},
               {"stream", listed.spec},
               {"class_order", listed.order},
               {"digest", digest_of(listed.stream)},
               {"boundaries", listed.stream.exposed ? "exposed" : "hidden"},
               {"images", listed.stream.motion.length},
               {"batches", listed.stream.batches.size()},
               {"tasks", std::move(tasks)}};
  if (listed.whole) json["arrivals"] = arrivals_json(listed);
  return json.dump(listed.whole ? -1 : 2) + "\n";
}

std::string stream_text(const ListedStream& listed) {
  const ssl::Stream& stream = listed.stream;
  const std::vector<TaskTotals> totals = totals_of(stream);
  std::vector<std::vector<std::string>> rows = {{"task", "images", "batches", "classes"}};
  for (std::size_t t = 0; t < totals.size(); ++t) {
    std::string names;
    if (!stream.task_domains.empty())
      names = listed.data.domains.at(static_cast<std::size_t>(stream.task_domains[t])) + ": ";
    for (std::size_t i = 0; i < stream.task_classes[t].size(); ++i) {
      const std::int64_t c = stream.task_classes[t][i];
      names += (i == 0 ? "" : ", ") + listed.data.class_names.at(static_cast<std::size_t>(c));
    }
    rows.push_back(
        {std::to_string(t + 1), std::to_string(totals[t].images), std::to_string(totals[t].batches), names});
  }
  const std::string summary =
      fmt::format("{} on {}: {} images in {} batches, boundaries {}\n", listed.spec, listed.data.spec,
                  stream.motion.length, stream.batches.size(), stream.exposed ? "exposed" : "hidden");
  return summary + table(rows) + "digest " + digest_of(stream) + "\n" +
         (listed.whole ? "\n" + arrivals_text(listed) : "");
}

}  // namespace nagare::apps
