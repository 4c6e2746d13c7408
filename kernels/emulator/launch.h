#pragma once
// kernels/launch.h where NAGARE_EMULATOR is defined: kernels run on the CPU, and a launch returns when it has ended.
#include <cstddef>
#include <cstdint>
#include <tuple>

#include "kernels/emulator/builtins.h"
#include "kernels/stream.h"

namespace nagare::kernels::cuda {

template <class... Params, class... Args>
void launch(const char* name, void (*kernel)(Params...), dim3 grid, dim3 block, std::size_t shared_bytes,
            Stream, Args... args) {
  struct Call {
    void (*kernel)(Params...);
    std::tuple<Params...> params;
    std::size_t shared_bytes;
  };
  const Call call{kernel, {static_cast<Params>(args)...}, shared_bytes};
  const auto thread = [](const void* context) {
    const auto& self = *static_cast<const Call*>(context);
    // Dynamic shared memory has its exact size whether or not the kernel names it.
    if (self.shared_bytes > 0) nagare::emulator::shared_array(nullptr, "(dynamic)", self.shared_bytes);
    std::apply(self.kernel, self.params);
  };
  nagare::emulator::run_grid({name, grid, block, shared_bytes}, thread, &call);
}

}  // namespace nagare::kernels::cuda

// See kernels/launch.h. `site` tells arrays apart; in a template every instantiation has its own.
#define NAGARE_SHARED(type, name, dims)           \
  static const char nagare_site_##name = 0;       \
  using nagare_type_##name = type dims;           \
  auto& name = *static_cast<nagare_type_##name*>( \
      ::nagare::emulator::shared_array(&nagare_site_##name, #name, sizeof(nagare_type_##name)))
#define NAGARE_DYNAMIC_SHARED(type, name) \
  auto* name = static_cast<type*>(::nagare::emulator::shared_array(nullptr, #name, 0))
