#include "ssl/data/join.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>

#include "engine/device/errors.h"
#include "engine/text/nearest.h"
#include "engine/text/printable.h"
#include "ssl/data/spec.h"

namespace nagare::ssl {
namespace {

// The directory's own name, or the source; numbered where another part has it.
std::vector<std::string> domain_names(const std::vector<Dataset>& parts) {
  std::vector<std::string> names;
  for (const Dataset& part : parts) {
    const DataSpec spec = parse_spec(part.spec);
    std::filesystem::path directory = spec.directory();
    if (!directory.has_filename()) directory = directory.parent_path();
    const std::string name =
        printable(directory.filename().empty() ? spec.source() : directory.filename().string());
    std::string unique = name;
    for (int number = 2; std::ranges::find(names, unique) != names.end(); ++number)
      unique = name + " " + std::to_string(number);
    names.push_back(unique);
  }
  return names;
}

// The class of the whole for each class of each part; fills the names and keys of the whole.
using ClassMap = std::vector<std::vector<std::int64_t>>;

ClassMap separate_classes(const std::vector<Dataset>& parts, Dataset& whole) {
  ClassMap map;
  for (std::size_t p = 0; p < parts.size(); ++p) {
    map.emplace_back();
    for (const std::string& name : parts[p].class_names) {
      map.back().push_back(whole.classes());
      whole.class_names.push_back(whole.domains[p] + "/" + name);
    }
  }
  return map;
}

ClassMap classes_by_name(const std::vector<Dataset>& parts, Dataset& whole) {
  ClassMap map;
  std::map<std::string, std::int64_t> known;
  for (std::size_t p = 0; p < parts.size(); ++p) {
    map.emplace_back();
    bool shares = p == 0;
    for (const std::string& name : parts[p].class_names) {
      const auto [found, added] = known.emplace(name, whole.classes());
      if (added) {
        whole.class_names.push_back(name);
      } else {
        shares = true;
      }
      map.back().push_back(found->second);
    }
    if (!shares) {
      throw BadConfig(
          "data: labels by-name, but " + whole.domains[p] + " has no class with a name of those before it (" +
          printable(parts[p].class_names.front()) + ", ... and " + printable(parts[0].class_names.front()) +
          ", ...); need common names, or separate labels");
    }
  }
  return map;
}

Split join_splits(const std::vector<Dataset>& parts, Split Dataset::*split, const ClassMap& map) {
  Split whole;
  std::int64_t count = 0;
  for (const Dataset& part : parts) count += (part.*split).size();
  if (count == 0) return whole;
  const Shape& shape = parts.front().train.images.shape();
  whole.images = Tensor::empty({count, shape[1], shape[2], shape[3]}, {.dtype = DType::u8});
  std::int64_t next = 0;
  for (std::size_t p = 0; p < parts.size(); ++p) {
    const Split& from = parts[p].*split;
    if (from.size() == 0) continue;
    std::memcpy(whole.images.rows(next, from.size()).raw(), from.images.raw(), from.images.bytes());
    next += from.size();
    for (const std::int64_t c : from.labels.classes) {
      whole.labels.classes.push_back(map[p][static_cast<std::size_t>(c)]);
      whole.labels.domains.push_back(static_cast<std::int64_t>(p));
    }
  }
  return whole;
}

}  // namespace

std::vector<std::string> split_sources(const std::string& text) {
  std::vector<std::string> specs;
  std::size_t begin = 0;
  for (std::size_t end = 0; end != std::string::npos; begin = end + 1) {
    end = text.find(';', begin);
    specs.push_back(text.substr(begin, end - begin));
  }
  return specs;
}

void check_domain_labels(const std::string& labels) {
  const std::vector<std::string> known = {"by-name", "separate"};
  if (std::ranges::find(known, labels) == known.end())
    throw BadConfig(unknown_name("choice of data-labels", labels, known));
}

Dataset join(std::vector<Dataset> parts, const std::string& labels) {
  check_domain_labels(labels);
  Dataset whole;
  whole.domains = domain_names(parts);
  for (std::size_t p = 1; p < parts.size(); ++p) {
    if (parts[p].image_size() == parts[0].image_size()) continue;
    throw BadConfig("data: " + whole.domains[p] + " has images of " + std::to_string(parts[p].image_size()) +
                    " pixels, " + whole.domains[0] + " of " + std::to_string(parts[0].image_size()) +
                    "; need one size (size= of a folder)");
  }
  const ClassMap map = labels == "by-name" ? classes_by_name(parts, whole) : separate_classes(parts, whole);
  whole.train = join_splits(parts, &Dataset::train, map);
  whole.test = join_splits(parts, &Dataset::test, map);
  for (Dataset& part : parts) {
    std::ranges::move(part.skipped, std::back_inserter(whole.skipped));
    std::ranges::move(part.notes, std::back_inserter(whole.notes));
  }
  return whole;
}

}  // namespace nagare::ssl
