#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "apps/report/figures.h"

namespace nagare::apps {
namespace {

constexpr int kStyles = 6;  // colours in the style sheet
constexpr int kDashes = 4;
constexpr std::size_t kNamedBoundaries = 10;  // the names of more would overlap

}  // namespace

int Comparison::style(std::size_t run) const {
  for (std::size_t g = 0; g < groups.size(); ++g) {
    if (std::ranges::find(groups[g].runs, run) != groups[g].runs.end()) return static_cast<int>(g) % kStyles;
  }
  return 0;
}

int Comparison::dash(std::size_t run) const {
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const auto at = std::ranges::find(groups[g].runs, run);
    if (at == groups[g].runs.end()) continue;
    const auto seed = static_cast<int>(at - groups[g].runs.begin());
    return (seed + static_cast<int>(g) / kStyles) % kDashes;
  }
  return 0;
}

std::vector<double> forgetting_per_task(const std::vector<std::vector<double>>& matrix) {
  std::vector<double> lost;
  if (matrix.size() < 2 || matrix.size() != matrix.front().size()) return lost;
  for (std::size_t i = 0; i + 1 < matrix.size(); ++i) {
    double best = -INFINITY;
    for (std::size_t t = i; t + 1 < matrix.size(); ++t) best = std::max(best, matrix[t].at(i));
    lost.push_back(best - matrix.back().at(i));
  }
  return lost;
}

std::vector<Boundary> task_boundaries(const Comparison& comparison) {
  std::vector<double> common;
  for (std::size_t r = 0; r < comparison.runs.size(); ++r) {
    const StepRecord& steps = comparison.runs[r].steps;
    std::vector<double> ends;
    for (std::size_t i = 0; i + 1 < steps.step.size(); ++i) {
      if (steps.task[i + 1] != steps.task[i]) ends.push_back(steps.step[i]);
    }
    if (r > 0 && ends != common) return {};
    common = std::move(ends);
  }
  std::vector<Boundary> marks;
  for (std::size_t i = 0; i < common.size(); ++i) {
    marks.push_back(
        {.x = common[i], .name = common.size() <= kNamedBoundaries ? fmt::format("task {}", i + 1) : ""});
  }
  return marks;
}

Html grid(const std::vector<Html>& parts) {
  Html all;
  for (const Html& part : parts) all += part;
  return element("div", {{"class", "grid"}}, all);
}

Html of_run(const Comparison& comparison, std::size_t run, const Html& content) {
  if (comparison.runs.size() == 1) return content;
  return element("div", {{"class", "run"}},
                 element("h3", {{"class", "run-name"}}, text(comparison.runs[run].name)) + content);
}

ssl::Image image_at(const Tensor& images, std::int64_t index) {
  const Shape& shape = images.shape();
  const std::int64_t height = shape[-3];
  const std::int64_t width = shape[-2];
  const auto* pixels = images.data<std::uint8_t>() + index * height * width * 3;
  return {.width = width, .height = height, .pixels = {pixels, pixels + height * width * 3}};
}

}  // namespace nagare::apps
