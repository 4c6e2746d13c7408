#pragma once
// oneDNN reports memory that it could not have by an exception of its own. Only files that use oneDNN include this.
#include <new>
#include <oneapi/dnnl/dnnl.hpp>

namespace nagare {

// body(); where oneDNN had no memory, std::bad_alloc like everywhere else. Its other errors go on as they are.
template <class Body>
decltype(auto) with_onednn_memory(const Body& body) {
  try {
    return body();
  } catch (const dnnl::error& error) {
    if (error.status == dnnl_out_of_memory) throw std::bad_alloc();
    throw;
  }
}

}  // namespace nagare
