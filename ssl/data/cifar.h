#pragma once
// CIFAR-10 and CIFAR-100 in their official binary layouts: records of label bytes followed by 3072 pixel
// bytes (R, G, B planes of 32 x 32, row-major).
//
//   cifar10   data_batch_{1..5}.bin, test_batch.bin: 1 label byte; class names in batches.meta.txt
//   cifar100  train.bin, test.bin: coarse label, fine label; names in {fine,coarse}_label_names.txt
//
// directory  the one that holds the files, or its parent (with cifar-10-batches-bin or cifar-100-binary
//            inside)
// size       a file may hold fewer records than the official one, but whole records; the five training
//            batches of CIFAR-10 must hold equally many, so that a truncated one is noticed
// names      files without usable names: the classes are called by their numbers
// errors     BadData naming the file, the size found and the size needed, or the record with a label out of
//            range
// source     A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009
#include "ssl/data/dataset.h"
#include "ssl/data/spec.h"

namespace nagare::ssl {

Dataset load_cifar10(const DataSpec& spec, const DataOptions& options);
Dataset load_cifar100(const DataSpec& spec, const DataOptions& options);

}  // namespace nagare::ssl
