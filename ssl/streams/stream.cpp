#include "ssl/streams/stream.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <numeric>

#include "engine/device/errors.h"
#include "engine/text/nearest.h"
#include "engine/text/printable.h"
#include "kernels/philox.h"
#include "ssl/streams/table.h"

namespace nagare::ssl {
namespace {

constexpr std::uint32_t kImageView = 0;       // random keys: shuffles of images
constexpr std::uint32_t kClassOrderView = 1;  // and of classes

void shuffle(std::vector<std::int64_t>& values, const RandomKey& key) {
  Philox random(key);
  for (std::size_t i = values.size(); i > 1; --i) {  // Fisher-Yates
    std::swap(values[i - 1], values[random.below(static_cast<std::uint32_t>(i))]);
  }
}

bool read_integer(std::string_view text, std::int64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

// T of "seq:T", 1 for "iid".
std::int64_t read_tasks(const std::string& spec, std::int64_t classes) {
  const std::string name = spec.substr(0, spec.find(':'));
  std::vector<std::string> known;
  for (const StreamKind& kind : stream_kinds()) known.push_back(kind.name);
  if (std::find(known.begin(), known.end(), name) == known.end())
    throw BadConfig(unknown_name("stream", name, known));
  if (spec == "iid") return 1;
  std::int64_t tasks = 0;
  const bool number =
      name == "seq" && spec.size() > 4 && read_integer(std::string_view(spec).substr(4), tasks);
  if (!number) {
    throw BadConfig("stream \"" + printable(spec) + "\": needs " +
                    (name == "iid" ? "iid alone" : "seq:T, as seq:5"));
  }
  if (tasks < 1 || classes % tasks != 0) {
    throw BadConfig("stream \"" + printable(spec) + "\": " + std::to_string(classes) +
                    " classes cannot be cut into " + std::to_string(tasks) + " equal tasks");
  }
  return tasks;
}

std::vector<std::int64_t> given_order(const std::string& text, std::int64_t classes) {
  std::vector<std::int64_t> order;
  std::vector<bool> seen(static_cast<std::size_t>(classes));
  const auto refuse = [&](const std::string& reason) {
    throw BadConfig("class order \"" + printable(text) + "\": " + reason +
                    "; needs natural, seeded, or each of 0 to " + std::to_string(classes - 1) + " once");
  };
  std::string_view rest = text;
  for (std::size_t comma = 0; comma != std::string_view::npos;) {
    comma = rest.find(',');
    const std::string_view part = rest.substr(0, comma);
    std::int64_t c = -1;
    if (!read_integer(part, c)) refuse("\"" + printable(part) + "\" is not a class number");
    if (c < 0 || c >= classes) refuse("there is no class " + std::to_string(c));
    if (seen[static_cast<std::size_t>(c)]) refuse("class " + std::to_string(c) + " comes twice");
    seen[static_cast<std::size_t>(c)] = true;
    order.push_back(c);
    if (comma != std::string_view::npos) rest.remove_prefix(comma + 1);
  }
  if (static_cast<std::int64_t>(order.size()) != classes)
    refuse(std::to_string(order.size()) + " classes are named");
  return order;
}

std::vector<std::int64_t> class_order(const StreamOptions& options, std::int64_t classes) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(classes));
  std::iota(order.begin(), order.end(), 0);
  if (options.class_order == "natural") return order;
  if (options.class_order != "seeded") return given_order(options.class_order, classes);
  shuffle(order, {.seed = options.seed, .purpose = Purpose::stream_order, .view = kClassOrderView});
  return order;
}

void append_batches(const std::vector<std::int64_t>& ids, std::int64_t task, std::int64_t batch,
                    Stream& stream) {
  const auto size = static_cast<std::size_t>(batch);
  for (std::size_t begin = 0, end = 0; begin < ids.size(); begin = end) {
    end = std::min(begin + size, ids.size());
    if (size > 2 && ids.size() - end == 1) --end;  // batch norm needs two images in the last batch
    const std::int64_t position =
        stream.batches.empty()
            ? 0
            : stream.batches.back().position + static_cast<std::int64_t>(stream.batches.back().ids.size());
    stream.batches.push_back({.task = task,
                              .position = position,
                              .ids = {ids.begin() + static_cast<std::ptrdiff_t>(begin),
                                      ids.begin() + static_cast<std::ptrdiff_t>(end)}});
  }
}

}  // namespace

Stream make_stream(const Labels& labels, std::int64_t classes, const StreamOptions& options) {
  if (options.batch < 1 || options.epochs < 1) {
    throw BadConfig("stream: batch " + std::to_string(options.batch) + ", epochs " +
                    std::to_string(options.epochs) + ": both must be at least 1");
  }
  Stream stream;
  stream.tasks = read_tasks(options.spec, classes);
  const std::vector<std::int64_t> order = class_order(options, classes);
  const std::int64_t per_task = classes / stream.tasks;
  std::vector<std::int64_t> task_of(static_cast<std::size_t>(classes));
  stream.task_classes.resize(static_cast<std::size_t>(stream.tasks));
  for (std::int64_t i = 0; i < classes; ++i) {
    const std::int64_t c = order[static_cast<std::size_t>(i)];
    task_of[static_cast<std::size_t>(c)] = i / per_task;
    stream.task_classes[static_cast<std::size_t>(i / per_task)].push_back(c);
  }
  std::vector<std::vector<std::int64_t>> task_ids(static_cast<std::size_t>(stream.tasks));
  for (std::size_t id = 0; id < labels.classes.size(); ++id) {
    const std::int64_t task = task_of[static_cast<std::size_t>(labels.classes[id])];
    task_ids[static_cast<std::size_t>(task)].push_back(static_cast<std::int64_t>(id));
  }
  for (std::int64_t task = 0; task < stream.tasks; ++task) {
    const std::vector<std::int64_t>& ids = task_ids[static_cast<std::size_t>(task)];
    if (ids.empty())
      throw BadData("stream \"" + options.spec + "\": task " + std::to_string(task) + " has no images");
    for (std::int64_t epoch = 0; epoch < options.epochs; ++epoch) {
      std::vector<std::int64_t> shuffled = ids;
      shuffle(shuffled, {.seed = options.seed,
                         .purpose = Purpose::stream_order,
                         .step = static_cast<std::uint32_t>(epoch),
                         .sample = static_cast<std::uint32_t>(task),
                         .view = kImageView});
      append_batches(shuffled, task, options.batch, stream);
    }
  }
  return stream;
}

std::uint64_t stream_digest(const Stream& stream) {
  std::uint64_t hash = 0xCBF29CE484222325U;  // FNV-1a over 64-bit words
  const auto mix = [&](std::int64_t word) {
    hash = (hash ^ static_cast<std::uint64_t>(word)) * 0x100000001B3U;
  };
  for (const StreamBatch& batch : stream.batches) {
    mix(batch.task);
    mix(static_cast<std::int64_t>(batch.ids.size()));
    for (const std::int64_t id : batch.ids) mix(id);
    hash ^= hash >> 32;
  }
  return hash;
}

std::string stream_to_text(const Stream& stream, const std::vector<std::string>& class_names) {
  std::vector<std::int64_t> images(static_cast<std::size_t>(stream.tasks));
  std::vector<std::int64_t> batches(images.size());
  for (const StreamBatch& batch : stream.batches) {
    images[static_cast<std::size_t>(batch.task)] += static_cast<std::int64_t>(batch.ids.size());
    ++batches[static_cast<std::size_t>(batch.task)];
  }
  char digest[17];
  std::snprintf(digest, sizeof digest, "%016llx", static_cast<unsigned long long>(stream_digest(stream)));
  std::string text = std::to_string(stream.tasks) + " tasks, " + std::to_string(stream.batches.size()) +
                     " batches, " +
                     std::to_string(std::accumulate(images.begin(), images.end(), std::int64_t{0})) +
                     " images, digest " + digest + "\n";
  for (std::size_t task = 0; task < images.size(); ++task) {
    text += "task " + std::to_string(task) + ": " + std::to_string(images[task]) + " images in " +
            std::to_string(batches[task]) + " batches; classes";
    for (const std::int64_t c : stream.task_classes[task]) {
      text += " " + std::to_string(c) + " (" + class_names[static_cast<std::size_t>(c)] + ")";
    }
    text += "\n";
  }
  for (std::size_t i = 0; i < stream.batches.size(); ++i) {
    const StreamBatch& batch = stream.batches[i];
    text += "batch " + std::to_string(i) + " task " + std::to_string(batch.task) + " position " +
            std::to_string(batch.position) + " ids";
    for (const std::int64_t id : batch.ids) text += " " + std::to_string(id);
    text += "\n";
  }
  return text;
}

}  // namespace nagare::ssl
