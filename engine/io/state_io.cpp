#include "engine/io/state_io.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <stdexcept>

#include "engine/device/errors.h"
#include "engine/text/printable.h"

namespace nagare::io {
namespace {

// A file of another network differs in every name, a hostile one in any number of them.
constexpr std::size_t kToldProblems = 100;

// out (outer, b, a, element) from in (outer, a, b, element): the swap of two neighbouring axes.
struct AxisSwap {
  std::int64_t outer;
  std::int64_t a;
  std::int64_t b;
};

void swap_axes(const AxisSwap& p, std::size_t element, const std::byte* in, std::byte* out) {
  for (std::int64_t o = 0; o < p.outer; ++o) {
    for (std::int64_t j = 0; j < p.b; ++j) {
      for (std::int64_t i = 0; i < p.a; ++i) {
        std::memcpy(out, in + static_cast<std::size_t>((o * p.a + i) * p.b + j) * element, element);
        out += element;
      }
    }
  }
}

void check_rank(const char* who, const Tensor& weight) {
  if (weight.shape().rank() == 4) return;
  throw std::invalid_argument(std::string(who) + ": shape " + to_string(weight.shape()) + ", need 4 axes");
}

Shape shape_on_disk(const nn::StateEntry& entry) {
  const Shape& s = entry.tensor.shape();
  return entry.layout == nn::DiskLayout::conv_oihw && s.rank() == 4 ? Shape{s[0], s[3], s[1], s[2]} : s;
}

std::string describe(const Shape& shape, const char* dtype) { return to_string(shape) + " " + dtype; }

// "" when every integer is one that its owner can use.
std::string out_of_range(const nn::StateEntry& entry, const Tensor& loaded, const std::string& name) {
  if (!entry.range) return "";
  const nn::IntegerRange range = *entry.range;
  const std::span<const std::int64_t> values(loaded.data<std::int64_t>(),
                                             static_cast<std::size_t>(loaded.numel()));
  const auto bad =
      std::ranges::find_if(values, [&](std::int64_t v) { return v < range.min || v > range.max; });
  if (bad == values.end()) return "";
  return name + " holds " + std::to_string(*bad) + " at " + std::to_string(bad - values.begin()) + ", need " +
         std::to_string(range.min) + " to " + std::to_string(range.max);
}

// "" when the file's tensor fits the entry.
std::string mismatch(const SafetensorsFile& file, const nn::StateEntry& entry, std::string_view prefix) {
  const std::string name = std::string(prefix) + entry.name;
  if (file.find(name) == nullptr) return "missing " + name;
  try {
    const Tensor loaded = file.load(name);
    const Shape want = shape_on_disk(entry);
    if (loaded.shape() == want && loaded.dtype() == entry.tensor.dtype())
      return out_of_range(entry, loaded, name);
    return name + " is " + describe(loaded.shape(), to_string(loaded.dtype())) + ", need " +
           describe(want, to_string(entry.tensor.dtype()));
  } catch (const BadData& unsupported) {
    return unsupported.what();
  }
}

}  // namespace

Tensor ohwi_to_oihw(const Tensor& weight) {
  check_rank("ohwi_to_oihw", weight);
  const Shape& s = weight.shape();
  const Tensor host = weight.detach().to(Device::cpu);
  const Tensor out = Tensor::empty({s[0], s[3], s[1], s[2]}, {.dtype = weight.dtype()});
  swap_axes({.outer = s[0], .a = s[1] * s[2], .b = s[3]}, size_of(weight.dtype()),
            static_cast<const std::byte*>(host.raw()), static_cast<std::byte*>(out.raw()));
  return out;
}

Tensor oihw_to_ohwi(const Tensor& weight) {
  check_rank("oihw_to_ohwi", weight);
  const Shape& s = weight.shape();
  const Tensor host = weight.detach().to(Device::cpu);
  const Tensor out = Tensor::empty({s[0], s[2], s[3], s[1]}, {.dtype = weight.dtype()});
  swap_axes({.outer = s[0], .a = s[1], .b = s[2] * s[3]}, size_of(weight.dtype()),
            static_cast<const std::byte*>(host.raw()), static_cast<std::byte*>(out.raw()));
  return out;
}

std::vector<NamedTensor> to_disk(const nn::StateList& state) {
  std::vector<NamedTensor> tensors;
  for (const nn::StateEntry& entry : state.entries()) {
    const bool turn = entry.layout == nn::DiskLayout::conv_oihw;
    const Tensor host = entry.tensor.detach().to(Device::cpu);
    const bool shared = host.raw() == entry.tensor.raw();
    tensors.push_back({entry.name, turn ? ohwi_to_oihw(host) : shared ? host.clone() : host});
  }
  return tensors;
}

void save_state(const Path& path, const nn::StateList& state, Metadata metadata) {
  metadata.emplace("format", "pt");
  write_safetensors(path, to_disk(state), metadata);
}

void load_state(const SafetensorsFile& file, const nn::StateList& state, std::string_view prefix) {
  std::string problems;
  std::size_t count = 0;
  const auto report = [&](const std::string& what) {
    if (!what.empty() && ++count <= kToldProblems) problems.append(problems.empty() ? "" : "; ").append(what);
  };
  for (const nn::StateEntry& entry : state.entries()) report(mismatch(file, entry, prefix));
  for (const TensorInfo& info : file.tensors()) {
    if (!info.name.starts_with(prefix)) continue;
    if (state.find(std::string_view(info.name).substr(prefix.size())) == nullptr)
      report("unexpected " + printable(info.name));
  }
  if (count > kToldProblems) problems += "; and " + std::to_string(count - kToldProblems) + " more";
  if (!problems.empty()) throw BadCheckpoint(file.name() + " does not fit: " + problems);
  for (const nn::StateEntry& entry : state.entries()) {
    const Tensor loaded = file.load(std::string(prefix) + entry.name);
    entry.tensor.copy_from(entry.layout == nn::DiskLayout::conv_oihw ? oihw_to_ohwi(loaded) : loaded);
  }
  for (const nn::StateCheck& check : state.checks()) {
    const std::string problem = check();
    if (!problem.empty()) throw BadCheckpoint(file.name() + ": " + problem);
  }
}

}  // namespace nagare::io
