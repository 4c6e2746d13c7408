// docs/models.md and docs/optimisers.md name all that there is to choose from, and their tables hold what the program computes.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>

#include "apps/options.h"
#include "apps/presets.h"
#include "apps/settings.h"
#include "engine/autograd/tape.h"
#include "engine/optim/optimizer.h"
#include "engine/optim/schedule.h"
#include "models/resnet.h"
#include "models/table.h"
#include "tests/apps/nagare_process.h"

namespace nagare::test {
namespace {

using testing::HasSubstr;
using Texts = std::vector<std::string>;

Texts split(const std::string& text, const std::string& between) {
  Texts parts;
  std::size_t begin = 0;
  for (std::size_t end = 0; (end = text.find(between, begin)) != std::string::npos;
       begin = end + between.size())
    parts.push_back(text.substr(begin, end - begin));
  parts.push_back(text.substr(begin));
  return parts;
}

// "11,168,832" and "2,221.7 M".
double number(std::string text) {
  std::erase(text, ',');
  double value = NAN;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

class Page {
 public:
  explicit Page(const std::string& name) : text_(read_all(std::filesystem::path(NAGARE_DOCS) / name)) {
    EXPECT_FALSE(text_.empty()) << name;
  }

  const std::string& text() const { return text_; }

  // The rows of the one table whose heading begins so, as cells without blanks and backticks around them.
  std::vector<Texts> table(const std::string& heading) const {
    std::vector<Texts> rows;
    bool inside = false;
    for (const std::string& line : split(text_, "\n")) {
      if (inside && !line.starts_with("|")) break;
      if (inside && !line.starts_with("|---")) {
        rows.emplace_back();
        for (std::string cell : split(line.substr(2, line.size() - 4), " | ")) {
          std::erase(cell, '`');
          rows.back().push_back(std::move(cell));
        }
      }
      inside = inside || line.starts_with(heading);
    }
    EXPECT_FALSE(rows.empty()) << heading;
    return rows;
  }

 private:
  std::string text_;
};

class PageTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(NAGARE_DOCS)) GTEST_SKIP() << NAGARE_DOCS << " is not on this machine";
  }
};
class OptimisersPageTest : public PageTest {};
class ModelsPageTest : public PageTest {};

TEST_F(OptimisersPageTest, NamesEveryOptionRuleVariantAndSchedule) {
  const Page page("optimisers.md");
  for (const apps::OptionRow& row : apps::option_table()) {
    if (!row.key.starts_with("optim.") && !row.key.starts_with("schedule.")) continue;
    EXPECT_THAT(page.text(), HasSubstr("--" + std::string(apps::short_form(row.key)))) << row.key;
  }
  const auto named = [&](const auto& rows) {
    for (const auto& row : rows) EXPECT_THAT(page.text(), HasSubstr("`" + std::string(row.name) + "`"));
  };
  named(optim::optimizers());
  named(optim::lars_variants());
  named(optim::schedules());
}

TEST_F(OptimisersPageTest, DefaultsInItsTablesAreTheProgramsOwn) {
  std::size_t compared = 0;
  for (const char* heading : {"| option | default | of | meaning |", "| option of a schedule | default |"}) {
    for (const Texts& row : Page("optimisers.md").table(heading)) {
      const Texts options = split(row[0], ", ");
      const Texts defaults = split(row[1], ", ");
      ASSERT_EQ(options.size(), defaults.size()) << row[0];
      for (std::size_t i = 0; i < options.size(); ++i) {
        const apps::OptionRow* option = apps::find_option(options[i].substr(2));
        ASSERT_NE(option, nullptr) << options[i];
        std::string value = apps::default_text(*option);
        if (value == "true") value = "on";
        if (value == "false") value = "off";
        if (value.empty()) value = "none";
        const double said = number(defaults[i]);
        if (std::isnan(said)) {
          EXPECT_EQ(defaults[i], value) << options[i];
        } else {
          EXPECT_EQ(said, number(value)) << options[i];
        }
        ++compared;
      }
    }
  }
  EXPECT_GT(compared, 18U);
}

TEST_F(OptimisersPageTest, SchedulesHaveTheValuesOfItsExample) {
  const std::vector<Texts> rows = Page("optimisers.md").table("| k | 0 | 1 |");
  ASSERT_EQ(rows.size(), optim::schedules().size());
  for (const Texts& row : rows) {
    const optim::ScheduleOptions options{.name = row[0],
                                         .base = 0.4,
                                         .start = 0.1,
                                         .end = 0.04,
                                         .steps = 8,
                                         .warmup_steps = 4,
                                         .milestones = {3, 6},
                                         .gamma = 0.5};
    ASSERT_EQ(row.size(), 10U);
    for (std::int64_t k = 0; k <= 8; ++k) {
      EXPECT_EQ(row[static_cast<std::size_t>(k) + 1], fmt::format("{:.4f}", optim::learning_rate(options, k)))
          << row[0] << ", k = " << k;
    }
  }
}

void give_gradient(const Tensor& leaf, const Tensor& gradient) {
  leaf.clear_grad();
  const Tensor y =
      tape::record(leaf.detach(), {leaf}, [](const Tensor& dy) -> std::vector<Tensor> { return {dy}; });
  tape::backward(y, gradient.clone());
}

TEST_F(OptimisersPageTest, RulesMoveTheWeightOfItsExample) {
  const std::vector<Texts> rows = Page("optimisers.md").table("| rule | after the first update |");
  ASSERT_EQ(rows.size() + 1, optim::optimizers().size() + optim::lars_variants().size())
      << "all but lars itself";
  for (const Texts& row : rows) {
    const bool is_variant =
        std::ranges::any_of(optim::lars_variants(), [&](const auto& v) { return row[0] == v.name; });
    optim::OptimizerOptions options{.name = is_variant ? "lars" : row[0], .weight_decay = 0.1};
    if (is_variant) options.lars.variant = row[0];
    options.lars.eta = 0.02;
    nn::StateList list;
    const Tensor p = Tensor::from(std::vector<float>{3, 4}, {2}).set_requires_grad(true);
    list.add("weight", p, nn::Role::weight);
    const auto optimizer = optim::make_optimizer(options, list.parameters());
    std::size_t column = 1;
    for (const double rate : {0.5, 0.25}) {
      give_gradient(p, Tensor::from(std::vector<float>{0.8F, -0.6F}, {2}));
      optimizer->step(rate);
      const Texts said = split(row.at(column++), ", ");
      const std::vector<float> found = p.to_vector<float>();
      for (std::size_t i = 0; i < 2; ++i) EXPECT_NEAR(found[i], number(said.at(i)), 6e-5) << row[0] << rate;
    }
  }
}

TEST_F(PageTest, EveryOptionOfTheProgramIsOnSomePage) {
  const std::filesystem::path docs = NAGARE_DOCS;
  std::string all = read_all(docs.parent_path() / "README.md");
  for (const auto& entry : std::filesystem::recursive_directory_iterator(docs))
    if (entry.path().extension() == ".md") all += read_all(entry.path());
  for (const apps::OptionRow& row : apps::option_table()) {
    const std::string flag = "--" + std::string(apps::short_form(row.key));
    if (row.positional) continue;
    bool found = false;
    for (std::size_t at = 0; !found && (at = all.find(flag, at)) != std::string::npos; at += flag.size()) {
      const char next = at + flag.size() < all.size() ? all[at + flag.size()] : ' ';
      found = std::isalnum(static_cast<unsigned char>(next)) == 0 && next != '-';  // not a longer flag
    }
    EXPECT_TRUE(found) << flag;
  }
}

TEST_F(ModelsPageTest, NamesEveryModelOptionAndValue) {
  const Page page("models.md");
  for (const models::BackboneRow& row : models::backbone_rows()) {
    EXPECT_THAT(page.text(), HasSubstr("## `" + std::string(row.name) + "`"));
    const std::string options = std::string(row.options).substr(0, std::string(row.options).find(" ("));
    for (const std::string& option : split(options, ", ")) {  // "stem=cifar|imagenet", "groups=32"
      const Texts key_and_values = split(option, "=");
      const std::string key = "| `" + key_and_values[0] + "` | ";
      ASSERT_THAT(page.text(), HasSubstr(key));
      const std::size_t at = page.text().find(key);
      const std::string line = page.text().substr(at, page.text().find('\n', at) - at);
      for (const std::string& value : split(key_and_values.at(1), "|")) {
        EXPECT_THAT(line, HasSubstr(value == "T" ? "1 to 1000" : value)) << option;
      }
    }
  }
}

TEST_F(ModelsPageTest, NamesTheModelOfEveryPreset) {
  const Page page("models.md");
  for (const apps::Preset& preset : apps::presets()) {
    apps::Settings settings;
    settings.assign_toml(std::string(preset.toml), std::string(preset.name));
    EXPECT_THAT(page.text(), HasSubstr("| `" + settings.options().model + "`")) << preset.name;
  }
}

// Sides of the maps of a square image: after the first convolution, then of layer1 .. layer4.
std::vector<std::int64_t> sides_of(const std::string& spec, std::int64_t size) {
  const bool imagenet = spec.find("stem=imagenet") != std::string::npos || size > 64;
  models::ResNet net({.width = 1,
                      .stem = imagenet ? models::Stem::imagenet : models::Stem::cifar,
                      .stem_padding = spec.find("stem-padding=2") == std::string::npos ? 1 : 2});
  const models::ResNetStages stages = net.forward_stages(Tensor::zeros({1, size, size, 3}), false);
  std::vector<std::int64_t> sides = {stages.stem.shape()[1]};
  for (const Tensor& layer : stages.layers) sides.push_back(layer.shape()[1]);
  return sides;
}

TEST_F(ModelsPageTest, MapsHaveTheSidesOfItsTable) {
  for (const Texts& row : Page("models.md").table("| stem | image |")) {
    const std::vector<std::int64_t> sides = sides_of(row[0], static_cast<std::int64_t>(number(row[1])));
    for (std::size_t i = 0; i < sides.size(); ++i)
      EXPECT_EQ(row.at(i + 2), std::to_string(sides[i])) << row[0] << ", image " << row[1];
  }
}

struct Size {
  std::string feature;
  std::map<std::string, Tensor> parameters;
};

Size size_of(const std::string& spec, std::int64_t image_size) {
  const auto net = models::make_backbone(spec, {.image_size = image_size});
  nn::StateList list;
  net->list_state(list);
  Size size{.feature = std::to_string(net->feature_dim()), .parameters = {}};
  for (const nn::StateEntry& entry : list.parameters()) size.parameters[entry.name] = entry.tensor;
  return size;
}

// Of the convolutions; of columns the first one's.
double multiply_adds(const Size& size, const std::vector<std::int64_t>& sides) {
  double sum = 0.0;
  for (const auto& [name, tensor] : size.parameters) {
    const bool counts =
        !name.starts_with("laterals.") && (!name.starts_with("columns.") || name.starts_with("columns.0."));
    if (tensor.shape().rank() != 4 || !counts) continue;
    const std::size_t layer = name.find("layer");  // conv1 has none
    const std::int64_t side =
        sides.at(layer == std::string::npos ? 0 : static_cast<std::size_t>(name.at(layer + 5) - '0'));
    sum += static_cast<double>(tensor.numel() * side * side);
  }
  return sum;
}

TEST_F(ModelsPageTest, ModelsHaveTheSizesOfItsTable) {
  std::map<std::string, Size> sizes;  // by spec: initial values take a second
  for (const Texts& row : Page("models.md").table("| model | image | parameters |")) {
    const auto image = static_cast<std::int64_t>(number(row[1]));
    if (!sizes.contains(row[0])) sizes[row[0]] = size_of(row[0], image);
    const Size& size = sizes[row[0]];
    std::int64_t parameters = 0;
    for (const auto& [name, tensor] : size.parameters) parameters += tensor.numel();
    EXPECT_EQ(number(row[2]), static_cast<double>(parameters)) << row[0];
    EXPECT_EQ(row[3], size.feature) << row[0];
    EXPECT_NEAR(number(row[4]), multiply_adds(size, sides_of(row[0], image)) / 1e6, 0.051) << row[0];
  }
}

}  // namespace
}  // namespace nagare::test
