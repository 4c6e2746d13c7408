#pragma once
// Readouts: classifiers on a frozen network's features (or, fine-tuning, on a copy of it) whose accuracy says how good they are.
//
//   spec   [bag:]NAME[-task][@FRACTION]     "knn", "ridge-task", "linear-moco@0.1", "bag:linear-emp"
//   NAME       a row of readout_table()
//   bag:       on the mean feature of many patches of every image (bag.h), not on that of the image
//   -task      the task of every query is given: a kNN looks at the training images of that task alone, the others choose
//              among that task's classes. Where task_given is set in the row it always is
//   @FRACTION  with the labels of this share of the training images, as many of every class, at least one; drawn by seed
//
// A row's scores are turned into accuracies in one place: the class of the largest score wins, the lower one of a tie.
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "ssl/eval/fine_tune.h"
#include "ssl/eval/knn.h"
#include "ssl/eval/linear_probe.h"

namespace nagare::ssl {

// What a kNN is made of. 0 neighbours or a temperature of 0: as the options of the evaluation say.
struct KnnProtocol {
  std::int64_t neighbours = 0;
  float temperature = 0.0F;
  bool weighted = true;
  KnnMetric metric = KnnMetric::cosine;
  bool standardise = false;    // features by the mean and deviation of the bank's dimensions
  bool k_is_tasks = false;     // k = min(neighbours, tasks seen)
  std::int64_t labelled = 0;   // as many training images, class-balanced; 0: all
  bool predicts_task = false;  // the class to tell is the task
};

struct NearestMeanProtocol {};
struct RidgeProtocol {};

using ReadoutProtocol =
    std::variant<KnnProtocol, NearestMeanProtocol, RidgeProtocol, LinearProtocol, FineTuneProtocol>;

struct ReadoutRow {
  const char* name;
  const char* summary;
  const char* reference;
  ReadoutProtocol protocol;
  bool task_given = false;
};

// Sorted by name.
std::span<const ReadoutRow> readout_table();

struct Readout {
  std::string spec;
  const ReadoutRow* row = nullptr;
  bool bag = false;
  bool task_given = false;
  double fraction = 1.0;
};

// What a readout looks at of the evaluation's options; a sum of these.
enum ReadoutUse : unsigned {
  kUsesNeighbours = 1,
  kUsesTemperature = 2,
  kUsesCrops = 4,  // augment
  kUsesEpochs = 8,
  kUsesBag = 16,
};
unsigned uses(const Readout& readout);

// Comma-separated specs.
// errors  BadConfig naming the nearest readout, a fraction outside (0, 1], a spec that comes twice, fine-tuning on bags
std::vector<Readout> parse_readouts(const std::string& text);

}  // namespace nagare::ssl
