// Data sets on disk: CIFAR's records and names, the lists beside image folders, the cache of decoded pictures.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstring>

#include "engine/device/errors.h"
#include "engine/io/file.h"
#include "ssl/data/dataset.h"
#include "ssl/data/image_cache.h"
#include "ssl/data/name_list.h"
#include "ssl/streams/class_order.h"
#include "tests/fuzz/dataset_check.h"
#include "tests/fuzz/targets.h"
#include "tests/support/image_writer.h"

namespace nagare::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kFingerprint = 7;
constexpr std::size_t kFingerprintAt = 8;
constexpr std::size_t kChecksumAt = 16;
constexpr std::size_t kCheckedFrom = 24;

std::string record(int label_bytes) {
  std::string bytes(static_cast<std::size_t>(label_bytes), '\3');
  for (int i = 0; i < 3072; ++i) bytes += static_cast<char>(i * 7);
  return bytes;
}

// Two classes of one picture each, made once.
const fs::path& picture_tree() {
  static const fs::path root = [] {
    const fs::path made = scratch() / "tiny";
    const std::string png = test::png_file(test::make_picture(1, 1, 3, [](int, int, int) { return 9; }));
    for (const char* place : {"train/n01/images", "train/n02/images", "val/images"}) {
      fs::create_directories(made / place);
      write(made / place / "a.png", png);
    }
    return made;
  }();
  return root;
}

}  // namespace

// An even length is CIFAR-10: every batch is the input; an odd one CIFAR-100. The names are what follows the records.
void run_cifar(Bytes input) {
  const bool ten = input.size() % 2 == 0;
  const std::size_t size = ten ? 3073 : 3074;
  const std::size_t records = std::min(input.size(), std::size_t{4} * size);
  const std::string_view text = text_of(input);
  const fs::path directory = scratch() / (ten ? "cifar10" : "cifar100");
  fs::create_directories(directory);
  if (ten) {
    for (const char* name : {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
                             "data_batch_5.bin", "test_batch.bin"}) {
      write(directory / name, text.substr(0, records));
    }
  } else {
    write(directory / "train.bin", text.substr(0, records));
    write(directory / "test.bin", text.substr(0, records));
  }
  write(directory / (ten ? "batches.meta.txt" : "fine_label_names.txt"), text.substr(records));
  const std::string spec = (ten ? "cifar10:" : "cifar100:") + directory.string();
  refused<BadData>([&] {
    const ssl::Dataset data = ssl::load_dataset(spec, {});
    check(data);
    need(data.classes() == (ten ? 10 : 100), "the classes of the format");
  });
}

void run_lists(Bytes input) {
  const auto files = split_files(input);
  const auto content = [&](const char* name) {
    const auto found = files.find(name);
    return found == files.end() ? std::string() : found->second;
  };
  const fs::path& root = picture_tree();
  write(root / "val/val_annotations.txt", content("val_annotations.txt"));
  write(root / "words.txt", content("words.txt"));
  const fs::path list = scratch() / "list.txt";
  write(list, content("list.txt"));
  const std::string spec = "tinyimagenet:" + root.string() + ",size=1";
  refused<BadData>([&] { check(ssl::load_dataset(spec, {})); });
  refused<BadData>([&] { check(ssl::load_dataset(spec + ",classes=" + list.string(), {})); });
  ssl::Dataset four;
  four.class_names = {"a", "b", "c", "d"};
  refused<BadData, BadConfig>([&] {
    need(ssl::class_order("file:" + list.string(), four, 1).size() == 4, "an order has every class");
  });
}

// One file for images and one for labels; both splits have them.
void run_idx(Bytes input) {
  const auto files = split_files(input);
  const fs::path directory = scratch() / "idx";
  fs::create_directories(directory);
  for (const char* stem : {"train", "t10k"}) {
    for (const char* kind : {"images-idx3-ubyte", "labels-idx1-ubyte"}) {
      const auto found = files.find(kind);
      write(directory / (std::string(stem) + "-" + kind), found == files.end() ? "" : found->second);
    }
  }
  refused<BadData>([&] { check(ssl::load_dataset("mnist:" + directory.string(), {})); });
}

// The checksum and the fingerprint are put right: a damaged file would end there, a hostile one does not.
void run_image_cache(Bytes input) {
  std::string file(text_of(input));
  if (file.size() >= kCheckedFrom) {
    std::memcpy(file.data() + kFingerprintAt, &kFingerprint, sizeof kFingerprint);
    const std::uint64_t checksum = XXH3_64bits(file.data() + kCheckedFrom, file.size() - kCheckedFrom);
    std::memcpy(file.data() + kChecksumAt, &checksum, sizeof checksum);
  }
  const fs::path path = scratch() / "x.cache";
  write(path, file);
  ssl::Dataset data;
  if (!ssl::load_cache(path.string(), kFingerprint, data)) return;
  check(data);
  need(data.train.images.bytes() + data.test.images.bytes() < file.size(), "the pictures lie in the file");
}

Seeds cifar_seeds() {
  std::string names = "airplane\nautomobile\r\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n";
  const std::string ten = record(1) + record(1) + record(1) + record(1);
  if ((ten.size() + names.size()) % 2 != 0) names += '\n';
  return {record(1) + record(1), ten + names, record(2) + record(2) + record(2).substr(1),
          record(1).substr(1), ""};
}

Seeds idx_seeds() {
  const std::string images = std::string("\0\0\10\3\0\0\0\2\0\0\0\3\0\0\0\3", 16) + "abcdefghiABCDEFGHI";
  const std::string labels = std::string("\0\0\10\1\0\0\0\2\1\0", 10);
  return {join_files({{"images-idx3-ubyte", images}, {"labels-idx1-ubyte", labels}}),
          join_files({{"images-idx3-ubyte", images.substr(0, 20)}, {"labels-idx1-ubyte", labels}}),
          join_files({{"images-idx3-ubyte", images}, {"labels-idx1-ubyte", labels.substr(0, 7)}}),
          join_files({{"images-idx3-ubyte", std::string("\0\0\10\3\377\377\377\377\0\0\4\0\0\0\4\0", 16)}})};
}

Seeds lists_seeds() {
  return {join_files({{"val_annotations.txt", "a.png\tn02\t0\t0\t1\t1\na.png\tn01\t0\n"},
                      {"words.txt", "n02\tcat, feline\nn00\tentity\n"},
                      {"list.txt", "# mine\nn02\r\n\n0  # the first\n"}}),
          join_files({{"val_annotations.txt", "../../secret.png\tn01\n"}}),
          join_files({{"val_annotations.txt", "/etc/hostname\tn01\n"}, {"list.txt", "3\n1\n0\n2\n"}}),
          join_files({{"words.txt", "n01\t\nn01\t,\n\t\t\n"}, {"list.txt", "d\nc\nb\na\n"}})};
}

Seeds image_cache_seeds() {
  ssl::Dataset data;
  data.train = {.images = Tensor::zeros({3, 2, 2, 3}, {.dtype = DType::u8}),
                .labels = {.classes = {0, 1, 0}}};
  data.test = {.images = Tensor::zeros({1, 2, 2, 3}, {.dtype = DType::u8}), .labels = {.classes = {1}}};
  data.class_names = {"cat", "dog"};
  data.skipped = {{.path = "a/b.png", .reason = "empty file"}};
  const fs::path path = scratch() / "seed.cache";
  const std::string problem = ssl::save_cache(path.string(), kFingerprint, data);
  need(problem.empty(), "the seed can be written");
  return {io::read_text(path)};
}

}  // namespace nagare::fuzz
