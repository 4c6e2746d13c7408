#include "ssl/augment/view_plan.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "engine/device/errors.h"

namespace nagare::ssl {
namespace {

template <class T>
void need(bool good, const char* field, T got, const std::string& range) {
  if (!good)
    throw BadConfig("view recipe: " + std::string(field) + " is " + std::to_string(got) + ", need " + range);
}

void need_probability(const char* field, float p) { need(p >= 0.0F && p <= 1.0F, field, p, "0 to 1"); }

// min <= max, both in [low, high]; said once for both.
void need_range(const char* field, float min, float max, float low, float high) {
  if (!(min >= low && min <= max && max <= high)) {
    throw BadConfig("view recipe: " + std::string(field) + " goes from " + std::to_string(min) + " to " +
                    std::to_string(max) + ", need a range inside " + std::to_string(low) + " to " +
                    std::to_string(high));
  }
}

}  // namespace

std::int64_t ViewRecipe::blur_taps() const {
  return blur_kernel != 0 ? blur_kernel : std::max<std::int64_t>(3, 2 * (size / 20) + 1);
}

void ViewRecipe::check() const {
  need(size >= 1 && size <= 4096, "size", size, "1 to 4096");
  need_range("crop_scale", crop_scale_min, crop_scale_max, 1e-6F, 1.0F);
  need_range("crop_ratio", crop_ratio_min, crop_ratio_max, 1e-3F, 1e3F);
  need(crop_padding >= 0 && crop_padding <= 4096, "crop_padding", crop_padding, "0 to 4096");
  need_probability("flip_probability", flip_probability);
  need_probability("jitter_probability", jitter_probability);
  need(brightness >= 0.0F && brightness <= 100.0F, "brightness", brightness, "0 to 100");
  need(contrast >= 0.0F && contrast <= 100.0F, "contrast", contrast, "0 to 100");
  need(saturation >= 0.0F && saturation <= 100.0F, "saturation", saturation, "0 to 100");
  need(hue >= 0.0F && hue <= 0.5F, "hue", hue, "0 to 0.5");
  need_probability("grayscale_probability", grayscale_probability);
  need_probability("blur_probability", blur_probability);
  need_range("blur_sigma", blur_sigma_min, blur_sigma_max, 1e-3F, 1e3F);
  if (blur_probability > 0.0F) {
    const std::int64_t taps = blur_taps();
    need(taps >= 1 && taps % 2 == 1 && taps / 2 < size, "blur_kernel", taps,
         "an odd number below twice the size " + std::to_string(size));
  }
  need_probability("solarise_probability", solarise_probability);
  need(solarise_threshold >= 0.0F && solarise_threshold <= 1.0F, "solarise_threshold", solarise_threshold,
       "0 to 1");
  for (const float m : mean) need(std::isfinite(m), "mean", m, "a finite value");
  for (const float s : std) need(s > 0.0F && std::isfinite(s), "std", s, "a positive, finite value");
}

void ViewPlan::check() const {
  if (views.empty()) throw BadConfig("view plan: no views, need at least one");
  for (std::size_t v = 0; v < views.size(); ++v) {
    if (views[v].size != views[0].size) {
      throw BadConfig("view plan: view " + std::to_string(v) + " has size " + std::to_string(views[v].size) +
                      ", view 0 has " + std::to_string(views[0].size) + ": need one size");
    }
    try {
      views[v].check();
    } catch (const BadConfig& error) {
      throw BadConfig("view " + std::to_string(v) + ": " + error.what());
    }
  }
}

}  // namespace nagare::ssl
