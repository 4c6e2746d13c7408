#pragma once
// The order in which training images arrive: a reproducible list, a pure function of (labels, options). docs/streams.md
//
//   seq:T    class-incremental: the classes, in `class_order`, are cut into T tasks of equally many
//   data:T   data-incremental: a permutation of all images is cut into T parts of floor(N / T), the first one has the rest
//   domain   domain-incremental: the sources of the data set, one after the other
//   drift:T  class i of C (in `class_order`) has its time at (i + 1/2) / C of the stream; at position p of L a class is drawn with
//            weight exp(-(p - m_i)^2 / 2 s^2), m_i = (i + 1/2) L / C, s = spread L / C, among those that have images left,
//            then one of these; T nominal tasks are T equal parts of the stream
//   iid      one task of all classes
//
// and then, where the spec asks for it: `samples` images of each task are drawn; every pass over a task is shuffled; around a boundary
// of tasks with m = floor(min of their images * blur / 2), the k-th image from the end of the earlier one and the k-th of the
// later one change places with probability 0.5 - 0.45 k / m, k = 0 .. m - 1; every image becomes a run of frames and
// moves (motion.h); batches are cut.
//
// passes     task after task arrives, each `epochs` times in a row, freshly shuffled for each pass; blur and drift: one pass
// batches    none spans two tasks or two passes; with hidden boundaries and one pass they are cut from the whole list, and a
//            batch counts to the task of its first image. The last one (of a pass) may be smaller, but never a single image
//            where the one before can spare one; drop_last leaves it out
// random     Philox, keyed by (seed, task, pass), so a stream with more epochs begins like one with fewer
// source     blur: the streams of Yu et al., CVPR workshops 2023; data: Fini et al., CVPR 2022, program; drift: ours
#include <cstdint>
#include <string>
#include <vector>

#include "ssl/data/dataset.h"
#include "ssl/streams/motion.h"

namespace nagare::ssl {

struct StreamOptions {
  std::string spec = "seq:5";           // ssl/streams/spec.h
  std::string class_order = "natural";  // ssl/streams/class_order.h
  std::int64_t batch = 100;             // images that arrive together
  std::int64_t epochs = 1;              // passes over each task; 1 is online learning
  std::uint64_t seed = 0;               // used where the spec has no seed= of its own
};

struct StreamBatch {
  std::int64_t task = 0;
  std::int64_t position = 0;  // images that arrived before this batch
  std::vector<std::int64_t> ids =
      {};  // of arriving images: indices into the training split, see motion.h for frames
};

struct Stream {
  std::int64_t tasks = 1;
  std::vector<std::vector<std::int64_t>> task_classes;  // the classes of each task
  std::vector<std::int64_t> task_domains;               // domain streams: each task's source; else empty
  bool exposed = true;                                  // strategies hear of the boundaries
  Motion motion;
  std::vector<StreamBatch> batches;
};

// errors  BadConfig: what parse_stream() and class_order() refuse, T that does not divide into the classes or exceeds the images,
//         more samples than a task has, one source for `domain`, epochs where one pass is needed, batch or epochs below 1; BadData: a task without images
Stream make_stream(const Dataset& data, const StreamOptions& options);

// What would end a run half-way, in the stream that `asked` gave.
// errors  BadConfig: a batch of a single image, which has no batch statistics; a task in which no batch begins
void check_trainable(const Stream& stream, const StreamOptions& asked);

// 64 bits that change when any id, its order, a cut between batches or tasks, or a motion changes: for logs and results.
std::uint64_t stream_digest(const Stream& stream);

}  // namespace nagare::ssl
