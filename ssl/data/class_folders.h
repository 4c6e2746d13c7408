#pragma once
// What sources of class folders share, whether the folders lie on disk or in an archive: which classes are taken, in what
// order, and what is set aside for testing.
//
// classes        by default every folder of the training tree in the tree's order; classes=N the first N;
//                classes=FILE those that a text file lists, one a line, by folder or by number among all: class i is
//                the i-th line's
// test-fraction  where there is no test tree: this part of each class, at least one image of it left for training;
//                always the same ones, whatever the run's seed
// errors         BadData naming the folder: none in a tree, one for testing that is not among the training ones; or
//                the class list's line that names no folder or one again. BadConfig: test-fraction= beside a test
//                tree; classes=N beyond all
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ssl/data/image_files.h"
#include "ssl/data/spec.h"

namespace nagare::ssl {

struct ClassTree {
  std::string place;                 // for messages
  std::vector<std::string> folders;  // in order
  // The pictures of one of them, in order; labels and splits are set by whom it may concern.
  std::function<std::vector<ImageFile>(const std::string& folder)> files;
};

struct ClassList {
  std::vector<std::string> folders;        // names as they are stored
  std::map<std::string, std::int64_t> at;  // their indices
};

ClassList all_classes(const ClassTree& train);
// What classes= asks for of them.
ClassList wanted_classes(const DataSpec& spec, const ClassList& all);
// Files of the wanted classes.
void add_files(const ClassTree& tree, const ClassList& all, const ClassList& classes, bool test,
               std::vector<ImageFile>& files);

struct FolderOptions {
  std::int64_t size = 64;
  double test_fraction = 0.2;
};
// size= and test-fraction=: checked before anything is looked at.
FolderOptions folder_options(const DataSpec& spec);
// test may be nullptr.
Dataset load_class_folders(const DataSpec& spec, const FolderOptions& folder_options,
                           const DataOptions& data_options, const ClassTree& train, const ClassTree* test);

// "png", in lower case. Formats that are read, and others that people keep pictures in: those get a reason when they are
// decoded instead of silence.
bool is_image_extension(std::string_view extension);
// Of a file's name or path, upper or lower case.
bool has_image_ending(const std::string& name);

}  // namespace nagare::ssl
