#include "models/table.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "engine/device/errors.h"

namespace nagare {
namespace {

using models::make_backbone;

TEST(BackboneTable, IsSortedAndEveryRowBuilds) {
  const auto rows = models::backbone_rows();
  EXPECT_TRUE(std::ranges::is_sorted(rows, {}, [](const auto& row) { return std::string(row.name); }));
  for (const auto& row : rows) EXPECT_GT(make_backbone(row.name, {})->feature_dim(), 0) << row.name;
}

TEST(BackboneTable, OptionsAndImageSizeShapeTheNetwork) {
  EXPECT_EQ(make_backbone("resnet18:width=16", {})->feature_dim(), 128);
  const auto stem_kernel = [](const std::string& spec, std::int64_t image_size) {
    nn::StateList list;
    make_backbone(spec, {.image_size = image_size})->list_state(list);
    return list.find("conv1.weight")->tensor.shape()[1];
  };
  EXPECT_EQ(stem_kernel("resnet18:width=4", 64), 3);
  EXPECT_EQ(stem_kernel("resnet18:width=4", 65), 7);
  EXPECT_EQ(stem_kernel("resnet18:stem=imagenet,width=4", 32), 7);
  EXPECT_EQ(stem_kernel("resnet18:stem=cifar,width=4", 224), 3);
}

// The models of the presets cassle-...-cifar100 and osiris-...: stems that pad by 2, group norms, mish, blocks that begin as
// their shortcuts.
TEST(BackboneTable, NormActivationAndStemAreChosenByName) {
  const auto state = [](const std::string& spec) {
    nn::StateList list;
    make_backbone(spec, {})->list_state(list);
    return list;
  };
  const nn::StateList plain = state("resnet18:width=32");
  const nn::StateList padded = state("resnet18:width=32,stem=cifar,stem-padding=2");
  EXPECT_EQ(padded.entries().size(), plain.entries().size());
  const nn::StateList group =
      state("resnet18:width=32,stem=cifar,norm=group,groups=32,activation=mish,zero-init=on");
  EXPECT_EQ(group.entries().size(), group.parameters().size());  // no running statistics
  EXPECT_EQ(group.parameters().size(), plain.parameters().size());
  EXPECT_EQ(group.find("layer1.0.bn2.weight")->tensor.to_vector<float>(), std::vector<float>(32, 0.0F));
  EXPECT_EQ(group.find("layer1.0.bn1.weight")->tensor.to_vector<float>(), std::vector<float>(32, 1.0F));
  EXPECT_EQ(state("resnet18:width=4,zero-init=on").find("layer4.1.bn2.weight")->tensor.to_vector<float>(),
            std::vector<float>(32, 0.0F));
  EXPECT_EQ(state("resnet18:width=4,norm=group,groups=2,columns=2").find("columns.1.bn1.running_mean"),
            nullptr);
}

TEST(BackboneTable, MistakesAreNamedWithTheNearestName) {
  const auto refused = [](const std::string& spec, const char* text) {
    EXPECT_THAT([&] { make_backbone(spec, {}); }, testing::ThrowsMessage<BadConfig>(testing::HasSubstr(text)))
        << spec;
  };
  refused("resnet81", "unknown model \"resnet81\": nearest is \"resnet18\"");
  refused("", "unknown model \"\"");
  refused("resnet18:widht=16", "unknown option \"widht\": nearest is \"width\"");
  refused("resnet18:width=", "width ''");
  refused("resnet18:width=0", "width '0'");
  refused("resnet18:width=16x", "width '16x'");
  refused("resnet18:width=99999999999999999999", "need an integer from 1 to 1024");
  refused("resnet18:stem=cifra", "unknown stem \"cifra\": nearest is \"cifar\"");
  refused("resnet18:columns=0", "columns '0', need an integer from 1 to 1000");
  refused("resnet18:norm=layer", "norm 'layer', need batch or group");
  refused("resnet18:width=48,norm=group", "32 groups of 48 channels");
  refused("resnet18:groups=2", "groups without norm=group");
  refused("resnet18:stem=imagenet,stem-padding=2", "stem-padding is of stem=cifar");
  refused("resnet18:stem-padding=3", "need an integer from 1 to 2");
  refused("resnet18:activation=gelu", "need relu or mish");
  refused("resnet18:width", "option 'width', need name=value");
  refused("resnet18:width=4,width=8", "given twice");
  for (const char* spec :
       {"resnet18:", "resnet18:,", "resnet18:width=4,", "resnet18:,width=4", "resnet18:width=4,,stem=cifar"})
    refused(spec, "option '', need name=value");
}

}  // namespace
}  // namespace nagare
