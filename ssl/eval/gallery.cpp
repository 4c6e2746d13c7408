#include "ssl/eval/gallery.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <numeric>

#include "engine/device/errors.h"
#include "engine/io/safetensors.h"
#include "engine/text/printable.h"
#include "kernels/philox.h"
#include "ssl/augment/augmenter.h"
#include "ssl/augment/draw.h"
#include "ssl/buffers/replay.h"
#include "ssl/data/image.h"
#include "ssl/eval/knn.h"

namespace nagare::ssl {
namespace {

using Indices = std::vector<std::int64_t>;
using Json = nlohmann::json;

// What is drawn at random: a word of the key each.
enum Drawn : std::uint32_t { kSources, kQueries, kMapImages };

Indices evenly_spaced(std::int64_t images, std::int64_t count) {
  const std::int64_t taken = std::min(images, count);
  Indices indices;
  for (std::int64_t i = 0; i < taken; ++i) indices.push_back(i * images / taken);
  return indices;
}

Indices drawn(std::int64_t images, std::int64_t count, std::uint64_t seed, Drawn what) {
  return draw_without_replacement(images, count, {.seed = seed, .purpose = Purpose::gallery, .step = what});
}

Tensor pick(const Tensor& images, const Indices& indices) {
  const Shape& shape = images.shape();
  const Tensor picked = Tensor::empty(
      {static_cast<std::int64_t>(indices.size()), shape[1], shape[2], shape[3]}, {.dtype = DType::u8});
  for (std::size_t i = 0; i < indices.size(); ++i) {
    picked.rows(static_cast<std::int64_t>(i), 1).copy_from(images.rows(indices[i], 1));
  }
  return picked;
}

Indices pick(const Indices& values, const Indices& indices) {
  Indices picked;
  for (const std::int64_t index : indices) picked.push_back(values.at(static_cast<std::size_t>(index)));
  return picked;
}

Tensor column(const Indices& values) {
  return Tensor::from(values, {static_cast<std::int64_t>(values.size())});
}

// (N, H, W, 3) -> (N, t, t, 3), t = min(side, H).
Tensor thumbnails(const Tensor& images, std::int64_t side) {
  const Shape& shape = images.shape();
  if (shape[1] <= side && shape[2] <= side) return images;
  const Tensor small = Tensor::empty({shape[0], side, side, 3}, {.dtype = DType::u8});
  for (std::int64_t i = 0; i < shape[0]; ++i) {
    const auto* pixels = images.rows(i, 1).data<std::uint8_t>();
    const std::vector<std::uint8_t> fitted = fit_square(
        {.width = shape[2], .height = shape[1], .pixels = {pixels, pixels + shape[1] * shape[2] * 3}}, side);
    std::memcpy(small.rows(i, 1).raw(), fitted.data(), fitted.size());
  }
  return small;
}

// (N, H, W, 3) f32, normalised -> u8.
Tensor pixels_of(const Tensor& views, const ViewRecipe& recipe) {
  const Tensor pixels = Tensor::empty(views.shape(), {.dtype = DType::u8});
  const auto* from = views.data<float>();
  auto* to = pixels.data<std::uint8_t>();
  for (std::int64_t i = 0; i < views.numel(); ++i) {
    const auto c = static_cast<std::size_t>(i % 3);
    const float value = (from[i] * recipe.std[c] + recipe.mean[c]) * 255.0F;
    to[i] = static_cast<std::uint8_t>(std::lround(std::clamp(value, 0.0F, 255.0F)));
  }
  return pixels;
}

std::string caption(const kernels::AugmentParameters& view, const ImageSize& image) {
  const double area = 100.0 * view.height * view.width / static_cast<double>(image.height * image.width);
  std::string text = fmt::format("crop {:.0f} %", area);
  if (view.flip) text += ", flip";
  if (std::ranges::any_of(view.order, [](auto step) { return step != kernels::ColourStep::none; })) {
    text += ", jitter";
  }
  if (view.grayscale) text += ", grey";
  if (view.blur_kernel > 0) text += fmt::format(", blur {:.1f}", view.blur_sigma);
  if (std::isfinite(view.solarise_threshold)) text += ", solarise";
  return text;
}

void add_views(const GallerySubject& subject, const GalleryOptions& options, Gallery& gallery) {
  const Split& train = subject.dataset.train;
  const Indices ids = drawn(train.size(), options.sources, options.seed, kSources);
  const Tensor images = pick(train.images, ids);
  const auto count = static_cast<std::int64_t>(ids.size());
  ViewPlan plan = subject.plan;
  plan.views.resize(std::min(plan.views.size(), static_cast<std::size_t>(options.views)));
  const auto views = static_cast<std::int64_t>(plan.views.size());
  const Augmenter augmenter(options.seed);
  const Views augmented = augmenter.apply({.images = images, .ids = ids}, plan, /*step=*/0, DType::f32);
  const Tensor shown = thumbnails(pixels_of(augmented.images, plan.views.front()), options.thumbnail);
  const Shape& shape = shown.shape();
  gallery.views = Tensor::empty({count, views, shape[1], shape[2], 3}, {.dtype = DType::u8});
  const Tensor flat = gallery.views.reshaped(shape);
  const ImageSize size{.height = images.shape()[1], .width = images.shape()[2]};
  for (std::int64_t i = 0; i < count; ++i) {
    gallery.captions.emplace_back();
    for (std::int64_t v = 0; v < views; ++v) {
      flat.rows(i * views + v, 1).copy_from(shown.rows(v * count + i, 1));
      const RandomKey key{.seed = options.seed,
                          .purpose = Purpose::augment,
                          .step = 0,
                          .sample = static_cast<std::uint32_t>(ids[static_cast<std::size_t>(i)]),
                          .view = static_cast<std::uint32_t>(v)};
      gallery.captions.back().push_back(
          caption(draw_parameters(plan.views[static_cast<std::size_t>(v)], size, key), size));
    }
  }
  gallery.sources = thumbnails(images, options.thumbnail);
}

void add_features(const GallerySubject& subject, const GalleryOptions& options, Gallery& gallery) {
  const Split& test = subject.dataset.test;
  const Indices ids = evenly_spaced(test.size(), options.points);
  gallery.features = extract_features(subject.backbone, pick(test.images, ids), subject.input, options.batch);
  const Indices classes = pick(test.labels.classes, ids);
  Indices tasks;
  for (const std::int64_t c : classes) {
    const auto owner = std::ranges::find_if(subject.task_classes, [&](const Indices& of_task) {
      return std::ranges::find(of_task, c) != of_task.end();
    });
    tasks.push_back(owner == subject.task_classes.end() ? -1 : owner - subject.task_classes.begin());
  }
  gallery.feature_classes = column(classes);
  gallery.feature_tasks = column(tasks);
}

void add_neighbours(const GallerySubject& subject, const GalleryOptions& options, Gallery& gallery) {
  const Split& train = subject.dataset.train;
  const Split& test = subject.dataset.test;
  const Indices bank_ids = evenly_spaced(train.size(), options.bank);
  const Indices query_ids = drawn(test.size(), options.queries, options.seed, kQueries);
  const Tensor bank =
      extract_features(subject.backbone, pick(train.images, bank_ids), subject.input, options.batch);
  const Tensor query_images = pick(test.images, query_ids);
  const Tensor queries = extract_features(subject.backbone, query_images, subject.input, options.batch);
  const Indices bank_classes = pick(train.labels.classes, bank_ids);
  const KnnResult nearest = knn_classify(
      bank, bank_classes, queries, {.neighbours = options.neighbours, .classes = subject.dataset.classes()});
  Indices rows;
  for (const std::int64_t row : nearest.indices) rows.push_back(bank_ids[static_cast<std::size_t>(row)]);
  const auto count = static_cast<std::int64_t>(query_ids.size());
  const std::int64_t k = nearest.neighbours;
  const Tensor shown = thumbnails(pick(train.images, rows), options.thumbnail);
  const Shape& shape = shown.shape();
  gallery.bank_images = static_cast<std::int64_t>(bank_ids.size());
  gallery.queries = thumbnails(query_images, options.thumbnail);
  gallery.query_classes = column(pick(test.labels.classes, query_ids));
  gallery.neighbours = shown.reshaped({count, k, shape[1], shape[2], 3});
  gallery.neighbour_classes = column(pick(train.labels.classes, rows)).reshaped({count, k});
  gallery.similarities =
      Tensor::from(std::vector<float>(nearest.similarities.begin(), nearest.similarities.end()), {count, k});
}

struct Part {
  const char* name;
  Tensor Gallery::*tensor;
  DType dtype;
  int rank;
};
constexpr Part kParts[] = {
    {"sources", &Gallery::sources, DType::u8, 4},
    {"views", &Gallery::views, DType::u8, 5},
    {"features", &Gallery::features, DType::f32, 2},
    {"feature_classes", &Gallery::feature_classes, DType::i64, 1},
    {"feature_tasks", &Gallery::feature_tasks, DType::i64, 1},
    {"queries", &Gallery::queries, DType::u8, 4},
    {"query_classes", &Gallery::query_classes, DType::i64, 1},
    {"neighbours", &Gallery::neighbours, DType::u8, 5},
    {"neighbour_classes", &Gallery::neighbour_classes, DType::i64, 2},
    {"similarities", &Gallery::similarities, DType::f32, 2},
    {"map_images", &Gallery::map_images, DType::u8, 4},
};

constexpr std::int64_t kMostPoints = 100'000;  // that --gallery asks for at most
constexpr std::int64_t kMostTasks = 100'000;

// Everything that a reader indexes with, or that makes its work long.
void check(const Gallery& gallery) {
  const auto need = [](bool good, const char* what) {
    if (!good) throw BadData(what);
  };
  const auto classes = static_cast<std::int64_t>(gallery.class_names.size());
  const auto in_range = [&](const Tensor& labels) {
    return std::ranges::all_of(labels.to_vector<std::int64_t>(),
                               [&](std::int64_t c) { return c >= 0 && c < classes; });
  };
  const std::int64_t points = gallery.features.shape()[0];
  need(points <= kMostPoints && classes <= kMostPoints, "more than 100000 points or classes");
  need(std::ranges::all_of(gallery.features.to_vector<float>(), [](float f) { return std::isfinite(f); }),
       "a feature is not finite");
  need(std::ranges::all_of(gallery.feature_tasks.to_vector<std::int64_t>(),
                           [](std::int64_t t) { return t >= -1 && t < kMostTasks; }),
       "a task is not a number from -1 to 99999");
  const Shape& near = gallery.neighbours.shape();
  need(gallery.feature_classes.numel() == points && gallery.feature_tasks.numel() == points,
       "features and their classes differ in number");
  need(gallery.queries.shape()[0] == near[0] && gallery.query_classes.numel() == near[0] &&
           gallery.neighbour_classes.numel() == near[0] * near[1] &&
           gallery.similarities.numel() == near[0] * near[1],
       "queries and neighbours differ in number");
  need(in_range(gallery.feature_classes) && in_range(gallery.query_classes) &&
           in_range(gallery.neighbour_classes),
       "a class number has no name");
  need(gallery.sources.shape()[0] == gallery.views.shape()[0] &&
           gallery.captions.size() == static_cast<std::size_t>(gallery.views.shape()[0]),
       "images and their views differ in number");
  for (const auto& row : gallery.captions) {
    need(row.size() == static_cast<std::size_t>(gallery.views.shape()[1]), "a view has no caption");
  }
  for (const Part& part : kParts) {
    const Shape& shape = (gallery.*part.tensor).shape();
    need(part.dtype != DType::u8 || (shape.back() == 3 && shape.numel() > 0), "images are not (.., H, W, 3)");
  }
}

}  // namespace

Gallery make_gallery(const GallerySubject& subject, const GalleryOptions& options) {
  if (subject.dataset.test.size() == 0) {
    throw BadData(subject.dataset.spec + ": a gallery needs test images, there are none");
  }
  Gallery gallery;
  gallery.class_names = subject.dataset.class_names;
  add_views(subject, options, gallery);
  add_features(subject, options, gallery);
  add_neighbours(subject, options, gallery);
  const Split& test = subject.dataset.test;
  gallery.map_images = pick(test.images, drawn(test.size(), options.map_images, options.seed, kMapImages));
  return gallery;
}

void write_gallery(const io::Path& path, const Gallery& gallery) {
  std::vector<io::NamedTensor> tensors;
  for (const Part& part : kParts) tensors.push_back({.name = part.name, .tensor = gallery.*part.tensor});
  io::write_safetensors(path, tensors,
                        {{"nagare.gallery", "1"},
                         {"nagare.bank_images", std::to_string(gallery.bank_images)},
                         {"nagare.class_names", Json(gallery.class_names).dump()},
                         {"nagare.captions", Json(gallery.captions).dump()}});
}

Gallery read_gallery(const io::Path& path) {
  const io::SafetensorsFile file = io::read_safetensors(path);
  try {
    Gallery gallery;
    for (const Part& part : kParts) {
      const Tensor tensor = file.load(part.name);
      if (tensor.dtype() != part.dtype || tensor.shape().rank() != part.rank) {
        throw BadData(std::string(part.name) + " is " + to_string(tensor.shape()));
      }
      gallery.*part.tensor = tensor;
    }
    const io::Metadata& facts = file.metadata();
    gallery.bank_images = std::stoll(facts.at("nagare.bank_images"));
    gallery.class_names = Json::parse(facts.at("nagare.class_names")).get<std::vector<std::string>>();
    gallery.captions = Json::parse(facts.at("nagare.captions")).get<std::vector<std::vector<std::string>>>();
    check(gallery);
    return gallery;
  } catch (const std::exception& error) {
    throw BadData(printable(path.string()) + ": not a gallery: " + printable(error.what()));
  }
}

}  // namespace nagare::ssl
