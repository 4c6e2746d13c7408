#include "ssl/data/dataset.h"

#include <algorithm>

#include "engine/device/errors.h"
#include "ssl/data/join.h"
#include "ssl/data/spec.h"
#include "ssl/data/statistics.h"
#include "ssl/data/subset.h"
#include "ssl/data/table.h"

namespace nagare::ssl {
namespace {

constexpr std::int64_t kMaxImages = 1'000'000'000;

// What per-class= and test= ask for; 0: everything. Not for images drawn in-process, whose per-class= is how many.
struct Subsets {
  std::int64_t per_class = 0;
  std::int64_t test = 0;
};

Subsets read_subsets(const DataSource& source, const DataSpec& spec) {
  if (!source.takes_directory) return {};
  return {.per_class = spec.integer("per-class", 0, {0, kMaxImages}),
          .test = spec.integer("test", 0, {0, kMaxImages})};
}

void take_subsets(const Subsets& subsets, std::uint64_t seed, Dataset& data) {
  if (subsets.per_class > 0) {
    data.train = take_per_class(data.train, data.class_names, subsets.per_class, seed, SplitName::train);
  }
  if (subsets.test > 0) {
    data.test = take_balanced(data.test, data.class_names, subsets.test, seed, SplitName::test);
  }
}

// One source, without channel statistics.
Dataset load_source(const std::string& text, const DataOptions& options) {
  const DataSpec spec = parse_spec(text);
  const auto sources = data_sources();
  const auto source = std::find_if(sources.begin(), sources.end(),
                                   [&](const DataSource& row) { return row.name == spec.source(); });
  const Subsets subsets = read_subsets(*source, spec);  // before a long load
  Dataset data = source->load(spec, options);
  data.spec = text;
  try {
    take_subsets(subsets, options.seed, data);
  } catch (const BadConfig& error) {
    spec.refuse(error.what());
  }
  return data;
}

}  // namespace

Dataset load_dataset(const std::string& text, const DataOptions& options) {
  check_domain_labels(options.labels);
  const std::vector<std::string> specs = split_sources(text);
  std::vector<Dataset> parts;
  for (const std::string& spec : specs) parts.push_back(load_source(spec, options));
  Dataset data = parts.size() == 1 ? std::move(parts.front()) : join(std::move(parts), options.labels);
  data.spec = text;
  ChannelStatistics statistics = channel_statistics(data.train.images);
  data.mean = std::move(statistics.mean);
  data.std = std::move(statistics.std);
  return data;
}

}  // namespace nagare::ssl
