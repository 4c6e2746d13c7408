#include "models/table.h"

#include <charconv>
#include <map>
#include <string_view>
#include <vector>

#include "engine/device/errors.h"
#include "engine/text/nearest.h"
#include "models/resnet.h"

namespace nagare::models {
namespace {

using Values = std::map<std::string, std::string>;
using Factory = std::unique_ptr<Backbone> (*)(const std::string& spec, const Values&, const BackboneOptions&);

constexpr std::int64_t kMaxWidth = 1024;

std::int64_t parse_width(const std::string& spec, const std::string& text) {
  std::int64_t width = 0;
  const auto [stopped, error] = std::from_chars(text.data(), text.data() + text.size(), width);
  if (error != std::errc{} || stopped != text.data() + text.size() || width < 1 || width > kMaxWidth) {
    throw BadConfig("model '" + spec + "': width '" + text + "', need an integer from 1 to " +
                    std::to_string(kMaxWidth));
  }
  return width;
}

Stem parse_stem(const std::string& spec, const std::string& text) {
  if (text == "cifar") return Stem::cifar;
  if (text == "imagenet") return Stem::imagenet;
  throw BadConfig("model '" + spec +
                  "': " + unknown_name("stem", text, std::vector<std::string>{"cifar", "imagenet"}));
}

std::unique_ptr<Backbone> make_resnet18(const std::string& spec, const Values& values,
                                        const BackboneOptions& options) {
  ResNetOptions resnet{.stem = options.image_size <= 64 ? Stem::cifar : Stem::imagenet,
                       .seed = options.seed,
                       .device = options.device};
  for (const auto& [name, text] : values) {
    if (name == "width") {
      resnet.width = parse_width(spec, text);
    } else if (name == "stem") {
      resnet.stem = parse_stem(spec, text);
    } else {
      throw BadConfig("model '" + spec +
                      "': " + unknown_name("option", name, std::vector<std::string>{"stem", "width"}));
    }
  }
  return std::make_unique<ResNet>(resnet);
}

constexpr BackboneRow kRows[] = {
    {"resnet18", "four stages of two basic blocks, 11.2 M weights at width 64",
     "width=64, stem=cifar|imagenet", "He et al., CVPR 2016"},
};
constexpr Factory kFactories[] = {&make_resnet18};
static_assert(std::size(kRows) == std::size(kFactories));

// "width=16,stem=cifar"
Values parse_options(const std::string& spec, std::string_view text) {
  Values values;
  while (!text.empty()) {
    const std::string_view item = text.substr(0, text.find(','));
    text.remove_prefix(std::min(item.size() + 1, text.size()));
    const std::size_t equals = item.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      throw BadConfig("model '" + spec + "': option '" + std::string(item) + "', need name=value");
    }
    const std::string name(item.substr(0, equals));
    if (!values.emplace(name, std::string(item.substr(equals + 1))).second) {
      throw BadConfig("model '" + spec + "': option '" + name + "' is given twice");
    }
  }
  return values;
}

}  // namespace

std::span<const BackboneRow> backbone_rows() { return kRows; }

std::unique_ptr<Backbone> make_backbone(const std::string& spec, const BackboneOptions& options) {
  const std::string name = spec.substr(0, spec.find(':'));
  const std::string_view rest = std::string_view(spec).substr(std::min(name.size() + 1, spec.size()));
  std::vector<std::string> known;
  for (std::size_t i = 0; i < std::size(kRows); ++i) {
    if (name == kRows[i].name) return kFactories[i](spec, parse_options(spec, rest), options);
    known.emplace_back(kRows[i].name);
  }
  throw BadConfig(unknown_name("model", name, known));
}

}  // namespace nagare::models
