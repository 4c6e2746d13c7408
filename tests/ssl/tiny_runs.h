#pragma once
// The tiny runs over which tests of state go: every strategy, and what else changes what is kept.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/ssl/tiny_run.h"

namespace nagare::ssl::test {

inline std::vector<TinyRun> every_strategy() {
  std::vector<TinyRun> runs;
  for (const StrategyRow& row : strategy_table()) {
    const char* method = (row.needs & kNeedsQueue) != 0 ? "moco" : "simsiam";
    runs.push_back({.strategy = row.name, .method = method});
  }
  return runs;
}

// Options that change what is kept.
inline std::vector<TinyRun> other_variants() {
  return {
      {.strategy = "cassle", .options = {{"form", "contrastive"}, {"norm", "running"}}},
      {.strategy = "cassle", .method = "dino", .restart = true},
      {.strategy = "cassle", .method = "swav", .restart = true},
      {.strategy = "ccl", .method = "moco", .options = {{"groups", "2"}, {"views", "2"}, {"queue", "16"}}},
      {.strategy = "cla", .options = {{"variant", "ema"}}},
      {.strategy = "cla", .options = {{"variant", "ema-replay"}}},
      {.strategy = "cla", .options = {{"variant", "hybrid"}}},
      {.strategy = "der", .method = "supervised", .options = {{"target", "projections"}}},
      {.strategy = "der++", .method = "moco"},
      {.strategy = "finetune", .method = "dino"},
      {.strategy = "finetune", .method = "swav"},
      {.strategy = "fifo", .options = {{"variant", "buffer-only"}}},
      {.strategy = "lump", .options = {{"variant", "ucl"}}},
      {.strategy = "lwf", .options = {{"norm", "batch"}}},
      {.strategy = "minred", .options = {{"variant", "buffer-only"}}},
      {.strategy = "osiris", .options = {{"variant", "distil"}}},
      {.strategy = "scale", .options = {{"past", "batch"}}},
      {.strategy = "si", .options = {{"mode", "ucl"}}}};
}

inline std::string run_name(const testing::TestParamInfo<TinyRun>& info) {
  std::string name = info.param.strategy + "_" + info.param.method;
  for (const auto& [key, value] : info.param.options) name += "_" + key + "_" + value;
  std::ranges::replace_if(
      name, [](char c) { return c == '-' || c == '+'; }, '_');
  return name;
}

}  // namespace nagare::ssl::test
