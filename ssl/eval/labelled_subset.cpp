#include "ssl/eval/labelled_subset.h"

#include <algorithm>
#include <cmath>

#include "engine/autograd/tape.h"
#include "engine/ops/shape_ops.h"
#include "ssl/data/subset.h"

namespace nagare::ssl {
namespace {

constexpr std::uint32_t kEvaluation = 2;  // beside SplitName's values in the random key

// wanted(class, images of it) images of every class.
template <class Wanted>
std::vector<std::int64_t> draw_classes(const std::vector<std::int64_t>& labels, std::int64_t classes,
                                       std::uint64_t seed, const Wanted& wanted) {
  std::vector<std::vector<std::int64_t>> by_class(static_cast<std::size_t>(classes));
  for (std::size_t i = 0; i < labels.size(); ++i)
    by_class[static_cast<std::size_t>(labels[i])].push_back(static_cast<std::int64_t>(i));
  std::vector<std::int64_t> ids;
  for (std::int64_t c = 0; c < classes; ++c) {
    std::vector<std::int64_t>& of_class = by_class[static_cast<std::size_t>(c)];
    const auto found = static_cast<std::int64_t>(of_class.size());
    const std::vector<std::int64_t> drawn = draw(std::move(of_class), std::min(found, wanted(c, found)),
                                                 {.seed = seed,
                                                  .purpose = Purpose::subset,
                                                  .step = kEvaluation,
                                                  .sample = static_cast<std::uint32_t>(c)});
    ids.insert(ids.end(), drawn.begin(), drawn.end());
  }
  std::ranges::sort(ids);
  return ids;
}

}  // namespace

Tensor take_rows(const Tensor& features, const std::vector<std::int64_t>& ids) {
  const tape::NoGrad no_grad;
  return gather_rows(features, Tensor::from(ids, {static_cast<std::int64_t>(ids.size())}, features.device()));
}

LabelledFeatures take_rows(const LabelledFeatures& labelled, const std::vector<std::int64_t>& ids) {
  LabelledFeatures taken{
      .features = take_rows(labelled.features, ids), .labels = {}, .classes = labelled.classes};
  for (const std::int64_t id : ids) {
    if (!labelled.domains.empty()) taken.domains.push_back(labelled.domains[static_cast<std::size_t>(id)]);
  }
  for (const std::int64_t id : ids) taken.labels.push_back(labelled.labels[static_cast<std::size_t>(id)]);
  return taken;
}

std::vector<std::int64_t> labelled_share(const std::vector<std::int64_t>& labels, std::int64_t classes,
                                         double fraction, std::uint64_t seed) {
  return draw_classes(labels, classes, seed, [&](std::int64_t, std::int64_t found) {
    return std::max<std::int64_t>(1, std::llround(fraction * static_cast<double>(found)));
  });
}

std::vector<std::int64_t> labelled_count(const std::vector<std::int64_t>& labels, std::int64_t classes,
                                         std::int64_t total, std::uint64_t seed) {
  return draw_classes(labels, classes, seed, [&](std::int64_t c, std::int64_t) {
    return total / classes + (c < total % classes ? 1 : 0);
  });
}

}  // namespace nagare::ssl
