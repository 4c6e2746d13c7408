#include <fmt/format.h>

#include "apps/report/figures.h"

namespace nagare::apps {
namespace {

Html sheet(const ssl::Gallery& gallery) {
  const std::int64_t k = gallery.neighbours.shape()[1];
  const auto query_classes = gallery.query_classes.to_vector<std::int64_t>();
  const auto classes = gallery.neighbour_classes.to_vector<std::int64_t>();
  const auto similarities = gallery.similarities.to_vector<float>();
  const auto name = [&](std::int64_t c) { return gallery.class_names[static_cast<std::size_t>(c)]; };
  Html rows;
  for (std::size_t q = 0; q < query_classes.size(); ++q) {
    const auto row_of = static_cast<std::int64_t>(q);
    Html row =
        picture(image_at(gallery.queries, row_of), "query: " + name(query_classes[q]), "pixels source");
    std::int64_t right = 0;
    for (std::int64_t n = 0; n < k; ++n) {
      const std::int64_t at = row_of * k + n;
      const std::int64_t c = classes[static_cast<std::size_t>(at)];
      const bool same = c == query_classes[q];
      right += same ? 1 : 0;
      row += picture(image_at(gallery.neighbours, at),
                     fmt::format("{}, cosine {:.3f}", name(c), similarities[static_cast<std::size_t>(at)]),
                     same ? "pixels same" : "pixels other");
    }
    row += element("span", {{"class", "count"}},
                   text(fmt::format("{}: {} of {}", name(query_classes[q]), right, k)));
    rows += element("div", {{"class", "strip"}}, row);
  }
  return rows;
}

}  // namespace

Html nearest_images(const Comparison& comparison) {
  Html all;
  for (std::size_t r = 0; r < comparison.runs.size(); ++r) {
    const RunRecord& run = comparison.runs[r];
    all += of_run(comparison, r, run.gallery ? sheet(*run.gallery) : missing("The run has kept no gallery."));
  }
  return all;
}

}  // namespace nagare::apps
