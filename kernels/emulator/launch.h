#pragma once
// kernels/launch.h where NAGARE_EMULATOR is defined: kernels run on the CPU, and a launch returns when it has ended.
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <type_traits>

#include "kernels/emulator/builtins.h"
#include "kernels/stream.h"

namespace nagare::kernels::cuda {

template <class... Params, class... Args>
void launch(const char* name, void (*kernel)(Params...), dim3 grid, dim3 block, std::size_t shared_bytes,
            Stream, Args... args) {
  static_assert((sizeof(Params) + ... + 0) <= 32764, "CUDA passes at most 32764 bytes of parameters");
  static_assert((std::is_trivially_copyable_v<Params> && ...), "CUDA copies parameters byte by byte");
  struct Call {
    void (*kernel)(Params...);
    std::tuple<Params...> params;
  };
  const Call call{kernel, {static_cast<Params>(args)...}};
  const auto thread = [](const void* context) {
    const auto& self = *static_cast<const Call*>(context);
    std::apply(self.kernel, self.params);
  };
  nagare::emulator::run_grid({name, reinterpret_cast<const void*>(kernel), grid, block, shared_bytes}, thread,
                             &call);
}

}  // namespace nagare::kernels::cuda

// See kernels/launch.h. `site` tells arrays apart; in a template every instantiation has its own.
#define NAGARE_SHARED(type, name, dims)           \
  static const char nagare_site_##name = 0;       \
  using nagare_type_##name = type dims;           \
  auto& name = *static_cast<nagare_type_##name*>( \
      ::nagare::emulator::shared_array(&nagare_site_##name, #name, sizeof(nagare_type_##name)))
#define NAGARE_DYNAMIC_SHARED(type, name)                                                       \
  static_assert(alignof(type) <= 16, "dynamic shared memory is aligned to 16 bytes, not more"); \
  auto* name = static_cast<type*>(::nagare::emulator::dynamic_shared_memory())
