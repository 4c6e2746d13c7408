#include "engine/vendor/onednn.h"

#include <string>
#include <tuple>

namespace nagare::vendor::onednn {

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

dnnl::stream& stream() {
  thread_local dnnl::stream mine(engine());
  return mine;
}

bool has_amx() {
  static const bool found = dnnl::get_effective_cpu_isa() == dnnl::cpu_isa::avx512_core_amx;
  return found;
}

dnnl::primitive_attr user_scratchpad() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

void Prepared::run(const std::vector<Argument>& arguments) const {
  with_onednn_memory([&] {
    std::unordered_map<int, dnnl::memory> bound;
    for (const Argument& a : arguments) {
      bound.emplace(a.name, dnnl::memory(a.desc, engine(), const_cast<void*>(a.data)));
    }
    std::shared_ptr<void> scratch;
    if (scratchpad_.get_size() > 0) {
      scratch = allocate(Device::cpu, scratchpad_.get_size());
      bound.emplace(DNNL_ARG_SCRATCHPAD, dnnl::memory(scratchpad_, engine(), scratch.get()));
    }
    primitive_.execute(stream(), bound);
    stream().wait();
  });
}

void reorder(const dnnl::memory::desc& from_desc, const void* from, const dnnl::memory::desc& to_desc,
             void* to) {
  // Keyed by the layouts' bytes: oneDNN zero-fills what a layout does not use.
  thread_local std::map<std::tuple<int, std::string, std::string>, Prepared> cache;
  const auto bytes = [](const dnnl::memory::desc& desc) {
    return std::string(reinterpret_cast<const char*>(&desc.data), sizeof desc.data);
  };
  auto key = std::tuple(threads(), bytes(from_desc), bytes(to_desc));
  auto found = cache.find(key);
  if (found == cache.end()) {
    const auto make = [&] {
      return Prepared(
          dnnl::reorder::primitive_desc(engine(), from_desc, engine(), to_desc, user_scratchpad()));
    };
    found = cache.emplace(std::move(key), with_onednn_memory(make)).first;
  }
  found->second.run({{DNNL_ARG_FROM, from_desc, from}, {DNNL_ARG_TO, to_desc, to}});
}

}  // namespace nagare::vendor::onednn
