#include "tests/fuzz/targets.h"

namespace nagare::fuzz {

std::span<const Target> targets() {
  // One line per target, sorted.
  static constexpr Target kTargets[] = {
      {"cifar", run_cifar, cifar_seeds},
      {"command_line", run_command_line, command_line_seeds},
      {"idx", run_idx, idx_seeds},
      {"image_cache", run_image_cache, image_cache_seeds},
      {"jpeg", run_jpeg, jpeg_seeds},
      {"lists", run_lists, lists_seeds},
      {"manifest", run_manifest, manifest_seeds},
      {"npy", run_npy, npy_seeds},
      {"plain_image", run_plain_image, plain_image_seeds},
      {"png", run_png, png_seeds},
      {"report", run_report, report_seeds},
      {"safetensors", run_safetensors, safetensors_seeds},
      {"specs", run_specs, specs_seeds},
      {"state", run_state, state_seeds, 30},
      {"tar", run_tar, tar_seeds},
      {"toml", run_toml, toml_seeds},
  };
  return kTargets;
}

}  // namespace nagare::fuzz
