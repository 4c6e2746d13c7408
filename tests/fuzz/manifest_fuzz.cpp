// The manifest of a checkpoint.
#include "apps/manifest.h"
#include "engine/device/errors.h"
#include "engine/io/checksum.h"
#include "tests/fuzz/targets.h"

namespace nagare::fuzz {
namespace {

constexpr std::string_view kSeal = "  \"checksum\": \"";

// Damage would end at the checksum; who writes a hostile manifest makes it fit.
std::string sealed(std::string text) {
  const std::size_t at = text.rfind(kSeal);
  if (at == std::string::npos) return text;
  text.resize(at);
  const std::string checksum = io::checksum(std::as_bytes(std::span(text.data(), text.size())));
  return text + std::string(kSeal) + checksum + "\"\n}\n";
}

}  // namespace

void run_manifest(Bytes input) {
  apps::Manifest manifest;
  const std::string text = sealed(std::string(text_of(input)));
  if (refused<BadCheckpoint>([&] { manifest = apps::parse_manifest(text, "manifest.json"); })) return;
  for (const apps::FileRecord& file : manifest.files) {
    need(file.name.find('/') == std::string::npos && !file.name.starts_with('.'),
         "a manifest names files beside it");
  }
  if (manifest.schema != apps::kManifestSchema) return;
  const std::string again = apps::to_text(manifest);
  need(apps::to_text(apps::parse_manifest(again, "again")) == again, "a manifest reads back as it was");
}

Seeds manifest_seeds() {
  const std::string digits(32, 'a');
  apps::Manifest manifest;
  manifest.version = "0.1.0";
  manifest.model = "resnet18:width=4";
  manifest.stream_digest = "0123456789abcdef";
  manifest.metrics_bytes = 1000;
  manifest.arithmetic = {.device = "cpu", .threads = 2, .cpu = "avx2"};
  manifest.files = {
      {.name = "model.safetensors", .bytes = 72, .checksum = digits, .tensors = {{"w", digits}}},
      {.name = "state.safetensors", .bytes = 8, .checksum = digits, .tensors = {}}};
  const std::string deep = std::string(60'000, '[');
  return {
      apps::to_text(manifest),
      R"({"schema":2,"step":3,"task":0,"model":"m","image_size":32,"mean":[0,0,0],"std":[1,1,1],"precision":"f32",)"
      R"("method":"x","strategy":"y","data":"d","stream":"s","class_order":"natural","seed":1,"readouts":"knn",)"
      R"("files":[{"name":"model.safetensors","bytes":72}]})",
      R"({"schema":99,"version":)" + deep + std::string(60'000, ']') + "}",
      R"({"schema":2,"step":)" + deep + std::string(60'000, ']') + "}", R"({"schema":99,"version":"9"})"};
}

}  // namespace nagare::fuzz
