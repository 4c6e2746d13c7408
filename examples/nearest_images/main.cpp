// Which images does a network find alike? Takes features of fractals by a ResNet-18 and prints, for the first test
// image of every class, the class of its nearest training image.
//
//   nearest_images [model.safetensors]     a network that `nagare train` left in RUN/checkpoints/STEP/;
//                                          untrained weights when left out
#include <cstdio>
#include <exception>

#include "engine/io/state_io.h"
#include "models/backbone.h"
#include "ssl/data/dataset.h"
#include "ssl/eval/evaluator.h"
#include "ssl/eval/knn.h"

int main(int argc, char** argv) try {
  using namespace nagare;
  const ssl::Dataset data = ssl::load_dataset("fractal:classes=4,per-class=20,test-per-class=1,size=32", {});
  const auto backbone = models::make_backbone("resnet18:width=16", {.image_size = 32});
  if (argc > 1) {
    nn::StateList state;
    backbone->list_state(state);
    io::load_state(io::read_safetensors(argv[1]), state);
  }

  const ssl::FeatureInput input{.mean = {data.mean[0], data.mean[1], data.mean[2]},
                                .std = {data.std[0], data.std[1], data.std[2]},
                                .size = 32};
  const Tensor bank = ssl::extract_features(*backbone, data.train.images, input, 64);
  const Tensor queries = ssl::extract_features(*backbone, data.test.images, input, 64);
  const ssl::KnnResult result = ssl::knn_classify(bank, data.train.labels.classes, queries,
                                                  {.neighbours = 1, .classes = data.classes()});
  for (std::size_t i = 0; i < result.predictions.size(); ++i) {
    const auto at = static_cast<std::size_t>(data.test.labels.classes[i]);
    const auto nearest = static_cast<std::size_t>(result.predictions[i]);
    std::printf("%s: nearest is %s, cosine %.3f\n", data.class_names[at].c_str(),
                data.class_names[nearest].c_str(), result.similarities[i]);
  }
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return 1;
}
