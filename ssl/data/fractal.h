#pragma once
// Pictures of iterated function systems: a labelled image set made from formulas, with no download.
//
// class     2 to 8 affine maps with coefficients and translations uniform in (-1, 1), drawn until each
//           contracts and the attractor covers enough of a grid (filling rate). Map i is used with
//           probability |det A_i| / sum |det A|.
// instance  every coefficient of the class multiplied by a factor near 1, then the figure turned, mirrored,
//           scaled and moved, in colours of its own: colour says nothing about the class.
// images    a pure function of the spec: the same bytes on every device and for any number of threads
// source    Kataoka et al., "Pre-training without natural images", ACCV 2020 (FractalDB); Barnsley and Demko,
//           1985
#include "ssl/data/dataset.h"
#include "ssl/data/spec.h"

namespace nagare::ssl {

Dataset load_fractal(const DataSpec& spec, const DataOptions& options);

}  // namespace nagare::ssl
