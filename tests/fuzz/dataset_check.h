#pragma once
// What must hold of every data set that was accepted.
#include "ssl/data/dataset.h"
#include "tests/fuzz/target.h"

namespace nagare::fuzz {

inline void check(const ssl::Dataset& data) {
  for (const ssl::Split* split : {&data.train, &data.test}) {
    need(static_cast<std::int64_t>(split->labels.classes.size()) == split->size(), "a label for every image");
    for (const std::int64_t c : split->labels.classes)
      need(c >= 0 && c < data.classes(), "every label has a class");
  }
}

}  // namespace nagare::fuzz
