#pragma once
// oneDNN's engine, stream and prepared primitives. Only the .cpp files beside this one include it.
#include <cstdint>
#include <map>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>
#include <vector>

#include "engine/device/memory.h"
#include "kernels/bf16.h"
#include "kernels/onednn_memory.h"
#include "kernels/parallel.h"

namespace nagare::vendor::onednn {

template <class T>
inline constexpr dnnl::memory::data_type kTypeOf = dnnl::memory::data_type::undef;
template <>
inline constexpr dnnl::memory::data_type kTypeOf<float> = dnnl::memory::data_type::f32;
template <>
inline constexpr dnnl::memory::data_type kTypeOf<bf16> = dnnl::memory::data_type::bf16;

const dnnl::engine& engine();
// Of the calling thread: a primitive's buffers must not be used by two threads at once.
dnnl::stream& stream();

// True where oneDNN uses the processor's tile matrix unit.
bool has_amx();

// Scratch space is ours, from the allocator that reuses blocks; by default each primitive would keep its own
// for ever.
dnnl::primitive_attr user_scratchpad();

// A primitive that was prepared once and runs on any pointers. Build it from a primitive_desc with user_scratchpad().
class Prepared {
 public:
  template <class PrimitiveDesc>
  explicit Prepared(const PrimitiveDesc& desc)
      : primitive_(desc.get()), scratchpad_(desc.scratchpad_desc()) {}

  struct Argument {
    int name;  // DNNL_ARG_...
    dnnl::memory::desc desc;
    const void* data;
  };
  void run(const std::vector<Argument>& arguments) const;

 private:
  dnnl::primitive primitive_;
  dnnl::memory::desc scratchpad_;
};

// Copies `from` in layout `from_desc` to `to` in layout `to_desc`: another order, another element type or both.
void reorder(const dnnl::memory::desc& from_desc, const void* from, const dnnl::memory::desc& to_desc,
             void* to);

// make(), or what it returned for the same key on this thread and number of threads: oneDNN fixes the latter
// when a primitive is made. Value is one prepared case; a step of a network asks for some sixty of them,
// again and again.
template <class Value, class Key, class Make>
const Value& cached(const Key& key, const Make& make) {
  thread_local std::map<std::pair<int, Key>, std::unique_ptr<Value>> cache;
  auto& slot = cache[{threads(), key}];
  if (!slot) slot = std::make_unique<Value>(with_onednn_memory(make));
  return *slot;
}

}  // namespace nagare::vendor::onednn
