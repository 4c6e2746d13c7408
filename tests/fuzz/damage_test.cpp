// Every byte of a small file of each format changed, and the file cut at every length: what is noticed, what makes no
// difference, and what passes as other content because the format has nothing to notice it by.
#include <gtest/gtest.h>

#include <cstdio>
#include <functional>

#include "apps/report/run_record.h"
#include "apps/toml_file.h"
#include "engine/device/errors.h"
#include "engine/io/npy.h"
#include "engine/io/safetensors.h"
#include "ssl/data/dataset.h"
#include "ssl/data/image.h"
#include "ssl/data/image_cache.h"
#include "tests/fuzz/targets.h"
#include "tests/support/image_writer.h"
#include "tests/support/tar_writer.h"

namespace nagare::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kFingerprint = 7;

// Content as text, or a refusal.
using Reader = std::function<std::string(const std::string& file)>;

struct Format {
  const char* name;
  std::string file;
  Reader read;
  bool cuts_noticed = true;   // every cut is
  bool flips_noticed = true;  // every changed byte is, or makes no difference
};

struct Counts {
  std::size_t noticed = 0;
  std::size_t harmless = 0;
  std::size_t other = 0;
};

void count(const Format& format, const std::string& damaged, const std::string& whole, Counts& counts) {
  std::string content;
  const bool noticed = refused<BadData, BadConfig>([&] { content = format.read(damaged); });
  ++(noticed ? counts.noticed : content == whole ? counts.harmless : counts.other);
}

std::string content_of(const Tensor& tensor) {
  return to_string(tensor.shape()) + to_string(tensor.dtype()) +
         std::string(static_cast<const char*>(tensor.raw()), tensor.bytes());
}

std::string content_of(const ssl::Dataset& data) {
  std::string content = content_of(data.train.images) + content_of(data.test.images);
  for (const ssl::Split* split : {&data.train, &data.test}) {
    for (const std::int64_t c : split->labels.classes) content += std::to_string(c) + " ";
  }
  for (const std::string& name : data.class_names) content += name + "\n";
  return content;
}

std::string read_image(const std::string& file) {
  const ssl::Image image = ssl::decode_image(
      {reinterpret_cast<const std::uint8_t*>(file.data()), file.size()}, 0, {.max_pixels = 1 << 16});
  return std::to_string(image.width) + " " + std::string(image.pixels.begin(), image.pixels.end());
}

std::string read_tensors(const std::string& file) {
  std::vector<std::byte> bytes(file.size());
  std::copy(file.begin(), file.end(), reinterpret_cast<char*>(bytes.data()));
  const io::SafetensorsFile tensors(std::move(bytes), "x");
  std::string content;
  for (const auto& [key, text] : tensors.metadata()) content += key + "=" + text + "\n";
  for (const io::TensorInfo& info : tensors.tensors())
    content += info.name + content_of(tensors.load(info.name));
  return content;
}

std::string read_array(const std::string& file) {
  write(scratch() / "d.npy", file);
  return content_of(io::read_npy(scratch() / "d.npy"));
}

std::string read_cache(const std::string& file) {
  write(scratch() / "d.cache", file);
  ssl::Dataset data;
  if (!ssl::load_cache((scratch() / "d.cache").string(), kFingerprint, data)) throw BadData("made anew");
  return content_of(data);
}

std::string read_cifar(const std::string& file) {
  const fs::path directory = scratch() / "d.cifar";
  fs::create_directories(directory);
  write(directory / "train.bin", file);
  write(directory / "test.bin", std::string(3074, '\1'));
  return content_of(ssl::load_dataset("cifar100:" + directory.string(), {}));
}

// Labels that are there for any number of images: a damaged count is seen against them.
std::string read_idx(const std::string& file) {
  const fs::path directory = scratch() / "d.idx";
  fs::create_directories(directory);
  for (const char* stem : {"train", "t10k"}) {
    write(directory / (std::string(stem) + "-images-idx3-ubyte"), file);
    write(directory / (std::string(stem) + "-labels-idx1-ubyte"), std::string("\0\0\10\1\0\0\0\2\1\0", 10));
  }
  return content_of(ssl::load_dataset("mnist:" + directory.string(), {}));
}

// A picture that cannot be read is a refusal here: it is the only one of its split.
std::string read_tar(const std::string& file) {
  write(scratch() / "d.tar", file);
  return content_of(ssl::load_dataset("tar:" + (scratch() / "d.tar").string() + ",size=8", {}));
}

std::string read_toml(const std::string& file) {
  std::string content;
  for (const apps::TomlEntry& entry : apps::parse_toml(file, "x"))
    content += entry.key + "=" + entry.value + "\n";
  return content;
}

std::string read_metrics(const std::string& file) {
  const fs::path run = scratch() / "d.run";
  fs::create_directories(run);
  write(run / "config.resolved.toml", "seed = 1\n");
  write(run / "metrics.jsonl", file);
  const apps::RunRecord record = apps::read_run(run);
  std::string content;
  for (const double step : record.steps.step) content += std::to_string(step) + " ";
  for (const auto& [name, values] : record.steps.values) {
    content += name;
    for (const double value : values) content += " " + std::to_string(value);
  }
  return content;
}

test::Picture picture() {
  return test::make_picture(9, 7, 3,
                            [](int x, int y, int c) { return (20 + 16 * x + 9 * y + 30 * c) % 256; });
}

std::vector<Format> formats() {
  std::vector<Format> all = {
      {"jpeg", test::jpeg_file(picture(), {.orientation = 6}), read_image, true, false},
      {"jpeg, progressive", test::jpeg_file(picture(), {.progressive = true}), read_image, true, false},
      {"png", test::png_file(picture(), {.orientation = 6}), read_image},
      {"png, interlaced", test::png_file(picture(), {.interlaced = true}), read_image},
      {"bmp", test::bmp_file(picture()), read_image, true, false},
      {"pnm", test::pnm_file(picture()), read_image, true, false},
      {"tga", test::tga_file(picture()), read_image, true, false},
      {"tga, run-length", test::tga_file(picture(), true), read_image, true, false},
      {"cifar", std::string(3074, '\2'), read_cifar, true, false},
      {"idx", std::string("\0\0\10\3\0\0\0\2\0\0\0\3\0\0\0\3", 16) + "abcdefghiABCDEFGHI", read_idx, true,
       false},
      {"image cache", image_cache_seeds().front(), read_cache},
      {"npy", npy_seeds().front(), read_array, true, false},
      {"safetensors", safetensors_seeds()[2], read_tensors, true, false},
      {"tar",
       test::tar_archive(
           {{"train/a/1.png", test::png_file(picture())}, {"val/a/1.png", test::png_file(picture())}}),
       read_tar},
      // Text ends where it ends: a file of ours is written whole or not at all.
      {"toml", "seed = 1\n[optim]\nlr = 0.5\nname = \"lars\"\n", read_toml, false, false},
      {"metrics.jsonl",
       "{\"schema\":2}\n{\"kind\":\"step\",\"step\":1,\"loss\":0.5}\n{\"kind\":\"step\",\"step\":2,\"loss\":"
       "0.25}\n",
       read_metrics, false, false},
  };
  return all;
}

TEST(Damage, IsNoticedOrHarmlessWhereTheFormatCanTell) {
  std::printf("%-18s %6s | %24s | %24s\n", "", "bytes", "changed bytes", "cuts");
  std::printf("%-18s %6s | %7s %8s %7s | %7s %8s %7s\n", "format", "", "noticed", "harmless", "other",
              "noticed", "harmless", "other");
  for (const Format& format : formats()) {
    const std::string whole = format.read(format.file);
    Counts flips;
    Counts cuts;
    for (std::size_t at = 0; at < format.file.size(); ++at) {
      std::string damaged = format.file;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << at % 8));
      count(format, damaged, whole, flips);
      count(format, format.file.substr(0, at), whole, cuts);
    }
    std::printf("%-18s %6zu | %7zu %8zu %7zu | %7zu %8zu %7zu\n", format.name, format.file.size(),
                flips.noticed, flips.harmless, flips.other, cuts.noticed, cuts.harmless, cuts.other);
    if (format.flips_noticed) {
      EXPECT_EQ(flips.other, 0U) << format.name;
    }
    if (format.cuts_noticed) {
      EXPECT_EQ(cuts.noticed, format.file.size()) << format.name;
    }
  }
}

}  // namespace
}  // namespace nagare::fuzz
