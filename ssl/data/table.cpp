#include "ssl/data/table.h"

#include "ssl/data/cifar.h"
#include "ssl/data/folder.h"
#include "ssl/data/fractal.h"
#include "ssl/data/mnist.h"
#include "ssl/data/perlin.h"
#include "ssl/data/tar.h"

namespace nagare::ssl {
namespace {

const DataOption kPerClass = {"per-class",
                              "train on N images of every class, drawn by the run's seed; 0: all (0)"};
const DataOption kTest = {"test",
                          "test on N images in all, balanced over the classes, drawn likewise; 0: all (0)"};
const DataOption kClasses = {
    "classes",
    "a file that lists the class folders to use, one a line, in order; or how many of the first (all)"};
const DataOption kFolderSize = {
    "size", "pixels on a side: the shorter one is scaled to it, the middle kept; 1 to 1024 (64)"};
const DataOption kTestFraction = {
    "test-fraction", "part of each class set aside when there is no val/ or test/; 0 to 0.9 (0.2)"};
const std::vector<DataOption> kDrawn = {
    {"classes", "1 to 10000 (10)"},
    {"per-class", "training images of every class (200)"},
    {"test-per-class", "test images of every class (50)"},
    {"size", "pixels on a side, 8 to 512 (32)"},
    {"seed", "which classes and instances; the run's seed does not matter (0)"}};

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
      {.name = "folder",
       .summary = "image files in one sub-folder per class, with or without train/ and val/ above them",
       .syntax = "folder:DIR[,size=S][,classes=FILE|N][,test-fraction=F][,per-class=N][,test=N]",
       .reference = "the layout of torchvision's ImageFolder",
       .options = {kFolderSize, kTestFraction, kClasses, kPerClass, kTest},
       .load = load_folder},
      {.name = "fractal",
       .summary = "iterated function systems drawn in-process: unlimited images without a download",
       .syntax = "fractal[:classes=C][,per-class=N][,test-per-class=M][,size=S][,seed=K]",
       .reference = "Kataoka et al., Pre-training without Natural Images, ACCV 2020",
       .takes_directory = false,
       .options = kDrawn,
       .load = load_fractal},
      {.name = "mnist",
       .summary = "MNIST, Fashion-MNIST or KMNIST, official IDX files: 28 x 28 grey, 10 classes, 60,000 + "
                  "10,000 images",
       .syntax = "mnist:DIR[,pad=P][,per-class=N][,test=N]",
       .reference = "LeCun, Cortes and Burges, The MNIST database of handwritten digits, 1998",
       .options = {{"pad", "black pixels added on every side, 0 to 16; 2 makes 32 x 32 (2)"},
                   kPerClass,
                   kTest},
       .load = load_mnist},
      {.name = "perlin",
       .summary = "gradient noise in octaves drawn in-process: unlimited textures without a download",
       .syntax = "perlin[:classes=C][,per-class=N][,test-per-class=M][,size=S][,seed=K]",
       .reference = "Perlin, Improving Noise, SIGGRAPH 2002; Baradad et al., NeurIPS 2021",
       .takes_directory = false,
       .options = kDrawn,
       .load = load_perlin},
      {.name = "tar",
       .summary =
           "images in tar archives, read in place: class folders, or WebDataset shards with .cls labels",
       .syntax = "tar:FILES[,val=FILES][,size=S][,classes=FILE|N][,test-fraction=F][,per-class=N][,test=N]",
       .reference = "the layouts of torchvision's ImageFolder and of github.com/webdataset/webdataset",
       .options = {{"val", "archives of the test images (val/ or test/ in the archive, or test-fraction=)"},
                   kFolderSize,
                   kTestFraction,
                   kClasses,
                   kPerClass,
                   kTest},
       .load = load_tar},
      {.name = "tinyimagenet",
       .summary = "Tiny ImageNet: 64 x 64, 200 classes, 100,000 + 10,000 images (val/ is the test split)",
       .syntax = "tinyimagenet:DIR[,size=S][,classes=FILE|N][,per-class=N][,test=N]",
       .reference = "Le and Yang, Tiny ImageNet visual recognition challenge, 2015",
       .options = {{"size", "pixels on a side, 1 to 1024 (64)"}, kClasses, kPerClass, kTest},
       .load = load_tinyimagenet},
  };
  return sources;
}

}  // namespace nagare::ssl
