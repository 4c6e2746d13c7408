#include "ssl/streams/tasks.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "engine/device/errors.h"
#include "engine/text/printable.h"
#include "ssl/streams/class_order.h"
#include "ssl/streams/drift.h"
#include "ssl/streams/published_random.h"
#include "ssl/streams/shuffle.h"

namespace nagare::ssl {
namespace {

std::string who(const StreamSpec& spec) { return "stream \"" + printable(spec.text) + "\": "; }

std::vector<std::int64_t> all_images(const Dataset& data) {
  std::vector<std::int64_t> ids(data.train.labels.classes.size());
  std::iota(ids.begin(), ids.end(), 0);
  return ids;
}

// The classes that occur among `ids`, in the order's order.
std::vector<std::int64_t> classes_among(const std::vector<std::int64_t>& ids, const Dataset& data,
                                        const std::vector<std::int64_t>& order) {
  std::vector<bool> occurs(order.size());
  for (const std::int64_t id : ids)
    occurs[static_cast<std::size_t>(data.train.labels.classes[static_cast<std::size_t>(id)])] = true;
  std::vector<std::int64_t> classes;
  for (const std::int64_t c : order) {
    if (occurs[static_cast<std::size_t>(c)]) classes.push_back(c);
  }
  return classes;
}

// Equally many classes for each task, in order.
std::vector<std::vector<std::int64_t>> cut_classes(const StreamSpec& spec,
                                                   const std::vector<std::int64_t>& order) {
  const auto classes = static_cast<std::int64_t>(order.size());
  if (classes % spec.tasks != 0) {
    throw BadConfig(who(spec) + std::to_string(classes) + " classes cannot be cut into " +
                    std::to_string(spec.tasks) + " equal tasks");
  }
  const std::int64_t each = classes / spec.tasks;
  std::vector<std::vector<std::int64_t>> tasks;
  for (std::int64_t begin = 0; begin < classes; begin += each)
    tasks.emplace_back(order.begin() + begin, order.begin() + begin + each);
  return tasks;
}

TaskLists by_class(const StreamSpec& spec, const std::vector<std::int64_t>& order, const Dataset& data) {
  TaskLists lists;
  lists.classes = cut_classes(spec, order);
  lists.ids.resize(lists.classes.size());
  std::vector<std::size_t> task_of(order.size());
  for (std::size_t task = 0; task < lists.classes.size(); ++task) {
    for (const std::int64_t c : lists.classes[task]) task_of[static_cast<std::size_t>(c)] = task;
  }
  const std::vector<std::int64_t>& classes = data.train.labels.classes;
  for (std::size_t id = 0; id < classes.size(); ++id)
    lists.ids[task_of[static_cast<std::size_t>(classes[id])]].push_back(static_cast<std::int64_t>(id));
  return lists;
}

TaskLists by_part(const StreamSpec& spec, const std::vector<std::int64_t>& order, const Dataset& data,
                  std::uint64_t seed) {
  std::vector<std::int64_t> ids = all_images(data);
  const auto images = static_cast<std::int64_t>(ids.size());
  if (spec.tasks > images) {
    throw BadConfig(who(spec) + std::to_string(images) + " images cannot be cut into " +
                    std::to_string(spec.tasks) + " parts");
  }
  if (spec.torch_seed.has_value()) {
    ids = pytorch_permutation(images, *spec.torch_seed);
  } else {
    shuffle(ids, {.seed = seed, .view = kPartView});
  }
  TaskLists lists;
  const std::int64_t each = images / spec.tasks;
  for (auto begin = ids.begin(); begin != ids.end();) {
    const auto end = begin + each + (begin == ids.begin() ? images % spec.tasks : 0);
    lists.ids.emplace_back(begin, end);
    std::ranges::sort(lists.ids.back());
    lists.classes.push_back(classes_among(lists.ids.back(), data, order));
    begin = end;
  }
  return lists;
}

TaskLists by_domain(const StreamSpec& spec, const std::vector<std::int64_t>& order, const Dataset& data) {
  if (data.domains.size() < 2) {
    throw BadConfig(who(spec) +
                    "needs several sources: --data \"FIRST;SECOND\", or --data given several times");
  }
  TaskLists lists;
  lists.ids.resize(data.domains.size());
  const std::vector<std::int64_t>& domains = data.train.labels.domains;
  for (std::size_t id = 0; id < domains.size(); ++id)
    lists.ids[static_cast<std::size_t>(domains[id])].push_back(static_cast<std::int64_t>(id));
  for (std::size_t task = 0; task < lists.ids.size(); ++task) {
    lists.classes.push_back(classes_among(lists.ids[task], data, order));
    lists.domains.push_back(static_cast<std::int64_t>(task));
  }
  return lists;
}

}  // namespace

TaskLists task_lists(const StreamSpec& spec, const std::string& order_text, const Dataset& data,
                     std::uint64_t seed) {
  const std::vector<std::int64_t> order = class_order(order_text, data, seed);
  TaskLists lists;
  if (spec.kind == "seq") lists = by_class(spec, order, data);
  if (spec.kind == "data") lists = by_part(spec, order, data, seed);
  if (spec.kind == "domain") lists = by_domain(spec, order, data);
  if (spec.kind == "iid") lists = {.ids = {all_images(data)}, .classes = {order}, .domains = {}};
  if (spec.kind == "drift") {
    lists.classes = cut_classes(spec, order);
    lists.ids = drifting_images(spec, order, data.train.labels, seed);
  }
  for (std::size_t task = 0; task < lists.ids.size(); ++task) {
    if (lists.ids[task].empty()) throw BadData(who(spec) + "task " + std::to_string(task) + " has no images");
  }
  return lists;
}

}  // namespace nagare::ssl
