#pragma once
// What a finished run shows of itself beside numbers, kept in one file so that a report needs neither data set nor GPU:
// augmented views, features of test images, their nearest training images, and images for feature maps.
//
// Images are drawn with Philox keyed by (seed, Purpose::gallery): runs of one seed on one data set show the same ones.
// Views are those of update 0. Class numbers are for the eye that looks at a report; nothing is trained with them.
//
// file    safetensors; tensors as the struct below, class names and captions as JSON text in the metadata
// errors  make_gallery: BadData for a data set without test images, Diverged for features that are not finite;
//         write_gallery: CannotWrite; read_gallery: BadData naming the file and what is wrong with it
#include <cstdint>
#include <string>
#include <vector>

#include "engine/io/file.h"
#include "models/backbone.h"
#include "ssl/augment/view_plan.h"
#include "ssl/data/dataset.h"
#include "ssl/eval/evaluator.h"

namespace nagare::ssl {

// How much of each; less where the data set has less.
struct GalleryOptions {
  std::int64_t points = 400;    // test images whose features are kept, evenly spaced
  std::int64_t bank = 1000;     // training images among which neighbours are looked for, evenly spaced
  std::int64_t queries = 6;     // test images whose neighbours are shown
  std::int64_t neighbours = 8;  // of each
  std::int64_t sources = 4;     // training images shown augmented
  std::int64_t views = 8;       // of each, the plan's first ones
  std::int64_t map_images = 3;  // test images for feature maps, in full size
  std::int64_t thumbnail = 48;  // pixels, the side of a shown image at most
  std::int64_t batch = 256;     // images in one forward pass
  std::uint64_t seed = 0;
};

struct Gallery {
  Tensor sources;                                  // (S, t, t, 3) u8
  Tensor views;                                    // (S, V, t, t, 3) u8, the normalisation undone
  std::vector<std::vector<std::string>> captions;  // (S, V): "crop 31 %, flip, grey"
  Tensor features;                                 // (P, D) f32
  Tensor feature_classes;                          // (P) i64
  Tensor feature_tasks;                            // (P) i64; -1: the class is in no task
  Tensor queries;                                  // (Q, t, t, 3) u8
  Tensor query_classes;                            // (Q) i64
  Tensor neighbours;                               // (Q, K, t, t, 3) u8, nearest first
  Tensor neighbour_classes;                        // (Q, K) i64
  Tensor similarities;                             // (Q, K) f32, cosines
  Tensor map_images;                               // (M, H, W, 3) u8
  std::vector<std::string> class_names;
  std::int64_t bank_images = 0;  // among which neighbours were looked for
};

struct GallerySubject {
  const Dataset& dataset;
  const std::vector<std::vector<std::int64_t>>& task_classes;
  const ViewPlan& plan;
  models::Backbone& backbone;
  FeatureInput input;
};

Gallery make_gallery(const GallerySubject& subject, const GalleryOptions& options);
void write_gallery(const io::Path& path, const Gallery& gallery);
Gallery read_gallery(const io::Path& path);

}  // namespace nagare::ssl
