#pragma once
// A dense array in row-major order, on one device. Images are NHWC, convolution weights OHWI, matrices (rows, cols).
//
// A Tensor is a cheap handle: copies share the elements (and the place in the autograd tape, if any). data() of a
// const Tensor is writable, as constness belongs to the handle. Views (reshaped, rows) share elements too.
// Nothing here records gradients; the differentiable functions are in engine/ops/.
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/device/device_context.h"
#include "engine/tensor/dtype.h"
#include "engine/tensor/shape.h"
#include "kernels/device.h"
#include "kernels/stream.h"

namespace nagare {

namespace tape {
class Node;
}

struct TensorOptions {
  DType dtype = DType::f32;
  Device device = Device::cpu;
};

class Tensor {
 public:
  // Undefined: no elements, no shape; defined() is false. Stands for "no bias", "no gradient".
  Tensor() = default;

  // Uninitialised elements. Throws OutOfMemory.
  static Tensor empty(const Shape& shape, const TensorOptions& options = {});
  static Tensor zeros(const Shape& shape, const TensorOptions& options = {});
  // f32 or bf16.
  static Tensor full(const Shape& shape, float value, const TensorOptions& options = {});
  // A copy of host values; values.size() must be shape.numel().
  template <class T>
  static Tensor from(std::span<const T> values, const Shape& shape, Device device = Device::cpu);
  template <class T>
  static Tensor from(const std::vector<T>& values, const Shape& shape, Device device = Device::cpu) {
    return from(std::span<const T>(values), shape, device);
  }
  // Memory that somebody else owns (a mapped file), kept alive by `owner`.
  static Tensor wrap(std::shared_ptr<void> owner, const Shape& shape, const TensorOptions& options);

  bool defined() const { return storage_ != nullptr; }
  explicit operator bool() const { return defined(); }
  const Shape& shape() const { return shape_; }
  DType dtype() const { return options_.dtype; }
  Device device() const { return options_.device; }
  const TensorOptions& options() const { return options_; }
  std::int64_t numel() const { return shape_.numel(); }
  std::size_t bytes() const { return static_cast<std::size_t>(numel()) * size_of(dtype()); }
  Stream stream() const { return compute_stream(device()); }

  // The first element, in device memory. std::invalid_argument when T is not the element type.
  template <class T>
  T* data() const {
    check_type(kDTypeOf<T>);
    return reinterpret_cast<T*>(static_cast<std::byte*>(storage_.get()) + offset_bytes_);
  }
  void* raw() const { return static_cast<std::byte*>(storage_.get()) + offset_bytes_; }

  // A view with another shape of the same numel.
  Tensor reshaped(const Shape& shape) const;
  // A view of `count` entries of the outermost axis, from `begin`.
  Tensor rows(std::int64_t begin, std::int64_t count) const;
  // The same elements, forgotten by the tape.
  Tensor detach() const;

  // A copy with its own elements, on the same device.
  Tensor clone() const;
  // This tensor when it is there already, else a copy there. Not recorded by the tape.
  Tensor to(Device device) const;
  // Overwrites the elements with those of `source` (same shape and type, any device).
  void copy_from(const Tensor& source) const;
  void fill_zero() const;

  // The elements on the host. T must be the element type, except float, which bf16 converts to.
  template <class T>
  std::vector<T> to_vector() const;
  // The one element of a tensor with numel 1, f32, bf16, f64 or i64.
  double item() const;

  // Leaves of the tape: parameters. grad() is undefined until backward() reached it.
  Tensor& set_requires_grad(bool requires_grad);
  bool requires_grad() const { return node_ != nullptr; }
  Tensor grad() const;
  void clear_grad() const;

  // The tape's entry for this tensor; nullptr when it has no history and needs no gradient.
  const std::shared_ptr<tape::Node>& node() const { return node_; }
  Tensor with_node(std::shared_ptr<tape::Node> node) const;

 private:
  void check_type(DType wanted) const;

  Shape shape_;
  TensorOptions options_;
  std::shared_ptr<void> storage_;
  std::size_t offset_bytes_ = 0;
  std::shared_ptr<tape::Node> node_;
};

Tensor empty_like(const Tensor& x);
Tensor zeros_like(const Tensor& x);

}  // namespace nagare
