#pragma once
// The data sources: one row each, feeding parse_spec(), load_dataset(), `nagare list data` and docs/data.md.
#include <span>
#include <string>
#include <vector>

#include "ssl/data/dataset.h"
#include "ssl/data/spec.h"

namespace nagare::ssl {

struct DataOption {
  std::string key;
  std::string summary;  // with range and default
};

struct DataSource {
  std::string name;
  std::string summary;
  std::string syntax;  // of its spec
  std::string reference;
  bool takes_directory = true;      // or a file
  std::vector<DataOption> options;  // every key that its spec may hold
  // Fills splits, class names and skipped files; load_dataset() does the rest.
  Dataset (*load)(const DataSpec& spec, const DataOptions& options);
};

// Sorted by name.
std::span<const DataSource> data_sources();

}  // namespace nagare::ssl
