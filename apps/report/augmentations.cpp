#include "apps/report/figures.h"

namespace nagare::apps {
namespace {

Html sheet(const ssl::Gallery& gallery) {
  const std::int64_t views = gallery.views.shape()[1];
  Html rows;
  for (std::int64_t i = 0; i < gallery.sources.shape()[0]; ++i) {
    Html row = picture(image_at(gallery.sources, i), "image " + std::to_string(i + 1), "pixels source");
    for (std::int64_t v = 0; v < views; ++v) {
      const std::string& caption = gallery.captions[static_cast<std::size_t>(i)][static_cast<std::size_t>(v)];
      row += picture(image_at(gallery.views, i * views + v), "view " + std::to_string(v + 1) + ": " + caption,
                     "pixels");
    }
    rows += element("div", {{"class", "strip"}}, row);
  }
  return rows;
}

}  // namespace

Html augmented_views(const Comparison& comparison) {
  Html all;
  for (std::size_t r = 0; r < comparison.runs.size(); ++r) {
    const RunRecord& run = comparison.runs[r];
    all += of_run(comparison, r, run.gallery ? sheet(*run.gallery) : missing("The run has kept no gallery."));
  }
  return all;
}

}  // namespace nagare::apps
