#pragma once
// Several sources as one data set: the domains of a domain-incremental stream.
//
//   "FIRST;SECOND;..."   semicolons separate the specs; a directory's name cannot hold one
//
// images   source after source; all must have the same size
// domains  the number of each image's source; names: its directory, or the source where it has none
// labels   separate   every source's classes are its own, called DOMAIN/CLASS: two sources that happen to use one name never mix
//          by-name    classes of the same name are one class, in the order in which they first occur; every source must share
//                     one with those before it
// errors   BadConfig: sizes that differ, by-name without a common name, an unknown choice
#include <string>
#include <vector>

#include "ssl/data/dataset.h"

namespace nagare::ssl {

std::vector<std::string> split_sources(const std::string& text);
// BadConfig unless it is "separate" or "by-name".
void check_domain_labels(const std::string& labels);
// parts: at least one, as loaded. The result has neither spec nor channel statistics.
Dataset join(std::vector<Dataset> parts, const std::string& labels);

}  // namespace nagare::ssl
