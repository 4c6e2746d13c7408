#include "ssl/streams/drift.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "engine/device/errors.h"
#include "engine/text/printable.h"
#include "ssl/streams/shuffle.h"

namespace nagare::ssl {
namespace {

constexpr double kNegligible = -50.0;  // logarithm of a weight, the largest being 0

// The images of each class that have not arrived yet, classes in their order.
std::vector<std::vector<std::int64_t>> shuffled_classes(const std::vector<std::int64_t>& order,
                                                        const Labels& labels, std::uint64_t seed) {
  std::vector<std::size_t> place(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) place[static_cast<std::size_t>(order[i])] = i;
  std::vector<std::vector<std::int64_t>> left(order.size());
  for (std::size_t id = 0; id < labels.classes.size(); ++id)
    left[place[static_cast<std::size_t>(labels.classes[id])]].push_back(static_cast<std::int64_t>(id));
  for (std::size_t i = 0; i < left.size(); ++i) {
    shuffle(left[i], {.seed = seed, .sample = static_cast<std::uint32_t>(order[i]), .view = kDriftView});
  }
  return left;
}

// Index of a class that has images left, drawn by its weight; `logs` is scratch. One class at least has some.
std::size_t draw_class(const std::vector<std::vector<std::int64_t>>& left, double time, double spread,
                       double uniform, std::vector<double>& logs) {
  double largest = -std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < left.size(); ++i) {
    const double distance = (time - (static_cast<double>(i) + 0.5)) / spread;
    logs[i] = left[i].empty() ? -std::numeric_limits<double>::infinity() : -0.5 * distance * distance;
    largest = std::max(largest, logs[i]);
  }
  double sum = 0.0;
  for (double& value : logs) {
    value = value - largest > kNegligible ? std::exp(value - largest) : 0.0;
    sum += value;
  }
  double rest = uniform * sum;
  std::size_t last = 0;
  for (std::size_t i = 0; i < logs.size(); ++i) {
    if (logs[i] == 0.0) continue;
    last = i;
    rest -= logs[i];
    if (rest < 0.0) break;
  }
  return last;
}

}  // namespace

std::vector<std::vector<std::int64_t>> drifting_images(const StreamSpec& spec,
                                                       const std::vector<std::int64_t>& order,
                                                       const Labels& labels, std::uint64_t seed) {
  const auto images = static_cast<std::int64_t>(labels.classes.size());
  const std::int64_t each = spec.samples.empty() ? 0 : spec.samples.front();
  const std::int64_t length = each == 0 ? images : each * spec.tasks;
  if (length > images) {
    throw BadConfig("stream \"" + printable(spec.text) + "\": " + std::to_string(length) +
                    " images in all, there are " + std::to_string(images));
  }
  std::vector<std::vector<std::int64_t>> left = shuffled_classes(order, labels, seed);
  std::vector<std::vector<std::int64_t>> tasks(static_cast<std::size_t>(spec.tasks));
  std::vector<double> scratch(left.size());
  Philox random({.seed = seed,
                 .purpose = Purpose::stream_order,
                 .sample = static_cast<std::uint32_t>(order.size()),  // beside those of the classes
                 .view = kDriftView});
  for (std::int64_t position = 0; position < length; ++position) {
    const double time = (static_cast<double>(position) + 0.5) / static_cast<double>(length) *
                        static_cast<double>(order.size());  // in classes
    std::vector<std::int64_t>& from = left[draw_class(left, time, spec.spread, random.uniform(), scratch)];
    tasks[static_cast<std::size_t>(position * spec.tasks / length)].push_back(from.back());
    from.pop_back();
  }
  return tasks;
}

}  // namespace nagare::ssl
