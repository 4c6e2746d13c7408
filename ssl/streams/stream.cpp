#include "ssl/streams/stream.h"

#include <algorithm>
#include <bit>

#include "engine/device/errors.h"
#include "engine/text/printable.h"
#include "ssl/data/subset.h"
#include "ssl/streams/drift.h"
#include "ssl/streams/shuffle.h"
#include "ssl/streams/spec.h"
#include "ssl/streams/tasks.h"

namespace nagare::ssl {
namespace {

[[noreturn]] void refuse(const StreamSpec& spec, const std::string& reason) {
  throw BadConfig("stream \"" + printable(spec.text) + "\": " + reason);
}

// One pass over a task, in the order of arrival.
struct Pass {
  std::int64_t task;
  std::vector<std::int64_t> ids;
};

void take_samples(const StreamSpec& spec, std::uint64_t seed, std::vector<std::vector<std::int64_t>>& tasks) {
  if (spec.samples.empty()) return;
  if (spec.samples.size() > tasks.size()) {
    refuse(spec, std::to_string(spec.samples.size()) + " numbers of samples for " +
                     std::to_string(tasks.size()) + (tasks.size() == 1 ? " task" : " tasks") +
                     ": need at most one for each");
  }
  for (std::size_t task = 0; task < tasks.size(); ++task) {
    const std::int64_t asked = spec.samples[task % spec.samples.size()];
    if (asked == 0) continue;
    const auto found = static_cast<std::int64_t>(tasks[task].size());
    if (found < asked) {
      refuse(spec, "samples=" + std::to_string(asked) + ", task " + std::to_string(task + 1) + " has " +
                       std::to_string(found) + " images");
    }
    tasks[task] = draw(std::move(tasks[task]), asked,
                       {.seed = seed,
                        .purpose = Purpose::stream_order,
                        .sample = static_cast<std::uint32_t>(task),
                        .view = kSubsetView});
  }
}

std::vector<Pass> shuffled_passes(const std::vector<std::vector<std::int64_t>>& tasks, std::int64_t epochs,
                                  std::uint64_t seed) {
  std::vector<Pass> passes;
  for (std::size_t task = 0; task < tasks.size(); ++task) {
    for (std::int64_t epoch = 0; epoch < epochs; ++epoch) {
      passes.push_back({.task = static_cast<std::int64_t>(task), .ids = tasks[task]});
      shuffle(passes.back().ids, {.seed = seed,
                                  .step = static_cast<std::uint32_t>(epoch),
                                  .sample = static_cast<std::uint32_t>(task),
                                  .view = kImageView});
    }
  }
  return passes;
}

// One pass each: neighbours exchange images, the more the nearer to the boundary.
void blur(double part, std::uint64_t seed, std::vector<Pass>& tasks) {
  for (std::size_t t = 1; t < tasks.size(); ++t) {
    std::vector<std::int64_t>& before = tasks[t - 1].ids;
    std::vector<std::int64_t>& after = tasks[t].ids;
    const auto reach =
        static_cast<std::size_t>(static_cast<double>(std::min(before.size(), after.size())) * part / 2.0);
    Philox random({.seed = seed,
                   .purpose = Purpose::stream_order,
                   .sample = static_cast<std::uint32_t>(t),
                   .view = kBlurView});
    for (std::size_t k = 0; k < reach; ++k) {
      const double probability = 0.5 - 0.45 * static_cast<double>(k) / static_cast<double>(reach);
      if (random.uniform() < probability) std::swap(before[before.size() - 1 - k], after[k]);
    }
  }
}

void expand_runs(std::int64_t runs, std::int64_t images, std::vector<Pass>& passes) {
  if (runs == 1) return;
  for (Pass& pass : passes) {
    std::vector<std::int64_t> frames;
    frames.reserve(pass.ids.size() * static_cast<std::size_t>(runs));
    for (const std::int64_t image : pass.ids) {
      for (std::int64_t frame = 0; frame < runs; ++frame) frames.push_back(image + frame * images);
    }
    pass.ids = std::move(frames);
  }
}

// Cuts `ids` into batches; task_at(i) is the task of ids[i].
template <class TaskAt>
void append_batches(const std::vector<std::int64_t>& ids, const StreamOptions& options, bool drop_last,
                    const TaskAt& task_at, Stream& stream) {
  const auto size = static_cast<std::size_t>(options.batch);
  for (std::size_t begin = 0, end = 0; begin < ids.size(); begin = end) {
    end = std::min(begin + size, ids.size());
    if (drop_last && end - begin < size) return;
    // Batch norm needs two images in the last batch.
    if (!drop_last && size > 2 && ids.size() - end == 1) --end;
    const std::int64_t position =
        stream.batches.empty()
            ? 0
            : stream.batches.back().position + static_cast<std::int64_t>(stream.batches.back().ids.size());
    stream.batches.push_back({.task = task_at(begin),
                              .position = position,
                              .ids = {ids.begin() + static_cast<std::ptrdiff_t>(begin),
                                      ids.begin() + static_cast<std::ptrdiff_t>(end)}});
  }
}

// Batches that know no boundary.
void cut_whole(const std::vector<Pass>& passes, const StreamOptions& options, bool drop_last,
               Stream& stream) {
  std::vector<std::int64_t> ids;
  std::vector<std::int64_t> tasks;
  for (const Pass& pass : passes) {
    ids.insert(ids.end(), pass.ids.begin(), pass.ids.end());
    tasks.insert(tasks.end(), pass.ids.size(), pass.task);
  }
  append_batches(
      ids, options, drop_last, [&](std::size_t i) { return tasks[i]; }, stream);
}

void check_passes(const StreamSpec& spec, const StreamOptions& options) {
  if (options.batch < 1 || options.epochs < 1) {
    throw BadConfig("stream: batch " + std::to_string(options.batch) + ", epochs " +
                    std::to_string(options.epochs) + ": both must be at least 1");
  }
  if (options.epochs > 1 && (spec.blur > 0.0 || spec.kind == "drift")) {
    refuse(spec, std::to_string(options.epochs) + " epochs: a " + (spec.kind == "drift" ? "drift" : "blur") +
                     " passes once; needs epochs 1");
  }
}

}  // namespace

Stream make_stream(const Dataset& data, const StreamOptions& options) {
  const StreamSpec spec = parse_stream(options.spec);
  check_passes(spec, options);
  const std::uint64_t seed = spec.seed.value_or(options.seed);
  TaskLists lists = task_lists(spec, options.class_order, data, seed);
  Stream stream{.tasks = static_cast<std::int64_t>(lists.ids.size()),
                .task_classes = std::move(lists.classes),
                .task_domains = std::move(lists.domains),
                .exposed = spec.exposed,
                .motion = {},
                .batches = {}};
  std::vector<Pass> passes;
  if (spec.kind == "drift") {
    for (std::int64_t task = 0; task < stream.tasks; ++task)
      passes.push_back({.task = task, .ids = std::move(lists.ids[static_cast<std::size_t>(task)])});
  } else {
    take_samples(spec, seed, lists.ids);
    passes = shuffled_passes(lists.ids, options.epochs, seed);
    if (spec.blur > 0.0) blur(spec.blur, seed, passes);
  }
  const auto images = static_cast<std::int64_t>(data.train.labels.classes.size());
  expand_runs(spec.runs, images, passes);
  if (!spec.exposed && options.epochs == 1) {
    cut_whole(passes, options, spec.drop_last, stream);
  } else {
    for (const Pass& pass : passes)
      append_batches(
          pass.ids, options, spec.drop_last, [&](std::size_t) { return pass.task; }, stream);
  }
  std::int64_t length = 0;
  for (const StreamBatch& batch : stream.batches) length += static_cast<std::int64_t>(batch.ids.size());
  stream.motion = {.runs = spec.runs,
                   .rotate = spec.rotate,
                   .hue = spec.hue,
                   .zoom = spec.zoom,
                   .seed = seed,
                   .images = images,
                   .length = length};
  return stream;
}

void check_trainable(const Stream& stream, const StreamOptions& asked) {
  const std::string who = "stream-batch " + std::to_string(asked.batch) + ": ";
  std::vector<bool> begins(static_cast<std::size_t>(stream.tasks));
  for (const StreamBatch& entry : stream.batches) {
    begins[static_cast<std::size_t>(entry.task)] = true;
    if (entry.ids.size() > 1) continue;
    throw BadConfig(who + "task " + std::to_string(entry.task + 1) +
                    " has a batch of a single image, and batch norm needs 2; choose larger batches");
  }
  for (std::size_t task = 0; task < begins.size(); ++task) {
    if (begins[task]) continue;
    const std::string nothing = who + "no batch begins in task " + std::to_string(task + 1);
    if (parse_stream(asked.spec).drop_last) {
      throw BadConfig(nothing +
                      ": it has fewer images than a batch, and drop-last leaves such a batch out; choose "
                      "smaller batches, or drop-last=off");
    }
    throw BadConfig(nothing + ", which has too few images; choose smaller batches");
  }
}

std::uint64_t stream_digest(const Stream& stream) {
  std::uint64_t hash = 0xCBF29CE484222325U;  // FNV-1a over 64-bit words
  const auto mix = [&](std::uint64_t word) { hash = (hash ^ word) * 0x100000001B3U; };
  for (const StreamBatch& batch : stream.batches) {
    mix(static_cast<std::uint64_t>(batch.task));
    mix(batch.ids.size());
    for (const std::int64_t id : batch.ids) mix(static_cast<std::uint64_t>(id));
    hash ^= hash >> 32;
  }
  const Motion& motion = stream.motion;
  if (motion.rotate != 0.0 || motion.hue != 0.0 || motion.zoom != 1.0 || motion.runs > 1) {
    for (const double value : {motion.rotate, motion.hue, motion.zoom})
      mix(std::bit_cast<std::uint64_t>(value));
    mix(motion.seed);
    hash ^= hash >> 32;
  }
  return hash;
}

}  // namespace nagare::ssl
