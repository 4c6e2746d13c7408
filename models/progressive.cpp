#include "models/progressive.h"

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>

#include "engine/autograd/tape.h"
#include "engine/ops/broadcast.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/pooling.h"
#include "engine/ops/shape_ops.h"
#include "engine/optim/ema.h"

namespace nagare::models {
namespace {

constexpr float kFirstAlpha = 0.01F;

// Seeds of the columns must differ, and the first one is what the network would be without the others.
std::uint64_t column_seed(std::uint64_t seed, std::int64_t column) {
  return seed + 0x9E3779B97F4A7C15U * static_cast<std::uint64_t>(column);
}

}  // namespace

struct Progressive::Lateral {
  Lateral(std::int64_t older, std::int64_t channels, nn::Initializer& init)
      : alpha(init.constant({older * channels}, kFirstAlpha)),
        conv({.in_channels = older * channels, .out_channels = channels, .kernel = 1}, init) {}

  Tensor forward(const Tensor& x, const std::vector<Tensor>& older) const {
    return add(x, relu(conv.forward(multiply_row(concat(older, -1), alpha))));
  }

  void list_state(nn::StateList& list) const {
    list.add("alpha", alpha, nn::Role::norm);
    const nn::StateList::Scope scope(list, "conv");
    conv.list_state(list);
  }

  Tensor alpha;  // (older columns x channels)
  nn::Conv2d conv;
};

Progressive::Progressive(const ResNetOptions& options, std::int64_t columns)
    : options_(options), in_use_(Tensor::from(std::vector<std::int64_t>{1}, {})) {
  if (columns < 1)
    throw std::invalid_argument("progressive: " + std::to_string(columns) + " columns, need >= 1");
  for (std::int64_t k = 0; k < columns; ++k) {
    ResNetOptions column = options;
    column.seed = column_seed(options.seed, k);
    columns_.push_back(std::make_unique<ResNet>(column));
    if (k == 0) continue;
    nn::Initializer init(column_seed(options.seed, -k), options.device);
    const std::int64_t w = options.width;
    laterals_.push_back(
        {Lateral(k, w, init), Lateral(k, w, init), Lateral(k, 2 * w, init), Lateral(k, 4 * w, init)});
  }
}

Progressive::~Progressive() = default;

void Progressive::grow() {
  if (in_use() == columns()) {
    throw std::invalid_argument("progressive: all " + std::to_string(columns()) + " columns are in use");
  }
  ++*in_use_.data<std::int64_t>();
}

Tensor Progressive::forward(const Tensor& images, bool training) {
  return column_features(images, in_use() - 1, training);
}

Tensor Progressive::task_features(const Tensor& images, std::int64_t task) {
  return column_features(images, std::clamp<std::int64_t>(task, 0, in_use() - 1), false);
}

Tensor Progressive::column_features(const Tensor& images, std::int64_t column, bool training) const {
  std::vector<ResNetStages> older;
  const auto enter = [&](std::int64_t k) {
    return [&, k](std::size_t stage, const Tensor& x) {
      if (k == 0) return x;
      std::vector<Tensor> inputs;
      for (const ResNetStages& stages : older) inputs.push_back(stages.inputs[stage]);
      return laterals_[static_cast<std::size_t>(k - 1)][stage].forward(x, inputs);
    };
  };
  for (std::int64_t k = 0; k < column; ++k) {
    const tape::NoGrad guard;
    older.push_back(columns_[static_cast<std::size_t>(k)]->forward_stages(images, false, enter(k)));
  }
  return columns_[static_cast<std::size_t>(column)]->forward_stages(images, training, enter(column)).features;
}

void Progressive::list_state(nn::StateList& list) const {
  for (std::size_t k = 0; k < columns_.size(); ++k) {
    const nn::StateList::Scope scope(list, "columns." + std::to_string(k));
    columns_[k]->list_state(list);
  }
  for (std::size_t k = 0; k < laterals_.size(); ++k) {
    for (std::size_t s = 0; s < laterals_[k].size(); ++s) {
      const nn::StateList::Scope scope(list,
                                       "laterals." + std::to_string(k + 1) + "." + std::to_string(s + 1));
      laterals_[k][s].list_state(list);
    }
  }
  list.add("in_use", in_use_, {.min = 1, .max = columns()});
}

std::unique_ptr<Backbone> Progressive::clone() const {
  auto copy = std::make_unique<Progressive>(options_, columns());
  nn::StateList to;
  nn::StateList from;
  copy->list_state(to);
  list_state(from);
  optim::copy_state(to, from);
  copy->in_use_ = in_use_;
  return copy;
}

}  // namespace nagare::models
