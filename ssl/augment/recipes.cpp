#include "ssl/augment/recipes.h"

namespace nagare::ssl {
namespace {

constexpr std::int64_t kMedium = 64;  // from here on the values for large images hold
constexpr std::int64_t kLarge = 128;  // from here on supervised training crops by area, not by padding

}  // namespace

ViewRecipe simclr_recipe(std::int64_t size) {
  ViewRecipe recipe{.size = size, .crop_scale_min = 0.08F, .interpolation = Interpolation::bicubic};
  if (size >= kMedium) {
    recipe.brightness = recipe.contrast = recipe.saturation = 0.8F;
    recipe.hue = 0.2F;
    recipe.blur_probability = 0.5F;
  }
  return recipe;
}

ViewRecipe simsiam_recipe(std::int64_t size) {
  return {.size = size, .crop_scale_min = 0.2F, .blur_probability = size >= kMedium ? 0.5F : 0.0F};
}

std::vector<ViewRecipe> byol_recipes(std::int64_t size) {
  ViewRecipe first{
      .size = size, .crop_scale_min = 0.08F, .interpolation = Interpolation::bicubic, .saturation = 0.2F};
  ViewRecipe second = first;
  second.solarise_probability = 0.2F;
  if (size >= kMedium) {
    first.blur_probability = 1.0F;
    second.blur_probability = 0.1F;
  }
  return {first, second};
}

ViewRecipe vicreg_recipe(std::int64_t size) {
  return {.size = size,
          .crop_scale_min = 0.2F,
          .interpolation = Interpolation::bicubic,
          .saturation = 0.2F,
          .blur_probability = size >= kMedium ? 0.5F : 0.0F,
          .solarise_probability = 0.1F};
}

ViewRecipe emp_ssl_recipe(std::int64_t size) {
  ViewRecipe recipe{.size = size,
                    .crop_scale_min = 0.25F,
                    .crop_scale_max = 0.25F,
                    .hue = 0.2F,
                    .blur_probability = 0.1F,
                    .solarise_probability = 0.1F,
                    .mean = {0.5F, 0.5F, 0.5F},
                    .std = {0.5F, 0.5F, 0.5F}};
  if (size >= kMedium) {
    recipe.interpolation = Interpolation::bicubic;
  } else {
    recipe.crop_ratio_min = recipe.crop_ratio_max = 1.0F;
  }
  return recipe;
}

std::vector<ViewRecipe> swav_recipes(std::int64_t size, std::int64_t local) {
  ViewRecipe view{.size = size,
                  .crop_scale_min = 0.08F,
                  .interpolation = Interpolation::bicubic,
                  .brightness = 0.8F,
                  .contrast = 0.8F,
                  .saturation = 0.8F,
                  .hue = 0.2F};
  ViewRecipe small = view;
  small.crop_scale_max = 0.5F;
  small.blur_probability = small.solarise_probability = 0.1F;
  if (size >= kMedium) {
    view.crop_scale_min = 0.14F;
    view.interpolation = Interpolation::bilinear;
    view.blur_probability = 0.5F;
    small = view;
    small.crop_scale_min = 0.05F;
    small.crop_scale_max = 0.14F;
  }
  std::vector<ViewRecipe> views(2, view);
  views.insert(views.end(), static_cast<std::size_t>(local), small);
  return views;
}

std::vector<ViewRecipe> dino_recipes(std::int64_t size, std::int64_t local) {
  std::vector<ViewRecipe> views = byol_recipes(size);
  ViewRecipe small = views[0];
  small.crop_scale_max = 0.5F;
  if (size >= kMedium) {
    for (ViewRecipe& view : views) view.crop_scale_min = 0.14F;
    small.crop_scale_min = 0.05F;
    small.crop_scale_max = 0.14F;
    small.blur_probability = 0.5F;
  }
  views.insert(views.end(), static_cast<std::size_t>(local), small);
  return views;
}

ViewRecipe supervised_recipe(std::int64_t size) {
  ViewRecipe recipe{.size = size, .jitter_probability = 0.0F, .grayscale_probability = 0.0F};
  if (size >= kLarge) {
    recipe.crop_scale_min = 0.08F;
  } else {
    recipe.crop_padding = size / 8;
  }
  return recipe;
}

ViewRecipe ucl_replay_recipe(std::int64_t size) {
  return {.size = size,
          .crop_scale_min = 0.08F,
          .interpolation = Interpolation::bicubic,
          .jitter_probability = 0.0F,
          .grayscale_probability = 0.0F};
}

}  // namespace nagare::ssl
