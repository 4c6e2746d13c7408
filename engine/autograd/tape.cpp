#include "engine/autograd/tape.h"

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "kernels/dispatch.h"
#include "kernels/elementwise.h"

namespace nagare::tape {

class Node {
 public:
  std::uint64_t sequence = 0;  // grows with time: an op is newer than its inputs
  bool leaf = false;
  std::vector<std::shared_ptr<Node>> inputs;  // nullptr where the input needs no gradient
  Backward backward;
  Tensor grad;  // leaves only
};

namespace {

thread_local bool recording = true;
std::atomic<std::uint64_t> next_sequence{1};

// a + b in memory of its own: either may be shared with another consumer.
Tensor sum(const Tensor& a, const Tensor& b) {
  const Tensor out = empty_like(a);
  for_activation_type("gradient sum", a.dtype(), [&]<class T>(T) {
    NAGARE_DISPATCH(a.device(), linear_combination({.n = a.numel()}, a.data<T>(), b.data<T>(), out.data<T>(),
                                                   a.stream()));
  });
  return out;
}

void accumulate(Tensor& into, const Tensor& gradient) {
  into = into.defined() ? sum(into, gradient) : gradient;
}

// Every node that `root` depends on, newest first.
std::vector<std::shared_ptr<Node>> newest_first(const std::shared_ptr<Node>& root) {
  std::vector<std::shared_ptr<Node>> nodes{root};
  std::unordered_set<const Node*> seen{root.get()};
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const std::shared_ptr<Node> node = nodes[i];
    for (const auto& input : node->inputs) {
      if (input && seen.insert(input.get()).second) nodes.push_back(input);
    }
  }
  std::ranges::sort(nodes, [](const auto& a, const auto& b) { return a->sequence > b->sequence; });
  return nodes;
}

}  // namespace

Tensor record(const Tensor& y, const std::vector<Tensor>& inputs, Backward backward) {
  const bool needed =
      recording && std::ranges::any_of(inputs, [](const Tensor& x) { return x.requires_grad(); });
  if (!needed) return y.detach();
  auto node = std::make_shared<Node>();
  node->sequence = next_sequence++;
  for (const Tensor& x : inputs) node->inputs.push_back(x.node());
  node->backward = std::move(backward);
  return y.with_node(std::move(node));
}

Tensor record(const Tensor& y, std::initializer_list<Tensor> inputs, Backward backward) {
  return record(y, std::vector<Tensor>(inputs), std::move(backward));
}

bool records(std::initializer_list<Tensor> inputs) {
  return recording && std::ranges::any_of(inputs, [](const Tensor& x) { return x.requires_grad(); });
}

void backward(const Tensor& loss) {
  if (!loss.defined() || loss.numel() != 1 || loss.dtype() != DType::f32) {
    throw std::invalid_argument("backward: the loss must be one f32 number, it is " +
                                (loss.defined() ? to_string(loss.shape()) : std::string("undefined")));
  }
  backward(loss, Tensor::full(loss.shape(), 1.0F, loss.options()));
}

void backward(const Tensor& output, const Tensor& seed) {
  if (!output.requires_grad()) {
    throw std::invalid_argument("backward: the result has no history; no input required a gradient");
  }
  if (seed.shape() != output.shape() || seed.dtype() != output.dtype()) {
    throw std::invalid_argument("backward: seed " + to_string(seed.shape()) + " for an output of shape " +
                                to_string(output.shape()));
  }
  const NoGrad guard;
  std::unordered_map<const Node*, Tensor> pending{{output.node().get(), seed}};
  for (auto& node : newest_first(output.node())) {
    const auto found = pending.find(node.get());
    if (found == pending.end()) continue;  // every path to it had no gradient
    const Tensor gradient = std::move(found->second);
    pending.erase(found);
    if (node->leaf) {
      accumulate(node->grad, gradient);
      continue;
    }
    if (!node->backward) throw std::invalid_argument("backward: this graph was already used and freed");
    const std::vector<Tensor> gradients = node->backward(gradient);
    for (std::size_t i = 0; i < node->inputs.size(); ++i) {
      if (node->inputs[i] && gradients.at(i).defined()) {
        accumulate(pending[node->inputs[i].get()], gradients[i]);
      }
    }
    node->backward = nullptr;  // frees the activations it captured, while older ops still run
    node->inputs.clear();
    node.reset();
  }
}

NoGrad::NoGrad() : before_(recording) { recording = false; }
NoGrad::~NoGrad() { recording = before_; }

std::shared_ptr<Node> make_leaf() {
  auto node = std::make_shared<Node>();
  node->leaf = true;
  return node;
}
Tensor grad_of(const Node& node) { return node.grad; }
void clear_grad_of(Node& node) { node.grad = Tensor(); }

}  // namespace nagare::tape
