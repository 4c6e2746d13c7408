#include "kernels/augment.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "kernels/augment_steps.h"
#include "kernels/parallel.h"
#include "kernels/simd.h"

namespace nagare::kernels {

void Augment::check() const {
  const auto side = [](std::int64_t value, std::int64_t most) { return value >= 1 && value <= most; };
  if (images < 0 || !side(height, 65536) || !side(width, 65536) || crops < 0 || !side(out_height, 4096) ||
      !side(out_width, 4096) || !side(slots, 65535)) {
    throw std::invalid_argument(
        "augment: " + std::to_string(images) + " images of " + std::to_string(height) + " x " +
        std::to_string(width) + ", " + std::to_string(crops) + " crops to " + std::to_string(out_height) +
        " x " + std::to_string(out_width) + ", " + std::to_string(slots) +
        " slots: need image sides 1 to 65536, view sides 1 to 4096, slots 1 to 65535, no "
        "negative count");
  }
}

void Augment::check_crop(const AugmentParameters& crop) const {
  const auto refuse = [](const std::string& what) {
    throw std::invalid_argument("augment: crop with " + what);
  };
  if (crop.image < 0 || crop.image >= images) {
    refuse("image " + std::to_string(crop.image) + ", need 0 to " + std::to_string(images - 1));
  }
  if (crop.height < 1 || crop.height > std::max(height, out_height) || crop.width < 1 ||
      crop.width > std::max(width, out_width) || std::abs(crop.top) > 65536 || std::abs(crop.left) > 65536) {
    refuse("box " + std::to_string(crop.height) + " x " + std::to_string(crop.width) + " at (" +
           std::to_string(crop.top) + ", " + std::to_string(crop.left) +
           "), need sides from 1 to those of the image, " + std::to_string(height) + " x " +
           std::to_string(width) + ", or of the view, " + std::to_string(out_height) + " x " +
           std::to_string(out_width));
  }
  if (!(crop.brightness >= 0.0F && crop.contrast >= 0.0F && crop.saturation >= 0.0F &&
        std::abs(crop.hue) <= 0.5F)) {
    refuse("factors " + std::to_string(crop.brightness) + ", " + std::to_string(crop.contrast) + ", " +
           std::to_string(crop.saturation) + " and hue " + std::to_string(crop.hue) +
           ", need factors >= 0 and a hue in [-0.5, 0.5]");
  }
  const bool blurs = crop.blur_kernel != 0;
  if (blurs && (crop.blur_kernel < 1 || crop.blur_kernel % 2 == 0 ||
                crop.blur_kernel / 2 >= std::min(out_height, out_width) || !(crop.blur_sigma > 0.0F))) {
    refuse("a blur of " + std::to_string(crop.blur_kernel) + " taps, sigma " +
           std::to_string(crop.blur_sigma) +
           ", need an odd number of taps below twice the view's shorter side, " +
           std::to_string(std::min(out_height, out_width)) + ", and a positive sigma");
  }
}

std::size_t Augment::bytes_per_slot() const {
  const std::int64_t sides = out_height + out_width;
  const auto floats =
      static_cast<std::size_t>(4 * out_pixels() + augment_row(*this) + sides * augment_taps(*this));
  const std::size_t bytes = floats * sizeof(float) + static_cast<std::size_t>(sides) * sizeof(TapRange);
  return (bytes + 63) / 64 * 64;
}

namespace cpu {
namespace {

// row[i] += weight * in[i]
template <class In>
inline void add_scaled(std::int64_t n, float weight, const In* in, float* row) {
  for (std::int64_t i = 0; i < n; ++i) row[i] += weight * static_cast<float>(in[i]);
}
NAGARE_SIMD void add_row(std::int64_t n, float weight, const std::uint8_t* in, float* row) {
  add_scaled(n, weight, in, row);
}
NAGARE_SIMD void add_row(std::int64_t n, float weight, const float* in, float* row) {
  add_scaled(n, weight, in, row);
}

float unit_scale(const std::uint8_t*) { return 1.0F / 255.0F; }
float unit_scale(const float*) { return 1.0F; }

// One row of the view, unflipped, from one row of the box: four channels at a time, of which the fourth (the
// next pixel's red) is dropped.
void resize_row(std::int64_t width, const AugmentWork& work, std::int64_t taps, bool flip,
                float* const rows[3]) {
  for (std::int64_t x = 0; x < width; ++x) {
    const TapRange range = work.taps_x[x];
    const float* weights = work.weights_x + x * taps;
    const float* in = work.row + 3 * range.begin;
    float sum[4] = {0, 0, 0, 0};
    for (int k = 0; k < range.count; ++k, in += 3) {
      for (int c = 0; c < 4; ++c) sum[c] += weights[k] * in[c];
    }
    const std::int64_t column = flip ? width - 1 - x : x;
    for (int c = 0; c < 3; ++c) rows[c][column] = sum[c];
  }
}

// Crop, resize and flip into work.planes. The vertical pass comes first: it runs along whole rows of bytes.
template <class In>
void fill_planes(const Augment& p, const AugmentParameters& crop, const In* image, const AugmentWork& work) {
  const std::int64_t taps = augment_taps(p);
  const ResizeAxis axis_y{crop.height, static_cast<int>(p.out_height), crop.interpolation, crop.antialias};
  const ResizeAxis axis_x{crop.width, static_cast<int>(p.out_width), crop.interpolation, crop.antialias};
  for (int y = 0; y < axis_y.out; ++y) work.taps_y[y] = fill_taps(axis_y, y, work.weights_y + y * taps);
  for (int x = 0; x < axis_x.out; ++x) work.taps_x[x] = fill_taps(axis_x, x, work.weights_x + x * taps);
  const std::int64_t first = std::clamp<std::int64_t>(crop.left, 0, p.width);
  const std::int64_t last = std::clamp<std::int64_t>(crop.left + crop.width, first, p.width);
  const float scale = unit_scale(image);
  for (std::int64_t y = 0; y < p.out_height; ++y) {
    std::fill(work.row, work.row + 3 * crop.width + 4, 0.0F);
    for (int k = 0; k < work.taps_y[y].count; ++k) {
      const std::int64_t source = crop.top + work.taps_y[y].begin + k;
      if (source < 0 || source >= p.height) continue;
      add_row(3 * (last - first), work.weights_y[y * taps + k] * scale,
              image + 3 * (source * p.width + first), work.row + 3 * (first - crop.left));
    }
    float* plane = work.planes + y * p.out_width;
    const std::int64_t pixels = p.out_pixels();
    float* const rows[3] = {plane, plane + pixels, plane + 2 * pixels};
    resize_row(p.out_width, work, taps, crop.flip, rows);
  }
}

struct Planes {
  std::int64_t n;  // pixels
  float* r;
  float* g;
  float* b;

  Rgb get(std::int64_t i) const { return {r[i], g[i], b[i]}; }
  void set(std::int64_t i, const Rgb& x) const {
    r[i] = x.r;
    g[i] = x.g;
    b[i] = x.b;
  }
};

NAGARE_SIMD void clip_all(std::int64_t n, float* x) {
  for (std::int64_t i = 0; i < n; ++i) x[i] = clip_unit(x[i]);
}
NAGARE_SIMD void solarise_all(std::int64_t n, float threshold, float* x) {
  for (std::int64_t i = 0; i < n; ++i) x[i] = solarise(x[i], threshold);
}
NAGARE_SIMD void blend_all(Planes x, float factor, float other) {
  for (std::int64_t i = 0; i < x.n; ++i) x.set(i, blend(x.get(i), factor, other));
}
NAGARE_SIMD void saturate_all(Planes x, float factor) {
  for (std::int64_t i = 0; i < x.n; ++i) {
    const Rgb pixel = x.get(i);
    x.set(i, blend(pixel, factor, grey_of(pixel)));
  }
}
NAGARE_SIMD void shift_hue_all(Planes x, float shift) {
  for (std::int64_t i = 0; i < x.n; ++i) x.set(i, shift_hue(x.get(i), shift));
}
NAGARE_SIMD void grey_all(Planes x) {
  for (std::int64_t i = 0; i < x.n; ++i) {
    const float grey = grey_of(x.get(i));
    x.set(i, {grey, grey, grey});
  }
}

// Sixteen partial sums in a fixed order: the same bits whatever the vector width.
NAGARE_SIMD float mean_grey(Planes x) {
  float sums[16] = {};
  std::int64_t i = 0;
  for (; i + 16 <= x.n; i += 16) {
    for (int lane = 0; lane < 16; ++lane) sums[lane] += grey_of(x.get(i + lane));
  }
  double total = 0;
  for (const float sum : sums) total += sum;
  for (; i < x.n; ++i) total += grey_of(x.get(i));
  return static_cast<float>(total / static_cast<double>(x.n));
}

void jitter(const AugmentParameters& crop, const Planes& planes) {
  for (const ColourStep step : crop.order) {
    switch (step) {
      case ColourStep::none:
        break;
      case ColourStep::brightness:
        blend_all(planes, crop.brightness, 0.0F);
        break;
      case ColourStep::contrast:
        blend_all(planes, crop.contrast, mean_grey(planes));
        break;
      case ColourStep::saturation:
        saturate_all(planes, crop.saturation);
        break;
      case ColourStep::hue:
        shift_hue_all(planes, crop.hue);
        break;
    }
  }
}

// out[i] = sum_k weights[k] in[i + k - radius], n entries; in has `radius` entries on either side.
NAGARE_SIMD void convolve_row(std::int64_t n, int radius, const float* weights, const float* in, float* out) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = weights[0] * in[i - radius];
  for (int k = 1; k <= 2 * radius; ++k) {
    for (std::int64_t i = 0; i < n; ++i) out[i] += weights[k] * in[i + k - radius];
  }
}

void blur_plane(const Augment& p, int radius, const float* weights, float* padded, float* temporary,
                float* plane) {
  const auto height = static_cast<int>(p.out_height);
  const auto width = static_cast<int>(p.out_width);
  float* centre = padded + radius;
  for (int y = 0; y < height; ++y) {
    std::copy_n(plane + y * width, width, centre);
    for (int i = 1; i <= radius; ++i) {
      centre[-i] = centre[reflect(-i, width)];
      centre[width - 1 + i] = centre[reflect(width - 1 + i, width)];
    }
    convolve_row(width, radius, weights, centre, temporary + y * width);
  }
  for (int y = 0; y < height; ++y) {
    float* out = plane + y * width;
    std::fill(out, out + width, 0.0F);
    for (int k = -radius; k <= radius; ++k) {
      add_row(width, weights[k + radius], temporary + reflect(y + k, height) * width, out);
    }
  }
}

void blur(const Augment& p, const AugmentParameters& crop, const AugmentWork& work) {
  const int radius = crop.blur_kernel / 2;
  double sum = 0;
  for (int k = -radius; k <= radius; ++k) sum += gaussian(k, crop.blur_sigma);
  for (int k = -radius; k <= radius; ++k) {
    work.row[k + radius] = static_cast<float>(gaussian(k, crop.blur_sigma) / sum);
  }
  // The resize's weights are done with; a padded row is at most 3 widths long, and they hold at least 6.
  for (int c = 0; c < 3; ++c) {
    blur_plane(p, radius, work.row, work.weights_y, work.temporary, work.planes + c * p.out_pixels());
  }
}

template <class Out>
inline void interleave(const Planes& x, const float* mean, const float* inverse, Out* out) {
  for (std::int64_t i = 0; i < x.n; ++i) {
    store(out + 3 * i, (x.r[i] - mean[0]) * inverse[0]);
    store(out + 3 * i + 1, (x.g[i] - mean[1]) * inverse[1]);
    store(out + 3 * i + 2, (x.b[i] - mean[2]) * inverse[2]);
  }
}
NAGARE_SIMD void store_normalised(Planes x, const float* mean, const float* inverse, float* out) {
  interleave(x, mean, inverse, out);
}
NAGARE_SIMD void store_normalised(Planes x, const float* mean, const float* inverse, bf16* out) {
  interleave(x, mean, inverse, out);
}

template <class In, class Out>
void augment_crop(const Augment& p, const AugmentParameters& crop, const In* image, const AugmentWork& work,
                  Out* out) {
  const std::int64_t pixels = p.out_pixels();
  const Planes planes{pixels, work.planes, work.planes + pixels, work.planes + 2 * pixels};
  fill_planes(p, crop, image, work);
  if (crop.clip) clip_all(3 * pixels, work.planes);
  jitter(crop, planes);
  if (crop.grayscale) grey_all(planes);
  if (crop.blur_kernel != 0) blur(p, crop, work);
  if (std::isfinite(crop.solarise_threshold)) solarise_all(3 * pixels, crop.solarise_threshold, work.planes);
  const float inverse[3] = {1.0F / crop.std[0], 1.0F / crop.std[1], 1.0F / crop.std[2]};
  store_normalised(planes, crop.mean, inverse, out);
}

}  // namespace

template <class In, class Out>
void augment(const Augment& p, const In* images, const AugmentParameters* crops, Out* out, void* scratch,
             Stream) {
  p.check();
  const std::int64_t slots = std::min(p.slots, p.crops);
  const std::size_t bytes = p.bytes_per_slot();
  parallel_for(slots, [&](std::int64_t slot) {
    const AugmentWork work =
        carve_work(p, static_cast<char*>(scratch) + static_cast<std::size_t>(slot) * bytes);
    for (std::int64_t i = slot * p.crops / slots; i < (slot + 1) * p.crops / slots; ++i) {
      augment_crop(p, crops[i], images + crops[i].image * p.height * p.width * 3, work,
                   out + i * p.out_pixels() * 3);
    }
  });
}

#define NAGARE_INSTANTIATE(In, Out) \
  template void augment(const Augment&, const In*, const AugmentParameters*, Out*, void*, Stream);
NAGARE_INSTANTIATE(std::uint8_t, float)
NAGARE_INSTANTIATE(std::uint8_t, bf16)
NAGARE_INSTANTIATE(float, float)
NAGARE_INSTANTIATE(float, bf16)
#undef NAGARE_INSTANTIATE

}  // namespace cpu
}  // namespace nagare::kernels
