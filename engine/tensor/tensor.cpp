#include "engine/tensor/tensor.h"

#include <cstring>
#include <stdexcept>
#include <string>

#include "engine/autograd/tape.h"
#include "engine/device/cuda_runtime.h"
#include "engine/device/errors.h"
#include "engine/device/memory.h"
#include "engine/tensor/checked_size.h"
#include "kernels/dispatch.h"
#include "kernels/elementwise.h"

namespace nagare {
namespace {

// Elements that a Shape can count may still be more bytes than an address.
std::size_t addressable_bytes(const Shape& shape, DType dtype) {
  const std::optional<std::size_t> bytes = checked_bytes(shape.sizes(), size_of(dtype));
  if (!bytes)
    throw OutOfMemory("tensor " + to_string(shape) + " " + to_string(dtype) + ": 2^62 bytes or more");
  return *bytes;
}

}  // namespace

Tensor Tensor::empty(const Shape& shape, const TensorOptions& options) {
  return wrap(allocate(options.device, addressable_bytes(shape, options.dtype)), shape, options);
}

Tensor Tensor::zeros(const Shape& shape, const TensorOptions& options) {
  Tensor t = empty(shape, options);
  t.fill_zero();
  return t;
}

Tensor Tensor::full(const Shape& shape, float value, const TensorOptions& options) {
  Tensor t = empty(shape, options);
  for_activation_type("full", options.dtype, [&]<class T>(T) {
    NAGARE_DISPATCH(t.device(), fill(t.numel(), value, t.data<T>(), t.stream()));
  });
  return t;
}

Tensor Tensor::wrap(std::shared_ptr<void> owner, const Shape& shape, const TensorOptions& options) {
  addressable_bytes(shape, options.dtype);
  Tensor t;
  t.shape_ = shape;
  t.options_ = options;
  t.storage_ = std::move(owner);
  return t;
}

template <class T>
Tensor Tensor::from(std::span<const T> values, const Shape& shape, Device device) {
  if (static_cast<std::int64_t>(values.size()) != shape.numel()) {
    throw std::invalid_argument("Tensor::from: " + std::to_string(values.size()) + " values for shape " +
                                to_string(shape));
  }
  Tensor t = empty(shape, {.dtype = kDTypeOf<T>, .device = device});
  copy_bytes({t.raw(), device}, {const_cast<T*>(values.data()), Device::cpu}, t.bytes());
  return t;
}

Tensor Tensor::reshaped(const Shape& shape) const {
  if (shape.numel() != numel()) {
    throw std::invalid_argument("reshape: " + to_string(shape_) + " has " + std::to_string(numel()) +
                                " elements, the new shape " + to_string(shape) + " has " +
                                std::to_string(shape.numel()));
  }
  Tensor t = detach();
  t.shape_ = shape;
  return t;
}

Tensor Tensor::rows(std::int64_t begin, std::int64_t count) const {
  if (shape_.rank() == 0 || begin < 0 || count < 0 || count > shape_[0] - begin) {
    throw std::out_of_range("rows: " + std::to_string(count) + " from " + std::to_string(begin) + " of " +
                            to_string(shape_));
  }
  std::vector<std::int64_t> sizes(shape_.sizes().begin(), shape_.sizes().end());
  const std::int64_t row = shape_[0] == 0 ? 0 : numel() / shape_[0];
  sizes[0] = count;
  Tensor t = detach();
  t.shape_ = Shape(sizes);
  t.offset_bytes_ += static_cast<std::size_t>(begin * row) * size_of(dtype());
  return t;
}

Tensor Tensor::detach() const {
  Tensor t = *this;
  t.node_.reset();
  return t;
}

Tensor Tensor::clone() const {
  Tensor t = empty(shape_, options_);
  t.copy_from(*this);
  return t;
}

Tensor Tensor::to(Device device) const {
  if (device == this->device()) return *this;
  Tensor t = empty(shape_, {.dtype = dtype(), .device = device});
  t.copy_from(*this);
  return t;
}

void Tensor::copy_from(const Tensor& source) const {
  if (source.shape() != shape_ || source.dtype() != dtype()) {
    throw std::invalid_argument("copy: source " + to_string(source.shape()) + " " +
                                to_string(source.dtype()) + ", destination " + to_string(shape_) + " " +
                                to_string(dtype()));
  }
  copy_bytes({raw(), device()}, {source.raw(), source.device()}, bytes());
}

void Tensor::fill_zero() const {
  // All element types are zero when all bits are.
  if (device() == Device::cpu) {
    std::memset(raw(), 0, bytes());
  } else if constexpr (kBuiltWithCuda) {
    cuda_runtime::fill_zero(raw(), bytes());
  }
}

template <class T>
std::vector<T> Tensor::to_vector() const {
  const Tensor host = to(Device::cpu);
  std::vector<T> values(static_cast<std::size_t>(numel()));
  if constexpr (std::is_same_v<T, float>) {
    if (dtype() == DType::bf16) {
      const auto* from = host.data<nagare::bf16>();
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(from[i]);
      return values;
    }
  }
  if (!values.empty()) std::memcpy(values.data(), host.data<T>(), bytes());
  return values;
}

double Tensor::item() const {
  if (numel() != 1) throw std::invalid_argument("item: shape " + to_string(shape_) + " has not one element");
  if (dtype() == DType::f64) return to_vector<double>()[0];
  if (dtype() == DType::i64) return static_cast<double>(to_vector<std::int64_t>()[0]);
  return to_vector<float>()[0];
}

Tensor& Tensor::set_requires_grad(bool requires_grad) {
  node_ = requires_grad ? tape::make_leaf() : nullptr;
  return *this;
}

Tensor Tensor::grad() const { return node_ ? tape::grad_of(*node_) : Tensor(); }

void Tensor::clear_grad() const {
  if (node_) tape::clear_grad_of(*node_);
}

Tensor Tensor::with_node(std::shared_ptr<tape::Node> node) const {
  Tensor t = *this;
  t.node_ = std::move(node);
  return t;
}

void Tensor::check_type(DType wanted) const {
  if (!defined()) throw std::invalid_argument("undefined tensor used as data");
  if (wanted != dtype()) {
    throw std::invalid_argument(std::string("tensor ") + to_string(shape_) + " holds " + to_string(dtype()) +
                                ", not " + to_string(wanted));
  }
}

Tensor empty_like(const Tensor& x) { return Tensor::empty(x.shape(), x.options()); }
Tensor zeros_like(const Tensor& x) { return Tensor::zeros(x.shape(), x.options()); }

template Tensor Tensor::from(std::span<const float>, const Shape&, Device);
template Tensor Tensor::from(std::span<const nagare::bf16>, const Shape&, Device);
template Tensor Tensor::from(std::span<const double>, const Shape&, Device);
template Tensor Tensor::from(std::span<const std::int64_t>, const Shape&, Device);
template Tensor Tensor::from(std::span<const std::uint8_t>, const Shape&, Device);
template std::vector<float> Tensor::to_vector() const;
template std::vector<nagare::bf16> Tensor::to_vector() const;
template std::vector<double> Tensor::to_vector() const;
template std::vector<std::int64_t> Tensor::to_vector() const;
template std::vector<std::uint8_t> Tensor::to_vector() const;

}  // namespace nagare
