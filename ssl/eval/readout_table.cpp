#include "ssl/eval/readout.h"

namespace nagare::ssl {

std::span<const ReadoutRow> readout_table() {
  static const ReadoutRow rows[] = {
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
       .reference = "Yu et al., CLVision 2023; its weights are not published, a vote each is ours",
       .protocol = KnnProtocol{.neighbours = 50, .weighted = false, .labelled = 1000}},
      {.name = "knn-ucl",
       .summary = "weighted kNN within the query's task, temperature 0.1, k = the tasks seen, at most 200",
       .reference = "Madaan et al., ICLR 2022, its published code",
       .protocol = KnnProtocol{.neighbours = 200, .temperature = 0.1F, .k_is_tasks = true},
       .task_given = true},
      {.name = "task-index",
       .summary = "which task a query is of, by weighted kNN, k 200, temperature 0.1: consolidation",
       .reference = "Zhang et al., CoLLAs 2024 (Osiris)",
       .protocol = KnnProtocol{.neighbours = 200, .temperature = 0.1F, .predicts_task = true}},
  };
  return rows;
}

}  // namespace nagare::ssl
