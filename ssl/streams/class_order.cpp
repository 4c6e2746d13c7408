#include "ssl/streams/class_order.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <string_view>

#include "engine/device/errors.h"
#include "engine/text/nearest.h"
#include "engine/text/printable.h"
#include "kernels/philox.h"
#include "ssl/data/name_list.h"
#include "ssl/streams/published_random.h"
#include "ssl/streams/shuffle.h"

namespace nagare::ssl {
namespace {

// SkrighYZ/Osiris: data_order/c100_random_order.pkl
constexpr std::int64_t kOsiris[] = {
    4,  15, 66, 50, 92, 54, 37, 86, 23, 80, 89, 14, 13, 6,  87, 36, 17, 46, 19, 97, 78, 59, 81, 49, 83,
    21, 33, 31, 57, 63, 53, 22, 16, 12, 45, 91, 55, 24, 41, 40, 30, 69, 75, 38, 72, 5,  32, 68, 52, 3,
    94, 10, 88, 39, 77, 98, 8,  62, 42, 70, 64, 99, 27, 96, 28, 74, 2,  11, 51, 95, 65, 9,  25, 73, 7,
    26, 43, 20, 90, 56, 93, 79, 0,  71, 29, 76, 58, 82, 35, 61, 47, 1,  48, 18, 44, 85, 67, 84, 34, 60};

// CIFAR-100's superclasses, five fine classes each.
constexpr std::int64_t kSuperclasses[] = {
    4,  30, 55, 72, 95, 1,  32, 67, 73, 91, 54, 62, 70, 82, 92, 9,  10, 16, 28, 61, 0,  51, 53, 57, 83,
    22, 39, 40, 86, 87, 5,  20, 25, 84, 94, 6,  7,  14, 18, 24, 3,  42, 43, 88, 97, 12, 17, 37, 68, 76,
    23, 33, 49, 60, 71, 15, 19, 21, 31, 38, 34, 63, 64, 66, 75, 26, 45, 77, 79, 99, 2,  11, 35, 46, 98,
    27, 29, 44, 78, 93, 36, 50, 65, 74, 80, 47, 52, 56, 59, 96, 8,  13, 48, 58, 90, 41, 69, 81, 85, 89};

[[noreturn]] void refuse(const std::string& text, const std::string& reason) {
  throw BadConfig("class order \"" + printable(text) + "\": " + reason);
}

template <class Number>
bool read_number(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

// The text behind `prefix`; false when `text` does not begin with it.
bool after(std::string_view text, std::string_view prefix, std::string_view& rest) {
  if (!text.starts_with(prefix)) return false;
  rest = text.substr(prefix.size());
  return true;
}

std::uint32_t read_seed(const std::string& text, std::string_view number) {
  std::uint32_t seed = 0;
  if (!read_number(number, seed)) refuse(text, "needs a seed from 0 to 4294967295, as pytorch:42");
  return seed;
}

std::vector<std::int64_t> fixed(const std::string& text, std::span<const std::int64_t> list,
                                std::int64_t classes) {
  if (static_cast<std::int64_t>(list.size()) != classes) {
    refuse(text, "is a list of " + std::to_string(list.size()) + " classes, the data have " +
                     std::to_string(classes));
  }
  return {list.begin(), list.end()};
}

// Fills an order class by class and refuses what makes it no permutation.
class Permutation {
 public:
  Permutation(std::string text, std::int64_t classes)
      : text_(std::move(text)), seen_(static_cast<std::size_t>(classes)) {}

  void add(std::int64_t c) {
    if (c < 0 || c >= classes()) complain("there is no class " + std::to_string(c));
    if (seen_[static_cast<std::size_t>(c)]) complain("class " + std::to_string(c) + " comes twice");
    seen_[static_cast<std::size_t>(c)] = true;
    order_.push_back(c);
  }
  [[noreturn]] void complain(const std::string& reason) const {
    refuse(text_, reason + "; needs each of 0 to " + std::to_string(classes() - 1) + " once");
  }
  std::vector<std::int64_t> whole() const {
    if (static_cast<std::int64_t>(order_.size()) != classes())
      complain(std::to_string(order_.size()) + " classes are named");
    return order_;
  }

 private:
  std::int64_t classes() const { return static_cast<std::int64_t>(seen_.size()); }

  std::string text_;
  std::vector<bool> seen_;
  std::vector<std::int64_t> order_;
};

std::vector<std::int64_t> listed(const std::string& text, std::int64_t classes) {
  Permutation order(text, classes);
  std::string_view rest = text;
  for (std::size_t comma = 0; comma != std::string_view::npos;) {
    comma = rest.find(',');
    const std::string_view part = rest.substr(0, comma);
    std::int64_t c = -1;
    if (!read_number(part, c)) order.complain("\"" + printable(part) + "\" is not a class number");
    order.add(c);
    if (comma != std::string_view::npos) rest.remove_prefix(comma + 1);
  }
  return order.whole();
}

std::int64_t find_class(const Dataset& data, const std::string& word) {
  for (const std::vector<std::string>* names : {&data.class_keys, &data.class_names}) {
    const auto found = std::ranges::find(*names, word);
    if (found != names->end()) return found - names->begin();
  }
  std::int64_t number = -1;
  return read_number(word, number) ? number : -1;
}

std::vector<std::int64_t> from_file(const std::string& text, const std::string& path, const Dataset& data) {
  Permutation order(text, data.classes());
  for (const auto& [word, number] : read_name_list(path)) {
    const std::int64_t c = find_class(data, word);
    if (c < 0 || c >= data.classes()) {
      std::vector<std::string> known = data.class_keys;
      known.insert(known.end(), data.class_names.begin(), data.class_names.end());
      throw BadData(printable(path) + ", line " + std::to_string(number) + ": \"" + printable(word) +
                    "\" is no class of the data; nearest is \"" + printable(nearest(word, known)) + "\"");
    }
    order.add(c);
  }
  return order.whole();
}

}  // namespace

std::span<const NamedClassOrder> named_class_orders() {
  static const std::vector<NamedClassOrder> orders = {
      {"avalanche", "pytorch:42, as the Avalanche library's benchmarks and what was built on them"},
      {"cassle", "pytorch:5, as CaSSLe's program"},
      {"ccl", "numpy:1, as CCL's program"},
      {"cifar100-superclass", "CIFAR-100's superclasses in their order, five classes each"},
      {"file:PATH", "every class once, by number, name or folder, one a line"},
      {"natural", "0, 1, 2, ..., as UCL and Mammoth"},
      {"numpy:SEED", "numpy.random.shuffle after numpy.random.seed(SEED)"},
      {"osiris", "Osiris' random order of CIFAR-100"},
      {"osiris-structured", "Osiris' structured order: cifar100-superclass"},
      {"pytorch:SEED", "torch.randperm after torch.manual_seed(SEED)"},
      {"seeded", "a permutation drawn by the stream's seed"},
  };
  return orders;
}

std::vector<std::int64_t> class_order(const std::string& text, const Dataset& data, std::uint64_t seed) {
  const std::int64_t classes = data.classes();
  std::string_view rest;
  if (text == "natural" || text == "seeded") {
    std::vector<std::int64_t> order(static_cast<std::size_t>(classes));
    std::iota(order.begin(), order.end(), 0);
    if (text == "seeded") shuffle(order, {.seed = seed, .view = kClassOrderView});
    return order;
  }
  if (text == "avalanche") return pytorch_permutation(classes, 42);
  if (text == "cassle") return pytorch_permutation(classes, 5);
  if (text == "ccl") return numpy_permutation(classes, 1);
  if (text == "osiris") return fixed(text, kOsiris, classes);
  if (text == "osiris-structured" || text == "cifar100-superclass")
    return fixed(text, kSuperclasses, classes);
  if (after(text, "pytorch:", rest)) return pytorch_permutation(classes, read_seed(text, rest));
  if (after(text, "numpy:", rest)) return numpy_permutation(classes, read_seed(text, rest));
  if (after(text, "file:", rest)) return from_file(text, std::string(rest), data);
  if (text.find_first_of("0123456789") == 0 || text.find(',') != std::string::npos)
    return listed(text, classes);
  std::vector<std::string> known;
  for (const NamedClassOrder& order : named_class_orders()) known.push_back(order.name);
  throw BadConfig(unknown_name("class order", text, known) + ", or a list of every class: 3,1,0,2");
}

}  // namespace nagare::ssl
