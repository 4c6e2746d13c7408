#pragma once
// A stream whose mixture of classes changes smoothly: the formula of stream.h.
#include <cstdint>
#include <vector>

#include "ssl/data/dataset.h"
#include "ssl/streams/spec.h"

namespace nagare::ssl {

// spec.tasks lists of equal length (the last one may have a few more), in the order of arrival. Every image at most once; all
// of them where spec.samples asks for none.
// order   of the classes
// errors  BadConfig: spec.samples for each task are more images than there are
// cost    images * classes
std::vector<std::vector<std::int64_t>> drifting_images(const StreamSpec& spec,
                                                       const std::vector<std::int64_t>& order,
                                                       const Labels& labels, std::uint64_t seed);

}  // namespace nagare::ssl
