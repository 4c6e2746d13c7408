#pragma once
// Part and select: `count` rows that are spread over what all rows cover.
//
//   parts    as long as there are fewer than `count`: the part with the largest range of any coordinate is cut in two at the
//            middle of that range
//   select   of every part the row nearest the centre of its box
//
// deterministic  of equals the first
// cost           N D for each of count parts
// source         Salomon et al., IJ Metaheuristics 2013 (PSA); Yu et al., CLVision 2023
#include <cstdint>
#include <vector>

#include "engine/tensor/tensor.h"

namespace nagare::ssl {

// Indices of rows of (N, D) f32, ascending; all N where count >= N. std::invalid_argument for other shapes or count < 1.
std::vector<std::int64_t> spread_rows(const Tensor& rows, std::int64_t count);

}  // namespace nagare::ssl
