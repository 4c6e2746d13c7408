#include "ssl/eval/readout.h"

namespace nagare::ssl {
namespace {

// SGD with momentum 0.9.
optim::OptimizerOptions sgd(double weight_decay = 0.0) {
  return {.momentum = 0.9, .weight_decay = weight_decay, .decay_bias_and_norm = true};
}

optim::OptimizerOptions nesterov() { return {.momentum = 0.9, .nesterov = true}; }

// SwAV's: no exclusions, no clipping.
optim::OptimizerOptions larc() {
  return {.name = "lars",
          .momentum = 0.9,
          .lars = {.variant = "solo", .eta = 0.001, .clip = false, .exclude_bias_and_norm = false}};
}

EpochSchedule steps(std::vector<std::int64_t> milestones, double gamma = 0.1) {
  return {.epochs = 100, .milestones = std::move(milestones), .gamma = gamma};
}

EpochSchedule cosine(std::int64_t epochs) { return {.epochs = epochs, .cosine = true}; }

}  // namespace

std::span<const ReadoutRow> readout_table() {
  static const ReadoutRow rows[] = {
      {.name = "finetune",
       .summary = "fine-tuning as Barlow Twins': 20 epochs, rates 0.005 and 0.5, cosine",
       .reference =
           "Zbontar et al., ICML 2021, its published code; its rates for 1 % of labels are taken for all",
       .protocol = FineTuneProtocol{.few = {20, 0.005, 0.5},
                                    .many = {20, 0.005, 0.5},
                                    .schedule = cosine(20),
                                    .init = LinearInit::normal}},
      {.name = "finetune-simclr",
       .summary = "60 epochs with few labels, 30 with more, rate 0.05 per 256, cosine, Nesterov's momentum, "
                  "batch 4096",
       .reference = "Chen et al., ICML 2020",
       .protocol = FineTuneProtocol{.few = {60, 0.05, 0.05},
                                    .many = {30, 0.05, 0.05},
                                    .per_256 = true,
                                    .batch = 4096,
                                    .schedule = cosine(60),
                                    .nesterov = true}},
      {.name = "finetune-swav",
       .summary =
           "20 epochs, rates 0.02 and 5 with few labels, 0.01 and 0.2 with more, times 0.2 at 12 and 16",
       .reference = "Caron et al., NeurIPS 2020, its published code",
       .protocol = FineTuneProtocol{.few = {20, 0.02, 5.0},
                                    .many = {20, 0.01, 0.2},
                                    .schedule = steps({12, 16}, 0.2),
                                    .init = LinearInit::normal}},
      {.name = "finetune-vicreg",
       .summary = "20 epochs, rates 0.03 and 0.08 with few labels, 0.01 and 0.1 with more, cosine",
       .reference = "Bardes et al., ICLR 2022, its published code",
       .protocol = FineTuneProtocol{.few = {20, 0.03, 0.08},
                                    .many = {20, 0.01, 0.1},
                                    .schedule = cosine(20),
                                    .init = LinearInit::normal}},
      {.name = "knn",
       .summary = "weighted kNN by --eval.neighbours and --eval.temperature; their defaults are solo-learn's "
                  "and DINO's",
       .reference = "Wu et al., CVPR 2018 (InstDisc), section 3.4",
       .protocol = KnnProtocol{}},
      {.name = "knn-cassle",
       .summary = "20 nearest by distance, each of weight 1 / (distance + 1e-5)",
       .reference = "Fini et al., CVPR 2022, its published code",
       .protocol = KnnProtocol{.neighbours = 20, .metric = KnnMetric::euclidean}},
      {.name = "knn-cla",
       .summary = "plain majority of the 50 nearest by distance, features standardised",
       .reference = "Cignoni et al., CoLLAs 2025, its published code",
       .protocol =
           KnnProtocol{
               .neighbours = 50, .weighted = false, .metric = KnnMetric::euclidean, .standardise = true}},
      {.name = "knn-instdisc",
       .summary = "weighted kNN, k 200, temperature 0.1; with -task Osiris's and UCL's with a fixed k",
       .reference = "Wu et al., CVPR 2018 (InstDisc); Zhang et al., CoLLAs 2024 (Osiris)",
       .protocol = KnnProtocol{.neighbours = 200, .temperature = 0.1F}},
      {.name = "knn-plain",
       .summary = "majority of the --eval.neighbours nearest by cosine",
       .reference = "Cover and Hart, IEEE Trans. Information Theory 1967",
       .protocol = KnnProtocol{.weighted = false}},
      {.name = "knn-scale",
       .summary = "majority of the 50 nearest by cosine among 1000 labelled training images",
       .reference = "Yu et al., CLVision 2023, its published code",
       .protocol = KnnProtocol{.neighbours = 50, .weighted = false, .labelled = 1000}},
      {.name = "knn-ucl",
       .summary = "weighted kNN within the query's task, temperature 0.1, k = the tasks seen, at most 200",
       .reference = "Madaan et al., ICLR 2022, its published code",
       .protocol = KnnProtocol{.neighbours = 200, .temperature = 0.1F, .k_is_tasks = true},
       .task_given = true},
      {.name = "linear-barlow",
       .summary = "SGD 0.3, cosine, 100 epochs, decay 1e-6",
       .reference = "Zbontar et al., ICML 2021",
       .protocol = LinearProtocol{.rate = 0.3, .schedule = cosine(100), .optimizer = sgd(1e-6)}},
      {.name = "linear-cassle",
       .summary = "SGD 1.0, times 0.1 at 60 and 80, 100 epochs, no augmentation",
       .reference = "Fini et al., CVPR 2022, its published code",
       .protocol = LinearProtocol{.rate = 1.0,
                                  .schedule = steps({60, 80}),
                                  .optimizer = sgd(),
                                  .init = LinearInit::uniform,
                                  .crop_scale_min = 0.0F}},
      {.name = "linear-dino",
       .summary = "SGD 0.001 per 256, cosine, 100 epochs, batch 1024",
       .reference = "Caron et al., ICCV 2021 (DINO)",
       .protocol =
           LinearProtocol{
               .rate = 0.001, .per_256 = true, .batch = 1024, .schedule = cosine(100), .optimizer = sgd()}},
      {.name = "linear-emp",
       .summary =
           "SGD 0.03, cosine, 100 epochs, batch 100, decay 5e-5, no augmentation; published on bag: features",
       .reference = "Tong et al., arXiv:2304.03977, its published code",
       .protocol = LinearProtocol{.rate = 0.03,
                                  .batch = 100,
                                  .schedule = cosine(100),
                                  .optimizer = sgd(5e-5),
                                  .init = LinearInit::uniform,
                                  .crop_scale_min = 0.0F}},
      {.name = "linear-moco",
       .summary = "SGD 30, times 0.1 at 60 and 80, 100 epochs",
       .reference = "He et al., CVPR 2020 (MoCo); also CCL",
       .protocol = LinearProtocol{.rate = 30.0, .schedule = steps({60, 80}), .optimizer = sgd()}},
      {.name = "linear-simclr",
       .summary = "SGD with Nesterov's momentum 0.1 per 256, cosine, 100 epochs, batch 512",
       .reference = "Chen et al., ICML 2020, its CIFAR command",
       .protocol = LinearProtocol{.rate = 0.1,
                                  .per_256 = true,
                                  .batch = 512,
                                  .schedule = cosine(100),
                                  .optimizer = nesterov(),
                                  .init = LinearInit::zero}},
      {.name = "linear-simsiam",
       .summary = "LARS 0.1 per 256, cosine, 90 epochs, batch 4096",
       .reference = "Chen and He, CVPR 2021, its published code",
       .protocol =
           LinearProtocol{
               .rate = 0.1, .per_256 = true, .batch = 4096, .schedule = cosine(90), .optimizer = larc()}},
      {.name = "linear-supcontrast",
       .summary = "SGD 1, times 0.2 at 60, 75 and 90, 100 epochs, batch 512, crops from 0.2 on",
       .reference = "Khosla et al., NeurIPS 2020, its published code",
       .protocol = LinearProtocol{.rate = 1.0,
                                  .batch = 512,
                                  .schedule = steps({60, 75, 90}, 0.2),
                                  .optimizer = sgd(),
                                  .crop_scale_min = 0.2F}},
      {.name = "linear-swav",
       .summary = "SGD 0.3, cosine, 100 epochs, decay 1e-6",
       .reference = "Caron et al., NeurIPS 2020",
       .protocol = LinearProtocol{.rate = 0.3, .schedule = cosine(100), .optimizer = sgd(1e-6)}},
      {.name = "linear-vicreg",
       .summary = "SGD 0.02, cosine, 100 epochs, decay 1e-6",
       .reference = "Bardes et al., ICLR 2022",
       .protocol = LinearProtocol{.rate = 0.02, .schedule = cosine(100), .optimizer = sgd(1e-6)}},
      {.name = "ncm",
       .summary = "the nearest class mean by cosine",
       .reference = "Mensink et al., TPAMI 2013",
       .protocol = NearestMeanProtocol{}},
      {.name = "ridge",
       .summary =
           "closed-form linear probe: ridge regression to one-hot labels, lambda chosen on a tenth held out",
       .reference = "Hoerl and Kennard, Technometrics 1970",
       .protocol = RidgeProtocol{}},
      {.name = "task-index",
       .summary = "which task a query is of, by weighted kNN, k 200, temperature 0.1: consolidation",
       .reference = "Zhang et al., CoLLAs 2024 (Osiris)",
       .protocol = KnnProtocol{.neighbours = 200, .temperature = 0.1F, .predicts_task = true}},
  };
  return rows;
}

}  // namespace nagare::ssl
