#pragma once
// An image data set, decoded: a training and a test split as uint8 in memory (or mapped from a cache file).
#include <cstdint>
#include <string>
#include <vector>

#include "engine/tensor/tensor.h"

namespace nagare::ssl {

// Class labels of a split. Held apart from the images: streams order by them, the evaluator scores with them,
// nothing else gets them.
struct Labels {
  std::vector<std::int64_t> classes;  // one per image, in [0, class count)
  // The source of each image where a data set has several; else empty.
  std::vector<std::int64_t> domains = {};
};

struct Split {
  Tensor images;  // (N, H, W, 3) u8, on the CPU
  Labels labels;

  std::int64_t size() const { return images.defined() ? images.shape()[0] : 0; }
};

// A file that could not be used, and why. Its place is taken by the next good file of its class and split.
struct SkippedFile {
  std::string path;
  std::string reason;
};

struct Dataset {
  std::string spec;                      // as it was asked for
  Split train;                           // at least one image
  Split test;                            // may be empty: a folder without test images
  std::vector<std::string> class_names;  // size = class count; valid UTF-8 on one line
  // Folders of the classes where they are called otherwise (wnids), and names of the sources where there are several;
  // else empty.
  std::vector<std::string> class_keys = {};
  std::vector<std::string> domains = {};
  std::vector<float> mean;  // per channel over the training images, of the [0, 1] range: 3 values
  std::vector<float>
      std;  // of the population; 1 for a channel that never varies, so that dividing by it is safe
  std::vector<SkippedFile> skipped;
  std::vector<std::string> notes;  // for the log: what was done without, as a cache that cannot be written

  std::int64_t classes() const { return static_cast<std::int64_t>(class_names.size()); }
  std::int64_t image_size() const { return train.images.shape()[1]; }
};

struct DataOptions {
  std::uint64_t seed = 0;       // draws subsets (per-class=, test=); nothing else depends on it
  std::string cache_dir = {};   // for decoded image folders; "": decode every time
  Device device = Device::cpu;  // where images are drawn; they are the same, and arrive on the CPU
  std::string labels =
      "separate";  // classes of several sources: "separate" or "by-name", see ssl/data/join.h
};

// spec    "cifar10:DIR", "cifar100:DIR", "tinyimagenet:DIR", "folder:DIR,size=64",
//         "fractal:classes=10,per-class=500,size=32,seed=1"; see ssl/data/table.h and `nagare list data`.
//         Several of them with semicolons between make one data set of several domains.
// errors  BadConfig for a spec that cannot be read, BadData naming the file and what is wrong with it
Dataset load_dataset(const std::string& spec, const DataOptions& options);

}  // namespace nagare::ssl
