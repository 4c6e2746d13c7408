#include "apps/event_log.h"

#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "apps/machine.h"
#include "engine/io/clock.h"
#include "engine/io/directory.h"

namespace nagare::apps {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kPrefix = "events.out.tfevents.";
constexpr std::string_view kNoValues[] = {"step", "t", "wall", "task"};
constexpr std::string_view kOfMachine[] = {"seconds", "images", "memory_bytes"};

template <class List>
bool contains(const List& list, std::string_view name) {
  return std::ranges::find(list, name) != std::end(list);
}

bool has_earlier_session(const io::Path& run) {
  return std::ranges::any_of(io::list_directory(run), [](const io::Path& path) {
    return path.filename().string().starts_with(kPrefix);
  });
}

// As TensorBoard names them: when, where, by whom.
std::string file_name(double wall) {
  return std::string(kPrefix) + std::to_string(static_cast<std::int64_t>(wall)) + "." +
         describe_machine().host + "." + std::to_string(getpid());
}

void collect(const Json& value, const std::string& tag, std::vector<io::Scalar>& scalars) {
  if (value.is_number()) scalars.push_back({.tag = tag, .value = value.get<float>()});
  if (value.is_object()) {
    for (const auto& [name, inner] : value.items()) collect(inner, tag + "/" + name, scalars);
  }
  if (!value.is_array()) return;
  for (std::size_t i = 0; i < value.size(); ++i) {
    collect(value[i], tag + "/" + std::to_string(i + 1), scalars);
  }
}

}  // namespace

EventLog::EventLog(const io::Path& run, std::int64_t steps_done) {
  const bool goes_on = has_earlier_session(run);
  const double wall = io::wall_seconds();
  file_.emplace(run / file_name(wall), wall);
  // The reader drops the step named here too; step 0 is the untrained network's evaluation.
  if (goes_on) file_->add_start({.wall = wall, .step = steps_done > 0 ? steps_done + 1 : 0});
}

void EventLog::add(const Json& line) {
  const bool is_step = line.value("kind", "") == "step";
  std::vector<io::Scalar> scalars;
  for (const auto& [name, value] : line.items()) {
    if (contains(kNoValues, name)) continue;
    const bool of_machine = is_step && contains(kOfMachine, name);
    const std::string tag = (of_machine ? "sys/" : is_step ? "train/" : "eval/") + name;
    collect(value, name == "readouts" ? "eval" : tag, scalars);  // eval/knn/accuracy
  }
  if (is_step && line.value("images", 0) > 0 && line["seconds"].is_number() && line["seconds"] > 0.0) {
    scalars.push_back({.tag = "sys/images_per_second",
                       .value = line["images"].get<float>() / line["seconds"].get<float>()});
  }
  file_->add({.wall = line.value("wall", 0.0), .step = line.value("step", std::int64_t{0})}, scalars);
}

}  // namespace nagare::apps
