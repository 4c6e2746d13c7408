// The state of a run in a checkpoint whose checksums are right: any value in any place.
#include <algorithm>
#include <cstring>

#include "engine/device/errors.h"
#include "tests/fuzz/targets.h"
#include "tests/ssl/tiny_state.h"

namespace nagare::fuzz {
namespace {

using Tensors = std::vector<io::NamedTensor>;

// What keeps more than a network.
const std::vector<ssl::test::TinyRun>& runs() {
  static const std::vector<ssl::test::TinyRun> all = [] {
    std::vector<ssl::test::TinyRun> made = {
        {.strategy = "agem", .method = "supervised"},
        {.strategy = "cla", .options = {{"variant", "hybrid"}}},
        {.strategy = "der++"},
        {.strategy = "ewc"},
        {.strategy = "fifo"},
        {.strategy = "finetune", .method = "dino"},
        {.strategy = "finetune", .method = "moco"},
        {.strategy = "finetune", .method = "swav"},
        {.strategy = "gss"},
        {.strategy = "ccl", .method = "moco"},
        {.strategy = "minred"},
        {.strategy = "minred", .options = {{"variant", "buffer-only"}}},
        {.strategy = "osiris"},
        {.strategy = "pnn"},
        {.strategy = "scale"},
        {.strategy = "si"},
    };
    for (ssl::test::TinyRun& run : made) run.epochs = run.steps_per_batch = 2;
    return made;
  }();
  return all;
}

// Changing weights would be no other state, and there are many of them.
std::vector<std::size_t> places(const Tensors& tensors) {
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const bool weight = tensors[i].name.starts_with("method.") && tensors[i].tensor.dtype() == DType::f32;
    if (!weight || tensors[i].name.find("queue") != std::string::npos) found.push_back(i);
  }
  return found;
}

struct Base {
  Tensors tensors;
  std::vector<std::size_t> places;
};

const Base& base_of(std::size_t run) {
  static std::vector<Base> bases(runs().size());
  Base& base = bases[run];
  if (base.tensors.empty()) {
    base.tensors = ssl::test::state_at(runs()[run], 7);
    base.places = places(base.tensors);
  }
  return base;
}

// Which tensor, which element (128: every one), and its new bytes.
constexpr std::uint8_t kEvery = 128;
struct Edit {
  std::uint8_t place;
  std::uint8_t element;
  std::uint8_t bytes[8];
};

void apply(const Edit& edit, const Base& base, Tensors& tensors) {
  Tensor& tensor = tensors[base.places[edit.place % base.places.size()]].tensor;
  if (tensor.numel() == 0) return;
  tensor = tensor.clone();
  const std::size_t size = size_of(tensor.dtype());
  // The ends are reached by small numbers.
  if (edit.element == kEvery) {
    for (std::int64_t i = 0; i < tensor.numel(); ++i)
      std::memcpy(static_cast<std::byte*>(tensor.raw()) + static_cast<std::size_t>(i) * size, edit.bytes,
                  size);
    return;
  }
  const std::int64_t element = edit.element < 128
                                   ? edit.element % tensor.numel()
                                   : tensor.numel() - 1 - (255 - edit.element) % tensor.numel();
  std::memcpy(static_cast<std::byte*>(tensor.raw()) + static_cast<std::size_t>(element) * size, edit.bytes,
              size);
}

std::string edits(std::uint8_t run, const std::vector<std::pair<std::uint8_t, std::int64_t>>& values) {
  std::string text(1, static_cast<char>(run));
  for (const auto& [place, value] : values) {
    Edit edit{.place = place, .element = 0, .bytes = {}};
    std::memcpy(edit.bytes, &value, sizeof value);
    text.append(reinterpret_cast<const char*>(&edit), sizeof edit);
  }
  return text;
}

}  // namespace

void run_state(Bytes input) {
  if (input.empty()) return;
  constexpr std::size_t kMostEdits = 32;
  const std::size_t index = input[0] % runs().size();
  const Base& base = base_of(index);
  Tensors tensors = base.tensors;
  const std::size_t count = std::min((input.size() - 1) / sizeof(Edit), kMostEdits);
  for (std::size_t i = 0; i < count; ++i) {
    Edit edit{};
    std::memcpy(&edit, input.data() + 1 + i * sizeof(Edit), sizeof edit);
    apply(edit, base, tensors);
  }
  const bool bad = refused<BadCheckpoint, Diverged>([&] {
    const auto trainer = ssl::test::tiny_trainer(runs()[index]);
    ssl::test::load(*trainer, tensors);
    ssl::test::Few few;
    trainer->run(few);
  });
  need(count > 0 || !bad, "what was saved goes on");
}

Seeds state_seeds() {
  Seeds seeds;
  for (std::size_t run = 0; run < runs().size(); ++run) {
    const auto number = static_cast<std::uint8_t>(run);
    seeds.push_back(edits(number, {}));
    seeds.push_back(edits(number, {{255, 1}, {254, -1}, {0, 2}}));
  }
  return seeds;
}

}  // namespace nagare::fuzz
