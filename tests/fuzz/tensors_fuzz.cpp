// Files of tensors: safetensors, what is read from one (a module's state, a gallery), and npy.
#include <bit>
#include <cstring>

#include "engine/device/errors.h"
#include "engine/io/npy.h"
#include "engine/io/safetensors.h"
#include "engine/io/state_io.h"
#include "ssl/eval/gallery.h"
#include "tests/fuzz/targets.h"

namespace nagare::fuzz {
namespace {

std::string with_length(std::string_view header, std::string_view data) {
  std::string file(sizeof(std::uint64_t), '\0');
  const std::uint64_t length = header.size();
  std::memcpy(file.data(), &length, sizeof length);
  return file.append(header).append(data);
}

std::vector<std::byte> bytes_of(Bytes input) {
  std::vector<std::byte> bytes(input.size());
  if (!bytes.empty()) std::memcpy(bytes.data(), input.data(), input.size());
  return bytes;
}

nn::StateList small_state() {
  nn::StateList state;
  state.add("conv.weight", Tensor::zeros({2, 1, 1, 3}), nn::Role::weight, nn::DiskLayout::conv_oihw);
  state.add("conv.bias", Tensor::zeros({2}), nn::Role::bias);
  state.add("steps", Tensor::zeros({}, {.dtype = DType::i64}), nn::kCount);
  return state;
}

void load_all(const io::SafetensorsFile& file) {
  for (const io::TensorInfo& info : file.tensors()) {
    Tensor tensor;
    if (refused<BadData>([&] { tensor = file.load(info.name); })) continue;
    need(tensor.bytes() == info.end - info.begin, "a tensor is as large as its bytes in the file");
  }
}

ssl::Gallery small_gallery() {
  const auto images = [](const Shape& shape) { return Tensor::zeros(shape, {.dtype = DType::u8}); };
  const auto classes = [](const Shape& shape) { return Tensor::zeros(shape, {.dtype = DType::i64}); };
  return {.sources = images({1, 2, 2, 3}),
          .views = images({1, 2, 2, 2, 3}),
          .captions = {{"crop 31 %", "flip"}},
          .features = Tensor::zeros({2, 3}),
          .feature_classes = classes({2}),
          .feature_tasks = classes({2}),
          .queries = images({1, 2, 2, 3}),
          .query_classes = classes({1}),
          .neighbours = images({1, 2, 2, 2, 3}),
          .neighbour_classes = classes({1, 2}),
          .similarities = Tensor::zeros({1, 2}),
          .map_images = images({1, 2, 2, 3}),
          .class_names = {"cat"},
          .bank_images = 4};
}

}  // namespace

void run_safetensors(Bytes input) {
  bool gallery = false;
  const bool bad = refused<BadData>([&] {
    const io::SafetensorsFile file(bytes_of(input), "x.safetensors");
    load_all(file);
    refused<BadCheckpoint>([&] { io::load_state(file, small_state()); });
    refused<BadCheckpoint>([&] { io::load_state(file, small_state(), "online."); });
    gallery = file.find("sources") != nullptr;
  });
  if (bad || !gallery) return;
  const io::Path path = scratch() / "gallery.safetensors";
  write(path, text_of(input));
  refused<BadData>([&] { ssl::read_gallery(path); });
}

void run_npy(Bytes input) {
  const io::Path path = scratch() / "x.npy";
  write(path, text_of(input));
  Tensor tensor;
  if (refused<BadData>([&] { tensor = io::read_npy(path); })) return;
  need(tensor.bytes() <= input.size(), "a tensor is not larger than its file");
  need(tensor.numel() == 0 ||
           tensor.bytes() / static_cast<std::size_t>(tensor.numel()) == size_of(tensor.dtype()),
       "a tensor has all its elements");
}

Seeds safetensors_seeds() {
  const std::string eight(8, '\1');
  const std::string state =
      R"({"steps":{"dtype":"I64","shape":[],"data_offsets":[0,8]},"conv.bias":{"dtype":"F32","shape":[2],)"
      R"("data_offsets":[8,16]},"conv.weight":{"dtype":"F32","shape":[2,3,1,1],"data_offsets":[16,40]}})";
  Seeds seeds = {
      with_length(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}  )", eight),
      with_length(
          R"({"__metadata__":{"format":"pt","k":"v"},"e":{"dtype":"BF16","shape":[0,3],"data_offsets":[0,0]}})",
          ""),
      with_length(state, std::string(40, '\2')),
      with_length(R"({"a":{"dtype":"F4","shape":[16],"data_offsets":[0,8]}})", eight),
      with_length(R"({"a":{"dtype":"U8","shape":[9223372036854775807,2],"data_offsets":[0,8]}})", eight),
      with_length(R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"a":{"dtype":"U8","shape":[8],)"
                  R"("data_offsets":[0,8]}})",
                  eight),
      with_length(R"({"a":{"dtype":"U8","shape":[6],"data_offsets":[0,6]},"b":{"dtype":"U8","shape":[6],)"
                  R"("data_offsets":[2,8]}})",
                  eight),
      with_length("{" + std::string(64, '['), ""),
      std::string(7, '\0'),
      std::string("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10)};
  const io::Path path = scratch() / "seed.safetensors";
  ssl::write_gallery(path, small_gallery());
  seeds.push_back(io::read_text(path));
  return seeds;
}

Seeds npy_seeds() {
  const io::Path path = scratch() / "seed.npy";
  Seeds seeds;
  for (const Tensor& tensor :
       {Tensor::zeros({2, 3}), Tensor::zeros({4}, {.dtype = DType::u8}),
        Tensor::zeros({}, {.dtype = DType::f64}), Tensor::zeros({3, 0, 2}, {.dtype = DType::i64})}) {
    io::write_npy(path, tensor);
    seeds.push_back(io::read_text(path));
  }
  std::string huge = seeds[2];  // a shape whose bytes wrap around to none
  huge.replace(huge.find("'shape': (), "), 13, "'shape': (2305843009213693952, ), ");
  seeds.push_back(huge.substr(0, huge.size() - 8));
  return seeds;
}

}  // namespace nagare::fuzz
