// Cases of the ops/ group. `resize` is with the augmentations.
#include <cmath>

#include "engine/autograd/tape.h"
#include "engine/ops/attention.h"
#include "engine/ops/batch_norm.h"
#include "engine/ops/broadcast.h"
#include "engine/ops/conv2d.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/layer_norm.h"
#include "engine/ops/linear.h"
#include "engine/ops/normalize.h"
#include "engine/ops/pooling.h"
#include "engine/ops/shape_ops.h"
#include "engine/ops/softmax.h"
#include "tests/reference/registry.h"

namespace nagare::reference {
namespace {

constexpr Layout kLast = Layout::channels_last;

Tensor optional_parameter(const Case& c, const std::string& name) {
  return c.has_input(name) ? c.parameter(name) : Tensor();
}

// Ops that work in f32 whatever the activations are.
Tensor in_f32(const Tensor& x) { return x.dtype() == DType::f32 ? x : cast(x, DType::f32); }

// The rest of every case with one output y: comparisons of y and of the gradients of the named leaves.
struct Leaf {
  const char* name;
  Tensor tensor;
  Layout layout = Layout::same;
};
void finish_with(Case& c, const Tensor& y, const std::vector<Leaf>& leaves, Layout layout = Layout::same) {
  c.check("out.y", y, layout);
  c.backward(y, "y", layout);
  for (const Leaf& leaf : leaves) {
    if (leaf.tensor.defined()) c.check_gradient(leaf.name, leaf.tensor, leaf.layout);
  }
}

void conv2d_case(Case& c) {
  const Tensor x = c.image("x");
  const Tensor w = c.conv_weight("w");
  const Tensor b = optional_parameter(c, "b");
  const Tensor y = conv2d(x, w, b, {.stride = c.integer("stride", 1), .padding = c.integer("pad", 0)});
  finish_with(c, y, {{"x", x, kLast}, {"w", w, kLast}, {"b", b}}, kLast);
}

BatchNormState batch_norm_state(const Case& c) {
  return {.gamma = optional_parameter(c, "gamma"),
          .beta = optional_parameter(c, "beta"),
          .running_mean = c.input("running_mean"),
          .running_var = c.input("running_var")};
}

BatchNorm batch_norm_options(const Case& c, bool training) {
  return {.training = training,
          .momentum = static_cast<float>(c.number("momentum", 0.1)),
          .epsilon = static_cast<float>(c.number("eps"))};
}

Tensor image_or_matrix(const Case& c, const std::string& name) {
  return c.input(name).shape().rank() == 4 ? c.image(name) : c.activation(name);
}

void batch_norm_case(Case& c) {
  const bool training = c.op() == "batch_norm_train";
  const Tensor x = image_or_matrix(c, "x");
  const BatchNormState state = batch_norm_state(c);
  const Tensor y = batch_norm(x, state, batch_norm_options(c, training));
  finish_with(c, y, {{"x", x, kLast}, {"gamma", state.gamma}, {"beta", state.beta}}, kLast);
  if (!training) return;
  c.check("out.running_mean", state.running_mean);
  c.check("out.running_var", state.running_var);
  c.not_exposed("out.batch_mean");
  c.not_exposed("out.batch_invstd");
}

void batch_norm_sequence_case(Case& c) {
  const BatchNormState state = batch_norm_state(c);
  for (int k = 0; c.has_input("x" + std::to_string(k)); ++k) {
    batch_norm(image_or_matrix(c, "x" + std::to_string(k)), state, batch_norm_options(c, true));
    c.check("out.running_mean_" + std::to_string(k + 1), state.running_mean);
    c.check("out.running_var_" + std::to_string(k + 1), state.running_var);
  }
  c.check("out.y_eval", batch_norm(image_or_matrix(c, "x0"), state, batch_norm_options(c, false)), kLast);
}

template <Tensor (*kOp)(const Tensor&)>
void pointwise_case(Case& c) {
  const Tensor x = c.activation("x");
  finish_with(c, kOp(x), {{"x", x}});
}

void max_pool_case(Case& c) {
  const Tensor x = c.image("x");
  const MaxPoolResult result = max_pool_with_indices(x, {.kernel = static_cast<int>(c.integer("kernel")),
                                                         .stride = static_cast<int>(c.integer("stride")),
                                                         .padding = static_cast<int>(c.integer("pad"))});
  c.check("out.idx", result.indices, kLast);
  finish_with(c, result.y, {{"x", x, kLast}}, kLast);
}

void global_average_pool_case(Case& c) {
  const Tensor x = c.image("x");
  finish_with(c, global_average_pool(x), {{"x", x, kLast}});
}

void linear_case(Case& c) {
  const Tensor x = c.activation("x");
  const Tensor w = c.parameter("w");
  const Tensor b = optional_parameter(c, "b");
  finish_with(c, linear(x, w, b), {{"x", x}, {"w", w}, {"b", b}});
}

void weight_norm_linear_case(Case& c) {
  const Tensor x = c.activation("x");
  const Tensor v = c.parameter("v");
  const Tensor g = c.parameter("g");
  const Tensor y = linear(x, multiply_column(l2_normalize(v), g), {});
  finish_with(c, y, {{"x", x}, {"v", v}, {"g", g}});
}

void layer_norm_case(Case& c) {
  const Tensor x = c.activation("x");
  const Tensor gamma = c.parameter("gamma");
  const Tensor beta = c.parameter("beta");
  const Tensor y = layer_norm(x, gamma, beta, static_cast<float>(c.number("eps")));
  finish_with(c, y, {{"x", x}, {"gamma", gamma}, {"beta", beta}});
}

void l2_normalize_case(Case& c) {
  const Tensor x = c.activation("x");
  finish_with(c, l2_normalize(in_f32(x), static_cast<float>(c.number("eps"))), {{"x", x}});
}

void softmax_case(Case& c) {
  const Tensor x = c.activation("x");
  const Tensor logits = in_f32(x);
  finish_with(c, c.op() == "softmax" ? softmax(logits) : log_softmax(logits), {{"x", x}});
}

void finish_loss(Case& c, const Tensor& loss, const Tensor& x) {
  c.check("out.loss", loss);
  tape::backward(loss);
  c.check_gradient("x", x);
}

void cross_entropy_case(Case& c) {
  const Tensor x = c.activation("x");
  const auto smoothing = static_cast<float>(c.number("label_smoothing", 0.0));
  finish_loss(c, cross_entropy(in_f32(x), c.input("t"), smoothing), x);
}

void soft_cross_entropy_case(Case& c) {
  const Tensor x = c.activation("x");
  finish_loss(c, soft_cross_entropy(in_f32(x), c.input("t")), x);
}

void masked_cross_entropy_case(Case& c) {
  const Tensor x = c.activation("x");
  const std::int64_t n = x.shape()[0];
  std::vector<float> mask(static_cast<std::size_t>(n * n), 0.0F);
  for (std::int64_t i = 0; i < n; ++i) mask[static_cast<std::size_t>(i * (n + 1))] = -INFINITY;
  finish_loss(c, cross_entropy(add(in_f32(x), Tensor::from(mask, {n, n}, c.device())), c.input("t")), x);
}

void attention_case(Case& c) {
  const Tensor q = c.activation("q");
  const Tensor k = c.activation("k");
  const Tensor v = c.activation("v");
  c.not_exposed("out.attn");
  finish_with(c, scaled_dot_product_attention(q, k, v), {{"q", q}, {"k", k}, {"v", v}});
}

void attention_block_case(Case& c) {
  const Tensor x = c.activation("x");
  const Tensor qkv_w = c.parameter("qkv_w");
  const Tensor qkv_b = c.parameter("qkv_b");
  const Tensor proj_w = c.parameter("proj_w");
  const Tensor proj_b = c.parameter("proj_b");
  const std::int64_t batch = x.shape()[0];
  const std::int64_t tokens = x.shape()[1];
  const std::int64_t dim = x.shape()[2];
  const std::int64_t heads = c.integer("heads");
  const Tensor qkv = permute(reshape(linear(x, qkv_w, qkv_b), {batch, tokens, 3, heads, dim / heads}),
                             {2, 0, 3, 1, 4});  // (3, B, heads, T, d)
  const auto part = [&](std::int64_t i) {
    return reshape(slice(qkv, 0, i, 1), {batch, heads, tokens, dim / heads});
  };
  const Tensor mixed = permute(scaled_dot_product_attention(part(0), part(1), part(2)), {0, 2, 1, 3});
  const Tensor y = linear(reshape(mixed, {batch, tokens, dim}), proj_w, proj_b);
  finish_with(c, y, {{"x", x}, {"qkv_w", qkv_w}, {"qkv_b", qkv_b}, {"proj_w", proj_w}, {"proj_b", proj_b}});
}

void mlp_block_case(Case& c) {
  const Tensor x = c.activation("x");
  const Tensor w1 = c.parameter("w1");
  const Tensor b1 = c.parameter("b1");
  const Tensor w2 = c.parameter("w2");
  const Tensor b2 = c.parameter("b2");
  const Tensor y = linear(gelu(linear(x, w1, b1)), w2, b2);
  finish_with(c, y, {{"x", x}, {"w1", w1}, {"b1", b1}, {"w2", w2}, {"b2", b2}});
}

void patch_embed_case(Case& c) {
  const Tensor x = c.image("x");
  const Tensor w = c.conv_weight("w");
  const Tensor b = c.parameter("b");
  const Tensor cls_token = c.parameter("cls_token");
  const Tensor pos_embed = c.parameter("pos_embed");
  const Tensor grid = conv2d(x, w, b, {.stride = c.integer("patch")});  // (B, H, W, D)
  const std::int64_t batch = grid.shape()[0];
  const std::int64_t dim = grid.shape().back();
  const std::int64_t patches = grid.numel() / (batch * dim);
  const Tensor first = Tensor::zeros({batch}, {.dtype = DType::i64, .device = c.device()});
  const Tensor token = cast(gather_rows(reshape(cls_token, {1, dim}), first), grid.dtype());
  const Tensor tokens =
      concat({reshape(token, {batch, 1, dim}), reshape(grid, {batch, patches, dim})}, 1);  // (B, 1 + P, D)
  const std::int64_t row = (1 + patches) * dim;
  const Tensor y = add_row(reshape(tokens, {batch, row}), reshape(pos_embed, {row}));
  finish_with(
      c, reshape(y, {batch, 1 + patches, dim}),
      {{"x", x, kLast}, {"w", w, kLast}, {"b", b}, {"cls_token", cls_token}, {"pos_embed", pos_embed}});
}

constexpr Handler kHandlers[] = {
    {"batch_norm_eval", &batch_norm_case},
    {"batch_norm_seq", &batch_norm_sequence_case},
    {"batch_norm_train", &batch_norm_case},
    {"conv2d", &conv2d_case},
    {"cross_entropy", &cross_entropy_case},
    {"cross_entropy_soft", &soft_cross_entropy_case},
    {"gelu", &pointwise_case<gelu>},
    {"global_avg_pool", &global_average_pool_case},
    {"l2_normalize", &l2_normalize_case},
    {"layer_norm", &layer_norm_case},
    {"linear", &linear_case},
    {"log_softmax", &softmax_case},
    {"masked_cross_entropy", &masked_cross_entropy_case},
    {"maxpool2d", &max_pool_case},
    {"mha_block", &attention_block_case},
    {"mlp_block", &mlp_block_case},
    {"patch_embed", &patch_embed_case},
    {"relu", &pointwise_case<relu>},
    {"sdpa", &attention_case},
    {"softmax", &softmax_case},
    {"weight_norm_linear", &weight_norm_linear_case},
};

}  // namespace

std::span<const Handler> ops_cases() { return kHandlers; }

}  // namespace nagare::reference
