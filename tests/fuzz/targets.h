#pragma once
// What the target files define, for the table in targets.cpp.
#include "tests/fuzz/target.h"

namespace nagare::fuzz {

// One line per target, sorted.
void run_cifar(Bytes input);
void run_command_line(Bytes input);
void run_idx(Bytes input);
void run_image_cache(Bytes input);
void run_jpeg(Bytes input);
void run_lists(Bytes input);
void run_manifest(Bytes input);
void run_npy(Bytes input);
void run_plain_image(Bytes input);
void run_png(Bytes input);
void run_report(Bytes input);
void run_safetensors(Bytes input);
void run_specs(Bytes input);
void run_state(Bytes input);
void run_tar(Bytes input);
void run_toml(Bytes input);

Seeds cifar_seeds();
Seeds command_line_seeds();
Seeds idx_seeds();
Seeds image_cache_seeds();
Seeds jpeg_seeds();
Seeds lists_seeds();
Seeds manifest_seeds();
Seeds npy_seeds();
Seeds plain_image_seeds();
Seeds png_seeds();
Seeds report_seeds();
Seeds safetensors_seeds();
Seeds specs_seeds();
Seeds state_seeds();
Seeds tar_seeds();
Seeds toml_seeds();

}  // namespace nagare::fuzz
