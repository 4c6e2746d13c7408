#include "ssl/data/subset.h"

#include <algorithm>
#include <cstring>

#include "engine/device/errors.h"
#include "kernels/parallel.h"

namespace nagare::ssl {
namespace {

// counts[c] images of class c.
Split take_counts(const Split& split, const std::vector<std::string>& class_names,
                  const std::vector<std::int64_t>& counts, std::uint64_t seed, SplitName name) {
  std::vector<std::vector<std::int64_t>> by_class(class_names.size());
  for (std::size_t i = 0; i < split.labels.classes.size(); ++i) {
    by_class[static_cast<std::size_t>(split.labels.classes[i])].push_back(static_cast<std::int64_t>(i));
  }
  std::vector<std::int64_t> ids;
  for (std::size_t c = 0; c < by_class.size(); ++c) {
    const auto found = static_cast<std::int64_t>(by_class[c].size());
    if (found < counts[c]) {
      throw BadConfig("subset: class " + std::to_string(c) + " (" + class_names[c] + ") has " +
                      std::to_string(found) + (name == SplitName::train ? " training" : " test") +
                      " images; needs " + std::to_string(counts[c]));
    }
    const RandomKey key{.seed = seed,
                        .purpose = Purpose::subset,
                        .step = static_cast<std::uint32_t>(name),
                        .sample = static_cast<std::uint32_t>(c)};
    const std::vector<std::int64_t> drawn = draw(std::move(by_class[c]), counts[c], key);
    ids.insert(ids.end(), drawn.begin(), drawn.end());
  }
  std::sort(ids.begin(), ids.end());
  return take(split, ids);
}

}  // namespace

std::vector<std::int64_t> draw(std::vector<std::int64_t> ids, std::int64_t count, const RandomKey& key) {
  Philox random(key);
  for (std::int64_t i = 0; i < count; ++i) {  // the first steps of a Fisher-Yates shuffle
    const auto left = static_cast<std::uint32_t>(static_cast<std::int64_t>(ids.size()) - i);
    std::swap(ids[static_cast<std::size_t>(i)], ids[static_cast<std::size_t>(i + random.below(left))]);
  }
  ids.resize(static_cast<std::size_t>(count));
  std::sort(ids.begin(), ids.end());
  return ids;
}

Split take(const Split& split, const std::vector<std::int64_t>& ids) {
  Split part;
  const auto count = static_cast<std::int64_t>(ids.size());
  const Shape& shape = split.images.shape();
  const std::int64_t bytes = shape[1] * shape[2] * shape[3];
  part.images = Tensor::empty({count, shape[1], shape[2], shape[3]}, {.dtype = DType::u8});
  const auto* from = split.images.data<std::uint8_t>();
  auto* to = part.images.data<std::uint8_t>();
  parallel_for(count, [&](std::int64_t i) {
    std::memcpy(to + i * bytes, from + ids[static_cast<std::size_t>(i)] * bytes,
                static_cast<std::size_t>(bytes));
  });
  for (const std::int64_t id : ids) {
    const auto i = static_cast<std::size_t>(id);
    part.labels.classes.push_back(split.labels.classes[i]);
    if (!split.labels.domains.empty()) part.labels.domains.push_back(split.labels.domains[i]);
  }
  return part;
}

Split take_per_class(const Split& split, const std::vector<std::string>& class_names, std::int64_t per_class,
                     std::uint64_t seed, SplitName name) {
  return take_counts(split, class_names, std::vector<std::int64_t>(class_names.size(), per_class), seed,
                     name);
}

Split take_balanced(const Split& split, const std::vector<std::string>& class_names, std::int64_t total,
                    std::uint64_t seed, SplitName name) {
  const auto classes = static_cast<std::int64_t>(class_names.size());
  std::vector<std::int64_t> counts;
  for (std::int64_t c = 0; c < classes; ++c)
    counts.push_back(total / classes + (c < total % classes ? 1 : 0));
  return take_counts(split, class_names, counts, seed, name);
}

}  // namespace nagare::ssl
