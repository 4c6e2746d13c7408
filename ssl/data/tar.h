#pragma once
// Pictures in tar archives, read where they lie: nothing is unpacked. What is accepted as an archive: engine/io/tar.h.
//
// FILES       a path; or a numbered series, "name-{000000..000146}.tar": every number from the first to the last,
//             with as many digits as the first has; at most 100,000 of at most 20 digits. Members are taken archive after
//             archive
// two layouts, told apart by content: where a member ends with .cls it is the second
//   folders     CLASS/**.jpg, or train/CLASS/** with val/CLASS/** or test/CLASS/** (val is preferred), as in
//               folder.h: the same files in a folder give the same data set. A folder without pictures is no class.
//               One folder around all others, which folder: would take for a class, is taken off when no picture
//               lies in it itself, or when it has a train/ with class folders: pictures beside that are passed over
//   WebDataset  a sample is the members of one key, one behind the other; key: the name up to the first dot behind
//               the last slash; extension: what follows, in lower case. Needs one picture and cls, the class as a
//               number, 0 to 999,999; other extensions are passed over. Classes are ordered and named by their
//               numbers
// val=FILES   test pictures in archives of their own, in the same layout: class folders, or samples
// passed over names of which a part begins with a dot; in WebDataset also those whose first part is __X__, and those without a dot
// errors      BadData naming archive and member: those of engine/io/tar.h; no class; a sample without picture or
//             class, with two of one, whose members are apart, or whose class is no number; those of class_folders.h.
//             BadConfig: a series that ends before it begins, is too long or has too many digits; val= where the archive
//             has val/ or test/ itself, where those of val= have, or where they are the same FILES
// source      github.com/webdataset/webdataset: webdataset/tariterators.py; torchvision's ImageFolder
#include "ssl/data/dataset.h"
#include "ssl/data/spec.h"

namespace nagare::ssl {

Dataset load_tar(const DataSpec& spec, const DataOptions& options);

}  // namespace nagare::ssl
