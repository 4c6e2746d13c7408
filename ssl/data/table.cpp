#include "ssl/data/table.h"

#include "ssl/data/cifar.h"
#include "ssl/data/fractal.h"

namespace nagare::ssl {
namespace {

const DataOption kPerClass = {"per-class",
                              "train on N images of every class, drawn by the run's seed; 0: all (0)"};
const DataOption kTest = {"test",
                          "test on N images in all, balanced over the classes, drawn likewise; 0: all (0)"};

}  // namespace

std::span<const DataSource> data_sources() {
  static const std::vector<DataSource> sources = {
      {.name = "cifar10",
       .summary = "CIFAR-10, official binary files: 32 x 32, 10 classes, 50,000 + 10,000 images",
       .syntax = "cifar10:DIR[,per-class=N][,test=N]",
       .reference = "Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
       .options = {kPerClass, kTest},
       .load = load_cifar10},
      {.name = "cifar100",
       .summary = "CIFAR-100, official binary files: 32 x 32, 100 classes in 20 superclasses, 50,000 + "
                  "10,000 images",
       .syntax = "cifar100:DIR[,labels=fine|coarse][,per-class=N][,test=N]",
       .reference = "Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
       .options = {{"labels", "fine (100 classes) or coarse (20 superclasses) (fine)"}, kPerClass, kTest},
       .load = load_cifar100},
      {.name = "fractal",
       .summary = "iterated function systems drawn in-process: unlimited images without a download",
       .syntax = "fractal[:classes=C][,per-class=N][,test-per-class=M][,size=S][,seed=K]",
       .reference = "Kataoka et al., Pre-training without Natural Images, ACCV 2020",
       .takes_directory = false,
       .options = {{"classes", "1 to 10000 (10)"},
                   {"per-class", "training images of every class (200)"},
                   {"test-per-class", "test images of every class (50)"},
                   {"size", "pixels on a side, 8 to 512 (32)"},
                   {"seed", "which systems and instances; the run's seed does not matter (0)"}},
       .load = load_fractal},
  };
  return sources;
}

}  // namespace nagare::ssl
