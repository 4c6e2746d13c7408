// Cases of the aug/ group, and ops/resize. Every step is run as the kernel runs it, all other steps switched off, once
// from bytes and once from floats: both must give the file's float result. The file's 8-bit results (out.u8, out.pil)
// are what rounding after every step gives; the kernel does not round.
#include <gtest/gtest.h>

#include "engine/ops/resize.h"
#include "kernels/augment_steps.h"
#include "tests/reference/registry.h"
#include "tests/support/augment.h"

namespace nagare::reference {
namespace {

using kernels::AugmentParameters;
using kernels::ColourStep;

// (3, H, W) -> (1, H, W, 3), or (1, H, W, 3) -> (3, H, W); both f32 or u8, on the CPU.
template <class T>
Tensor turned(const Tensor& from, bool to_channels_last) {
  const Shape& s = from.shape();
  const std::int64_t height = s[1];
  const std::int64_t width = s[2];
  const Tensor out = Tensor::empty(to_channels_last ? Shape{1, height, width, 3} : Shape{3, height, width},
                                   {.dtype = from.dtype()});
  for (std::int64_t c = 0; c < 3; ++c) {
    for (std::int64_t i = 0; i < height * width; ++i) {
      const std::int64_t first = c * height * width + i;
      const std::int64_t last = i * 3 + c;
      out.data<T>()[to_channels_last ? last : first] = from.data<T>()[to_channels_last ? first : last];
    }
  }
  return out;
}

struct Inputs {
  Tensor bytes;   // (1, H, W, 3) u8
  Tensor floats;  // the same / 255, f32
};

Inputs inputs_of(const Case& c) {
  return {turned<std::uint8_t>(c.input("x_u8").to(Device::cpu), true).to(c.device()),
          turned<float>(c.input("x_f").to(Device::cpu), true).to(c.device())};
}

void check_view(Case& c, const std::string& name, const Inputs& in, const AugmentParameters& crop,
                test::ViewSize size) {
  for (const Tensor& images : {in.bytes, in.floats}) {
    const Tensor view = test::augment(images, {crop}, size).to(Device::cpu);
    c.check(name, turned<float>(view, false));
  }
}

// A box of the whole image.
void check_step(Case& c, AugmentParameters crop) {
  const Inputs in = inputs_of(c);
  const Shape& shape = in.bytes.shape();
  crop.height = static_cast<std::int32_t>(shape[1]);
  crop.width = static_cast<std::int32_t>(shape[2]);
  check_view(c, "out.f", in, crop, {shape[1], shape[2]});
  c.not_exposed("out.u8");
  c.not_exposed("out.pil");
}

Interpolation interpolation_of(const Case& c) {
  return c.text("mode") == "bicubic" ? Interpolation::bicubic : Interpolation::bilinear;
}

AugmentParameters box_of(const Case& c) {
  AugmentParameters crop;
  crop.top = static_cast<std::int32_t>(c.integer("top"));
  crop.left = static_cast<std::int32_t>(c.integer("left"));
  crop.height = static_cast<std::int32_t>(c.integer("h"));
  crop.width = static_cast<std::int32_t>(c.integer("w"));
  crop.antialias = c.flag("antialias");
  return crop;
}

void resized_crop_case(Case& c) {
  AugmentParameters crop = box_of(c);
  crop.interpolation = interpolation_of(c);
  check_view(c, "out.f", inputs_of(c), crop, {c.integer("out_h"), c.integer("out_w")});
  c.not_exposed("out.u8");
  c.not_exposed("out.pil");
}

void resize_case(Case& c) {
  const Tensor x = c.image("x");
  const Tensor y = resize(x, {.height = c.integer("out_h"),
                              .width = c.integer("out_w"),
                              .interpolation = interpolation_of(c),
                              .antialias = c.flag("antialias")});
  c.check("out.y", y, Layout::channels_last);
  c.backward(y, "y", Layout::channels_last);
  c.check_gradient("x", x, Layout::channels_last);
}

void hflip_case(Case& c) {
  AugmentParameters crop;
  crop.flip = true;
  check_step(c, crop);
}

void crop_pad_case(Case& c) {
  const std::int64_t size = c.integer("size");
  AugmentParameters crop;
  crop.top = static_cast<std::int32_t>(c.integer("top") - c.integer("pad"));
  crop.left = static_cast<std::int32_t>(c.integer("left") - c.integer("pad"));
  crop.height = crop.width = static_cast<std::int32_t>(size);
  check_view(c, "out.f", inputs_of(c), crop, {size, size});
  c.not_exposed("out.u8");
  c.not_exposed("out.pil");
}

void colour_case(Case& c) {
  const auto factor = static_cast<float>(c.number("factor"));
  AugmentParameters crop;
  crop.brightness = crop.contrast = crop.saturation = crop.hue = factor;
  crop.order[0] = c.op() == "brightness"   ? ColourStep::brightness
                  : c.op() == "contrast"   ? ColourStep::contrast
                  : c.op() == "saturation" ? ColourStep::saturation
                                           : ColourStep::hue;
  if (c.op() == "hue") {
    crop.brightness = crop.contrast = crop.saturation = 1.0F;
  } else {
    crop.hue = 0.0F;
  }
  check_step(c, crop);
}

void grayscale_case(Case& c) {
  AugmentParameters crop;
  crop.grayscale = true;
  check_step(c, crop);
}

void gaussian_blur_case(Case& c) {
  AugmentParameters crop;
  crop.blur_kernel = static_cast<std::int32_t>(c.integer("ksize"));
  crop.blur_sigma = static_cast<float>(c.number("sigma"));
  check_step(c, crop);
  std::vector<double> weights;
  double sum = 0;
  for (int k = 0; k < crop.blur_kernel; ++k) {
    weights.push_back(kernels::gaussian(k - crop.blur_kernel / 2, crop.blur_sigma));
    sum += weights.back();
  }
  for (double& w : weights) w /= sum;
  c.check("out.kernel", Tensor::from(weights, {crop.blur_kernel}));
}

// The files give the threshold in levels; half a level lower no rounding of k / 255 can matter.
float solarise_threshold(const Case& c) { return static_cast<float>((c.number("threshold") - 0.5) / 255.0); }

void solarize_case(Case& c) {
  AugmentParameters crop;
  crop.solarise_threshold = solarise_threshold(c);
  check_step(c, crop);
}

void set_normalisation(const Case& c, AugmentParameters& crop) {
  for (std::size_t channel = 0; channel < 3; ++channel) {
    crop.mean[channel] = static_cast<float>(c.numbers("mean")[channel]);
    crop.std[channel] = static_cast<float>(c.numbers("std")[channel]);
  }
}

void normalize_case(Case& c) {
  AugmentParameters crop;
  set_normalisation(c, crop);
  check_step(c, crop);
}

// The whole pipeline, switched on one step after the other: out.stageK is the view after the first K + 1 steps.
void pipeline_case(Case& c) {
  const Inputs in = inputs_of(c);
  const std::int64_t size = c.integer("out");
  int stage = 0;
  AugmentParameters crop = box_of(c);
  const auto check_stage = [&] {
    const std::string name = "out.stage" + std::to_string(stage++);
    if (c.has_result(name))
      check_view(c, name, in, crop, {size, size});  // the last stage is only there normalised
  };
  check_stage();
  if (c.flag("flip")) {
    crop.flip = true;
    check_stage();
  }
  crop.brightness = static_cast<float>(c.number("brightness"));
  crop.contrast = static_cast<float>(c.number("contrast"));
  crop.saturation = static_cast<float>(c.number("saturation"));
  crop.hue = static_cast<float>(c.number("hue"));
  const std::vector<double> order = c.numbers("order");
  for (std::size_t k = 0; k < order.size(); ++k) {
    crop.order[k] = static_cast<ColourStep>(1 + static_cast<int>(order[k]));
    check_stage();
  }
  if (c.flag("gray")) {
    crop.grayscale = true;
    check_stage();
  }
  if (c.integer("ksize") > 0) {
    crop.blur_kernel = static_cast<std::int32_t>(c.integer("ksize"));
    crop.blur_sigma = static_cast<float>(c.number("sigma"));
    check_stage();
  }
  if (c.integer("threshold") < 256) {
    crop.solarise_threshold = solarise_threshold(c);
    check_stage();
  }
  set_normalisation(c, crop);
  check_view(c, "out.f", in, crop, {size, size});
}

constexpr Handler kHandlers[] = {
    {"brightness", &colour_case},   {"contrast", &colour_case},
    {"crop_pad", &crop_pad_case},   {"gaussian_blur", &gaussian_blur_case},
    {"grayscale", &grayscale_case}, {"hflip", &hflip_case},
    {"hue", &colour_case},          {"normalize", &normalize_case},
    {"resize", &resize_case},       {"resized_crop", &resized_crop_case},
    {"saturation", &colour_case},   {"simclr_pipeline", &pipeline_case},
    {"solarize", &solarize_case},
};

}  // namespace

std::span<const Handler> aug_cases() { return kHandlers; }

}  // namespace nagare::reference
