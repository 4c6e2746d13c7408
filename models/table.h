#pragma once
// The one list of backbones; make_backbone() (models/backbone.h) reads it.
#include <memory>
#include <span>
#include <string>

#include "models/backbone.h"

namespace nagare::models {

struct BackboneRow {
  const char* name;
  const char* summary;
  const char* options;
  const char* reference;
};

// Sorted by name.
std::span<const BackboneRow> backbone_rows();

}  // namespace nagare::models
