#include "apps/report/page.h"

#include "apps/report/page_assets.h"

namespace nagare::apps {
namespace {

struct Section {
  const char* id;
  const char* title;
  const char* caption;
  Html (*draw)(const Comparison& comparison);
  bool pictures = false;  // left out of a comparison of many runs
};

constexpr Section kSections[] = {
    {"summary", "Results", "Accuracies in percent, differences in points, of the first readout.",
     &summary_tables},
    {"accuracy", "Accuracy over the stream",
     "Frozen features are judged between updates. Dashed lines: a task ends there.", &accuracy_over_stream},
    {"matrix", "Accuracy matrix",
     "Row t: after task t. Column i: on the test images of task i, also of tasks still to come. The diagonal "
     "is framed: "
     "a task right after it was learned.",
     &accuracy_matrices},
    {"forgetting", "Forgetting",
     "The best accuracy on a task after any task but the last, less that at the end (Chaudhry et al. 2018). "
     "Below zero: "
     "it got better.",
     &forgetting_bars},
    {"loss", "Loss and learning rate", "Every update; spikes are kept where many updates share a pixel.",
     &learning_curves},
    {"buffer", "Stored images",
     "What a replay strategy held at each evaluation, by the task that brought it.", &buffer_composition},
    {"measures", "Geometry of the features", "Without labels: a collapse shows here first.",
     &measures_over_stream},
    {"embedding", "Test images in feature space",
     "Unit features of evenly spaced test images. Both projections are deterministic.", &embedding, true},
    {"neighbours", "Nearest neighbours",
     "A test image (left) and its nearest among evenly spaced training images. A solid frame: of its class; "
     "dashed: of "
     "another.",
     &nearest_images, true},
    {"views", "Augmentation",
     "Training images (left) and the views that the first update would make of them.", &augmented_views,
     true},
    {"filters", "First-layer filters", "Each on its own scale; grey is zero.", &first_filters, true},
    {"maps", "Feature maps", "The first channels of one block, each on its own scale.", &feature_maps, true},
    {"machine", "Throughput and memory", "Evaluations and saving are not counted.", &throughput},
    {"configuration", "Configuration and environment", "", &configuration},
};

constexpr char kPolicy[] =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";

std::string title_of(const Comparison& comparison) {
  const RunRecord& first = comparison.runs.front();
  if (comparison.runs.size() > 1) return "Comparison of " + std::to_string(comparison.runs.size()) + " runs";
  return first.name;
}

Html head(const Comparison& comparison) {
  return element(
      "head", {},
      element("meta", {{"charset", "utf-8"}}) +
          element("meta", {{"http-equiv", "Content-Security-Policy"}, {"content", kPolicy}}) +
          element("meta", {{"name", "viewport"}, {"content", "width=device-width, initial-scale=1"}}) +
          element("title", {}, text("nagare: " + title_of(comparison))) + embedded("style", kPageStyle));
}

Html header(const Comparison& comparison) {
  const RunRecord& run = comparison.runs.front();
  Html links;
  for (const Section& section : kSections) {
    links += element("a", {{"href", "#" + std::string(section.id)}}, text(section.title));
  }
  std::string facts = run.config_value("data") + ", " + run.config_value("stream");
  if (comparison.runs.size() == 1) {
    facts = run.config_value("method.name") + " + " + run.config_value("strategy.name") + " on " +
            run.config_value("model") + ", " + facts + ", seed " + run.config_value("seed");
  }
  return element(
      "header", {},
      element("h1", {}, text(title_of(comparison))) +
          element("button", {{"type", "button"}, {"id", "theme"}, {"hidden", ""}}, text("Light or dark")) +
          element("p", {{"class", "facts"}}, text(facts)) +
          element("nav", {{"aria-label", "Sections"}}, links));
}

Html body_of(const Section& section, const Comparison& comparison) {
  if (!section.pictures || comparison.runs.size() < kMostPictured) return section.draw(comparison);
  return missing("Left out of a comparison of " + std::to_string(comparison.runs.size()) +
                 " runs; a report of fewer has it.");
}

}  // namespace

std::string report_page(const Comparison& comparison) {
  Html sections;
  for (const Section& section : kSections) {
    Html content = element("h2", {}, text(section.title));
    if (*section.caption != '\0') content += element("p", {{"class", "caption"}}, text(section.caption));
    sections += element("section", {{"id", section.id}}, content + body_of(section, comparison));
  }
  const Html body = element(
      "body", {}, header(comparison) + element("main", {}, sections) + embedded("script", kPageScript));
  return "<!DOCTYPE html>\n" + element("html", {{"lang", "en"}}, head(comparison) + body).markup() + "\n";
}

}  // namespace nagare::apps
