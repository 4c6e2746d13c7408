#pragma once
// The figures of a report: one file each, all from RunRecords alone. A figure that a run has nothing for says so.
#include <string>
#include <vector>

#include "apps/report/chart.h"
#include "apps/report/html.h"
#include "apps/report/seeds.h"

namespace nagare::apps {

// The runs of one report. Colours go by group: seeds of one configuration share one and differ in dashes.
struct Comparison {
  std::vector<RunRecord> runs;
  std::vector<RunGroup> groups;
  std::string block = "layer2";  // whose feature maps are shown

  int style(std::size_t run) const;
  int dash(std::size_t run) const;
};

// What they came to, mean and deviation over seeds.                                               summary.cpp
Html summary_tables(const Comparison& comparison);
// Loss, learning rate, and whatever else the steps say.                                          learning.cpp
Html learning_curves(const Comparison& comparison);
// The primary readout over the stream, all runs and task by task; chance level.                  accuracy.cpp
Html accuracy_over_stream(const Comparison& comparison);
// RankMe, alignment and the like over the stream: has it collapsed?                              accuracy.cpp
Html measures_over_stream(const Comparison& comparison);
// Accuracy on task i after task t.                                                                 matrix.cpp
Html accuracy_matrices(const Comparison& comparison);
// What was lost of every task: best of the earlier rows less the last.                         forgetting.cpp
Html forgetting_bars(const Comparison& comparison);
// How many images of each task the buffer held.                                                    buffer.cpp
Html buffer_composition(const Comparison& comparison);
// Images and their augmented views.                                                         augmentations.cpp
Html augmented_views(const Comparison& comparison);
// Test images and their nearest training images.                                               neighbours.cpp
Html nearest_images(const Comparison& comparison);
// Test features in the plane: PCA and t-SNE.                                                    embedding.cpp
Html embedding(const Comparison& comparison);
// What the first convolution looks for.                                                           filters.cpp
Html first_filters(const Comparison& comparison);
// What a block makes of some images.                                                         feature_maps.cpp
Html feature_maps(const Comparison& comparison);
// Images per second, memory.                                                                      machine.cpp
Html throughput(const Comparison& comparison);
// Every option and where it came from; the machine; the command to repeat it.               configuration.cpp
Html configuration(const Comparison& comparison);

// --- for the figures ---------------------------------------------------------------------------- common.cpp
// The best of rows i .. T-2 less row T-1, for every task but the last; empty for fewer than two tasks, or before the end.
std::vector<double> forgetting_per_task(const std::vector<std::vector<double>>& matrix);
// Where tasks end, when it is at the same updates in all runs; else none.
std::vector<Boundary> task_boundaries(const Comparison& comparison);
// Side by side on a wide screen.
Html grid(const std::vector<Html>& parts);
// Under the run's name, when there are several.
Html of_run(const Comparison& comparison, std::size_t run, const Html& content);
// u8 images (.., H, W, 3): number `index` of them.
ssl::Image image_at(const Tensor& images, std::int64_t index);

}  // namespace nagare::apps
