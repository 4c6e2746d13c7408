// Cases of the models/ group: whole networks, with stored weights or weights from a recipe.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/io/state_io.h"
#include "models/resnet.h"
#include "tests/reference/registry.h"

namespace nagare::reference {
namespace {

constexpr Layout kLast = Layout::channels_last;

// The files' bf16 tolerances are 4 times the effect of rounding the inputs alone. A bf16 network rounds the activation
// after each of its 20 layers, forward and backward, so its gradients carry more: up to 3.4 times the tolerance was
// measured. The features meet the tolerance as it is.
constexpr double kWideningOfDeepGradients = 5.0;

Layout layout_of(const nn::StateEntry& entry) {
  return entry.layout == nn::DiskLayout::conv_oihw ? kLast : Layout::same;
}

struct Network {
  models::ResNet net;
  nn::StateList state;

  explicit Network(const Case& c)
      : net({.width = c.integer("width"), .stem = models::Stem::cifar, .device = c.device()}) {
    net.list_state(state);
  }
};

bool is_counter(const nn::StateEntry& entry) { return entry.name.ends_with("num_batches_tracked"); }
bool is_running(const nn::StateEntry& entry) { return entry.role == nn::Role::buffer && !is_counter(entry); }

// Gives every entry the values that `make` returns for it, in the layout of the file.
template <class Make>
void set_weights(const nn::StateList& state, const Make& make) {
  for (std::size_t j = 0; j < state.entries().size(); ++j) {
    const nn::StateEntry& entry = state.entries()[j];
    if (is_counter(entry)) continue;
    const Tensor values = make(j, entry);
    entry.tensor.copy_from(entry.layout == nn::DiskLayout::conv_oihw ? io::oihw_to_ohwi(values) : values);
  }
}

void resnet18_small_case(Case& c) {
  Network network(c);
  set_weights(network.state, [&c](std::size_t, const nn::StateEntry& e) { return c.input("sd." + e.name); });
  const Tensor x = c.image("x");
  const bool training = c.flag("train");
  const models::ResNetStages stages = network.net.forward_stages(x, training);
  c.check("out.stem", stages.stem, kLast);
  for (std::size_t i = 0; i < stages.layers.size(); ++i) {
    c.check("out.layer" + std::to_string(i + 1), stages.layers[i], kLast);
  }
  c.check("out.features", stages.features);
  c.backward_from(stages.features, "w");
  c.widen_bf16(kWideningOfDeepGradients);
  c.check("out.g_x", x.grad(), kLast);
  for (const nn::StateEntry& entry : network.state.entries()) {
    if (entry.role != nn::Role::buffer) c.check("out.g." + entry.name, entry.tensor.grad(), layout_of(entry));
    if (training && is_running(entry)) c.check("out.new." + entry.name, entry.tensor);
  }
}

// The weights of tensor number j, as the README's recipe has them.
Tensor recipe(std::uint64_t layer, const Shape& shape, float centre, double half_width) {
  const auto half = static_cast<float>(half_width);
  std::vector<float> values(static_cast<std::size_t>(shape.numel()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::uint64_t z = (i + 1) * 0x9E3779B97F4A7C15U + layer * 0xD1B54A32D192ED03U;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    z ^= z >> 31;
    const float t = static_cast<float>(z >> 40) * 0x1p-23F - 1.0F;
    values[i] = centre + half * t;  // two roundings: -ffp-contract=off
  }
  return Tensor::from(values, shape);
}

Tensor recipe_weights(const Case& c, std::size_t j, const nn::StateEntry& entry) {
  const std::uint64_t layer = static_cast<std::uint64_t>(c.integer("salt")) + j;
  const Shape& s = entry.tensor.shape();
  if (s.rank() == 4) {  // OHWI in memory; the recipe counts in the file's order
    const double fan_out = static_cast<double>(s[0] * s[1] * s[2]);
    return recipe(layer, {s[0], s[3], s[1], s[2]}, 0.0F, std::sqrt(6.0 / fan_out));
  }
  const bool around_one = entry.name.ends_with("weight") || entry.name.ends_with("running_var");
  return recipe(layer, s, around_one ? 1.0F : 0.0F, 0.25);
}

std::vector<double> in_file_order(const nn::StateEntry& entry, const Tensor& t) {
  const Tensor turned = entry.layout == nn::DiskLayout::conv_oihw ? io::ohwi_to_oihw(t) : t;
  const std::vector<float> values = turned.to_vector<float>();
  return {values.begin(), values.end()};
}

// Proves that the recipe was followed before anything is blamed on the network.
void check_recipe(const Case& c, const nn::StateList& state) {
  const std::vector<float> heads = c.tensor("check.head").to_vector<float>();
  const std::vector<double> sums = c.tensor("check.sum").to_vector<double>();
  const std::vector<std::string> order = c.words("check_order");
  for (std::size_t i = 0; i < order.size(); ++i) {
    const nn::StateEntry* entry = state.find(order[i]);
    ASSERT_NE(entry, nullptr) << order[i];
    const std::vector<double> values = in_file_order(*entry, entry->tensor);
    for (std::size_t k = 0; k < std::min<std::size_t>(4, values.size()); ++k) {
      ASSERT_EQ(values[k], heads[4 * i + k]) << order[i] << " element " << k << " does not follow the recipe";
    }
    const double sum = std::accumulate(values.begin(), values.end(), 0.0);
    ASSERT_NEAR(sum, sums[i], 1e-9 * static_cast<double>(values.size())) << order[i];
  }
}

// 16 elements spread over the whole, or all of fewer.
std::vector<double> slice_of(const std::vector<double>& values) {
  if (values.size() < 16) return values;
  const std::size_t stride = values.size() / 16;
  std::vector<double> picked;
  for (std::size_t m = 0; m < 16; ++m)
    picked.push_back(values[m * stride + m % std::max<std::size_t>(1, stride)]);
  return picked;
}

Tensor vector_of(const std::vector<double>& values) {
  return Tensor::from(values, {static_cast<std::int64_t>(values.size())});
}

void resnet18_full_case(Case& c) {
  Network network(c);
  set_weights(network.state,
              [&c](std::size_t j, const nn::StateEntry& e) { return recipe_weights(c, j, e); });
  check_recipe(c, network.state);
  const Tensor x = c.image("x");
  const Tensor features = network.net.forward(x, c.flag("train"));
  c.check("out.features", features);
  c.backward_from(features, "w");
  c.widen_bf16(kWideningOfDeepGradients);
  c.check("out.grad_x", x.grad(), kLast);
  std::vector<double> norms;
  for (const std::string& name : c.words("param_order")) {
    const nn::StateEntry& entry = *network.state.find(name);
    const std::vector<double> gradient = in_file_order(entry, entry.tensor.grad());
    norms.push_back(std::sqrt(std::inner_product(gradient.begin(), gradient.end(), gradient.begin(), 0.0)));
    c.check("out.gslice." + name, vector_of(slice_of(gradient)));
  }
  c.check("out.grad_norms", vector_of(norms));
}

constexpr Handler kHandlers[] = {
    {"resnet18_full", &resnet18_full_case},
    {"resnet18_small", &resnet18_small_case},
};

}  // namespace

std::span<const Handler> model_cases() { return kHandlers; }

}  // namespace nagare::reference
