#include "ssl/eval/gallery.h"

#include <gmock/gmock.h>

#include "engine/device/errors.h"
#include "engine/io/safetensors.h"
#include "ssl/augment/recipes.h"
#include "tests/support/temporary_directory.h"

namespace nagare::ssl {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

struct GalleryTest : testing::Test {
  Dataset data = load_dataset("fractal:classes=4,per-class=6,test-per-class=5,size=16,seed=3", {});
  std::vector<std::vector<std::int64_t>> tasks = {{0, 2}, {1, 3}};
  std::unique_ptr<models::Backbone> backbone =
      models::make_backbone("resnet18:width=4", {.image_size = 16, .seed = 1});
  FeatureInput input{.mean = {0.5F, 0.5F, 0.5F}, .std = {0.25F, 0.25F, 0.25F}, .size = 16};
  ViewPlan plan;
  GalleryOptions options{.points = 12, .bank = 10, .queries = 3, .neighbours = 4, .sources = 2, .seed = 7};

  GalleryTest() { plan.views.assign(2, ViewRecipe{.size = 16}); }
  Gallery make() { return make_gallery({data, tasks, plan, *backbone, input}, options); }
};

TEST_F(GalleryTest, HoldsWhatWasAskedFor) {
  const Gallery gallery = make();
  EXPECT_EQ(gallery.sources.shape(), Shape({2, 16, 16, 3}));
  EXPECT_EQ(gallery.views.shape(), Shape({2, 2, 16, 16, 3}));
  EXPECT_EQ(gallery.features.shape(), Shape({12, 32}));
  EXPECT_EQ(gallery.neighbours.shape(), Shape({3, 4, 16, 16, 3}));
  EXPECT_EQ(gallery.map_images.shape(), Shape({3, 16, 16, 3}));
  EXPECT_EQ(gallery.bank_images, 10);
  EXPECT_THAT(gallery.captions.at(1).at(1), HasSubstr("crop "));
  // The fractals' test split is sorted by class: point i is image i * 20 / 12.
  const auto classes = gallery.feature_classes.to_vector<std::int64_t>();
  const auto of_task = gallery.feature_tasks.to_vector<std::int64_t>();
  for (std::int64_t i = 0; i < 12; ++i) {
    const auto at = static_cast<std::size_t>(i);
    EXPECT_EQ(classes[at], data.test.labels.classes[static_cast<std::size_t>(i * 20 / 12)]);
    EXPECT_EQ(of_task[at], classes[at] % 2);  // tasks {0, 2} and {1, 3}
  }
}

TEST_F(GalleryTest, FeaturesAndNeighboursAreTheNetworks) {
  const Gallery gallery = make();
  const auto all = extract_features(*backbone, data.test.images, input, 256).to_vector<float>();
  const auto kept = gallery.features.to_vector<float>();
  for (int d = 0; d < 32; ++d) EXPECT_NEAR(kept[32 * 3 + d], all[32 * (3 * 20 / 12) + d], 1e-5);
  const auto similarities = gallery.similarities.to_vector<float>();
  for (std::size_t i = 0; i + 1 < similarities.size(); ++i) {
    if (i % 4 == 3) continue;
    EXPECT_GE(similarities[i], similarities[i + 1]);
  }
}

// With no random step left a view is the image itself, normalised and back.
TEST_F(GalleryTest, ViewsAreShownInTheColoursOfTheImages) {
  const ViewRecipe same{.size = 16,
                        .crop_scale_min = 1,
                        .crop_scale_max = 1,
                        .crop_ratio_min = 1,
                        .crop_ratio_max = 1,
                        .flip_probability = 0,
                        .jitter_probability = 0,
                        .grayscale_probability = 0};
  plan.views.assign(1, same);
  const Gallery gallery = make();
  EXPECT_EQ(gallery.views.to_vector<std::uint8_t>(), gallery.sources.to_vector<std::uint8_t>());
  EXPECT_EQ(gallery.captions[0][0], "crop 100 %");
}

TEST_F(GalleryTest, LargeImagesAreShownSmaller) {
  options.thumbnail = 8;
  const Gallery gallery = make();
  EXPECT_EQ(gallery.sources.shape(), Shape({2, 8, 8, 3}));
  EXPECT_EQ(gallery.neighbours.shape(), Shape({3, 4, 8, 8, 3}));
  EXPECT_EQ(gallery.map_images.shape(), Shape({3, 16, 16, 3})) << "in full size";
}

TEST_F(GalleryTest, SurvivesItsFile) {
  const test::TemporaryDirectory directory;
  data.class_names[1] = "a <b> & \"c\" \xE6\xB5\x81";
  const Gallery gallery = make();
  write_gallery(directory.path() / "gallery", gallery);
  const Gallery back = read_gallery(directory.path() / "gallery");
  EXPECT_EQ(back.class_names, data.class_names);
  EXPECT_EQ(back.captions, gallery.captions);
  EXPECT_EQ(back.bank_images, 10);
  EXPECT_EQ(back.views.to_vector<std::uint8_t>(), gallery.views.to_vector<std::uint8_t>());
  EXPECT_EQ(back.features.to_vector<float>(), gallery.features.to_vector<float>());
}

TEST_F(GalleryTest, ADamagedFileIsRefusedByName) {
  const test::TemporaryDirectory directory;
  const io::Path path = directory.path() / "gallery";
  const auto refused = [&](const std::string& why) {
    EXPECT_THAT([&] { read_gallery(path); },
                ThrowsMessage<BadData>(testing::AllOf(HasSubstr(path), HasSubstr(why))));
  };
  io::write_file(path, "not a gallery");
  refused("");
  io::write_safetensors(path, {{"features", Tensor::zeros({2, 2})}});
  refused("sources");
  Gallery gallery = make();
  gallery.class_names.pop_back();
  write_gallery(path, gallery);
  refused("a class number has no name");
  gallery = make();
  gallery.captions.pop_back();
  write_gallery(path, gallery);
  refused("images and their views differ in number");
}

TEST_F(GalleryTest, NeedsTestImages) {
  data.test = {};
  EXPECT_THAT([&] { make(); }, ThrowsMessage<BadData>(HasSubstr("needs test images")));
}

}  // namespace
}  // namespace nagare::ssl
