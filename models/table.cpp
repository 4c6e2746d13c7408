#include "models/table.h"

#include <charconv>
#include <map>
#include <string_view>
#include <vector>

#include "engine/device/errors.h"
#include "engine/text/nearest.h"
#include "models/progressive.h"
#include "models/resnet.h"

namespace nagare::models {
namespace {

using Values = std::map<std::string, std::string>;
using Factory = std::unique_ptr<Backbone> (*)(const std::string& spec, const Values&, const BackboneOptions&);

constexpr std::int64_t kMaxWidth = 1024;
constexpr std::int64_t kMaxColumns = 1000;

std::int64_t parse_count(const std::string& spec, const std::string& name, const std::string& text,
                         std::int64_t most) {
  std::int64_t count = 0;
  const auto [stopped, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc{} || stopped != text.data() + text.size() || count < 1 || count > most) {
    throw BadConfig("model '" + spec + "': " + name + " '" + text + "', need an integer from 1 to " +
                    std::to_string(most));
  }
  return count;
}

// Whether it is the second of the two.
bool one_of(const std::string& spec, const std::string& name, const std::string& text, const char* first,
            const char* second) {
  if (text != first && text != second) {
    throw BadConfig("model '" + spec + "': " + name + " '" + text + "', need " + first + " or " + second);
  }
  return text == second;
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
  std::int64_t columns = 0;
  std::int64_t groups = 32;
  bool group_norm = false;
  for (const auto& [name, text] : values) {
    if (name == "width") {
      resnet.width = parse_count(spec, name, text, kMaxWidth);
    } else if (name == "activation") {
      resnet.activation = one_of(spec, name, text, "relu", "mish") ? Activation::mish : Activation::relu;
    } else if (name == "columns") {
      columns = parse_count(spec, name, text, kMaxColumns);
    } else if (name == "groups") {
      groups = parse_count(spec, name, text, kMaxWidth);
    } else if (name == "norm") {
      group_norm = one_of(spec, name, text, "batch", "group");
    } else if (name == "stem") {
      resnet.stem = parse_stem(spec, text);
    } else if (name == "stem-padding") {
      resnet.stem_padding = parse_count(spec, name, text, 2);
    } else if (name == "zero-init") {
      resnet.zero_init = one_of(spec, name, text, "off", "on");
    } else {
      throw BadConfig("model '" + spec + "': " +
                      unknown_name("option", name,
                                   std::vector<std::string>{"activation", "columns", "groups", "norm", "stem",
                                                            "stem-padding", "width", "zero-init"}));
    }
  }
  if (!group_norm && values.contains("groups"))
    throw BadConfig("model '" + spec + "': groups without norm=group");
  if (resnet.stem == Stem::imagenet && values.contains("stem-padding"))
    throw BadConfig("model '" + spec + "': stem-padding is of stem=cifar");
  if (group_norm && resnet.width % groups != 0) {
    throw BadConfig("model '" + spec + "': " + std::to_string(groups) + " groups of " +
                    std::to_string(resnet.width) + " channels, need groups= that divides the width");
  }
  resnet.groups = group_norm ? groups : 0;
  if (columns > 0) return std::make_unique<Progressive>(resnet, columns);
  return std::make_unique<ResNet>(resnet);
}

constexpr BackboneRow kRows[] = {
    {"resnet18", "four stages of two basic blocks, 11.2 M weights at width 64",
     "width=64, stem=cifar|imagenet, stem-padding=1|2, norm=batch|group, groups=32, activation=relu|mish, "
     "zero-init=off|on, "
     "columns=T (progressive: strategy pnn gives it)",
     "He et al., CVPR 2016"},
};
constexpr Factory kFactories[] = {&make_resnet18};
static_assert(std::size(kRows) == std::size(kFactories));

// "width=16,stem=cifar"
Values parse_options(const std::string& spec, std::string_view text) {
  Values values;
  for (std::size_t comma = 0; comma != std::string_view::npos;) {
    comma = text.find(',');
    const std::string_view item = text.substr(0, comma);
    if (comma != std::string_view::npos) text.remove_prefix(comma + 1);
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
  const std::size_t colon = spec.find(':');
  const std::string name = spec.substr(0, colon);
  std::vector<std::string> known;
  for (std::size_t i = 0; i < std::size(kRows); ++i) {
    if (name == kRows[i].name) {
      const Values values = colon == std::string::npos
                                ? Values()
                                : parse_options(spec, std::string_view(spec).substr(colon + 1));
      return kFactories[i](spec, values, options);
    }
    known.emplace_back(kRows[i].name);
  }
  throw BadConfig(unknown_name("model", name, known));
}

}  // namespace nagare::models
