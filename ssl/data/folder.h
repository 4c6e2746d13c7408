#pragma once
// Folders of image files: one sub-folder per class, or the layout of Tiny ImageNet.
//
// folder        DIR/CLASS/**.jpg: a part of each class is set aside for testing; or
//               DIR/train/CLASS/** with DIR/val/CLASS/** or DIR/test/CLASS/** (val is preferred)
// tinyimagenet  DIR/train/WNID/images/*.JPEG; DIR/val/images/* with DIR/val/val_annotations.txt; names from
//               DIR/words.txt
// order         classes and files by the bytes of their names; class i is the i-th name
// classes=      see ssl/data/class_folders.h
// taken         files whose name ends in an image format's ending, upper or lower case, at any depth; names
//               that begin with a dot are passed over; links to directories are not followed inside a class
// errors        BadData naming the directory: missing, without classes, a class without images; those of class_folders.h
// source        Le and Yang, "Tiny ImageNet visual recognition challenge", 2015; the layout is torchvision's
//               ImageFolder
#include "ssl/data/dataset.h"
#include "ssl/data/spec.h"

namespace nagare::ssl {

Dataset load_folder(const DataSpec& spec, const DataOptions& options);
Dataset load_tinyimagenet(const DataSpec& spec, const DataOptions& options);

}  // namespace nagare::ssl
