#pragma once
// A labelled list of image files to a data set of square pictures, decoded once and kept in a cache file.
//
// bad files  A file that cannot be read is replaced by the next good file of its class and split (the first one
//            after the last), so that no other image changes its index; Dataset::skipped names it with the
//            reason. More than 1 % of the files, or all of a class and split, is BadData.
// cache      DIR/images-FINGERPRINT.cache; the fingerprint covers every file's path, size and time of change,
//            its name and place in an archive, its class and split, and the picture size. A stale, damaged or foreign file is made anew; one
//            that cannot be written is done without, and Dataset::notes says so.
#include <optional>
#include <string>
#include <vector>

#include "engine/io/tar.h"
#include "ssl/data/dataset.h"

namespace nagare::ssl {

struct ImageFile {
  std::string path;  // of the file itself, or of the archive that it is in
  std::optional<io::TarMember> member = {};
  std::int64_t label = 0;
  bool test = false;
};

// What messages call it: the path, behind it the member's name.
std::string shown_name(const ImageFile& file);

// `files` come out in their order, training images and test images apart. size >= 1: height and width.
Dataset decode_files(std::vector<ImageFile> files, std::vector<std::string> class_names, std::int64_t size,
                     const std::string& cache_dir);

}  // namespace nagare::ssl
