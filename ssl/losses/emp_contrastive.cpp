#include "ssl/losses/emp_contrastive.h"

#include <cmath>
#include <stdexcept>

#include "engine/ops/contrastive.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/normalize.h"
#include "engine/ops/reduce.h"
#include "engine/ops/shape_ops.h"

namespace nagare::ssl {
namespace {

constexpr float kNormFloor = 1e-8F;

// Patches against the means of all images; the positive is one of the classes.
Tensor mean_form(const Tensor& z, float temperature) {
  const std::int64_t batch = z.shape()[1];
  const Tensor patches =
      reshape(l2_normalize(z, kNormFloor), {z.shape()[0] * batch, z.shape()[2]});  // (n*b, d)
  const Tensor means = l2_normalize(mean_outer(z), kNormFloor);                    // (b, d)
  return mean(contrast_rows(patches, means,
                            {.temperature = temperature, .row_period = batch, .column_period = batch}));
}

// Means against the patches of the other images; the own patches are averaged, and not in the denominator.
Tensor patch_form(const Tensor& z, const EmpContrastive& options) {
  const std::int64_t batch = z.shape()[1];
  const Tensor zbar = mean_outer(z);  // (b, d)
  Tensor anchor = options.detach_mean ? zbar.detach() : zbar;
  if (options.normalize_mean) anchor = l2_normalize(anchor);
  const Tensor all = reshape(z, {z.shape()[0] * batch, z.shape()[2]});  // (n*b, d)
  return mean(contrast_rows(anchor, all,
                            {.temperature = options.temperature,
                             .positives = ContrastivePositives::excluded,
                             .row_period = batch,
                             .column_period = batch}));
}

}  // namespace

Tensor emp_contrast(const Tensor& z, const EmpContrastive& options) {
  const std::int64_t needed = options.form == EmpContrast::patches ? 2 : 1;
  if (z.shape().rank() != 3 || z.numel() == 0 || z.shape()[1] < needed ||
      !(options.temperature > 0.0F && std::isfinite(options.temperature))) {
    throw std::invalid_argument("emp_contrast: z " + to_string(z.shape()) + ", temperature " +
                                std::to_string(options.temperature) +
                                ": need (patches, batch, dim) with a batch of " + std::to_string(needed) +
                                " or more, and a positive, finite temperature");
  }
  const Tensor wide = cast(z, DType::f32);
  return options.form == EmpContrast::means ? mean_form(wide, options.temperature)
                                            : patch_form(wide, options);
}

EmpLoss emp_contrastive_loss(const Tensor& z, const EmpContrastive& options) {
  const Tensor contrast = emp_contrast(z, options);
  const Tensor tcr = tcr_loss(z, options.rate);
  return {.loss = add(scale(contrast, options.contrastive_weight), scale(tcr, options.tcr_weight)),
          .invariance = contrast.detach(),
          .tcr = tcr.detach()};
}

}  // namespace nagare::ssl
