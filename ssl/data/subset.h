#pragma once
// Class-balanced subsets of a split, drawn by a seed.
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/philox.h"
#include "ssl/data/dataset.h"

namespace nagare::ssl {

// Which split is being drawn from: its place in the random key, and its name in errors.
enum class SplitName : std::uint32_t { train = 0, test = 1 };

// `per_class` images of every class, in the order they had. Which ones depends on (seed, split, class) alone.
// errors  BadConfig naming the class that has too few
Split take_per_class(const Split& split, const std::vector<std::string>& class_names, std::int64_t per_class,
                     std::uint64_t seed, SplitName name);

// `total` images, each class total / classes of them; the first (total mod classes) classes one more.
Split take_balanced(const Split& split, const std::vector<std::string>& class_names, std::int64_t total,
                    std::uint64_t seed, SplitName name);

// The split's images at `ids`, in that order.
Split take(const Split& split, const std::vector<std::int64_t>& ids);

// `count` of `ids`, drawn without replacement, in the order they had. 0 <= count <= |ids|.
std::vector<std::int64_t> draw(std::vector<std::int64_t> ids, std::int64_t count, const RandomKey& key);

}  // namespace nagare::ssl
