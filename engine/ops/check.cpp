#include "engine/ops/check.h"

#include <stdexcept>
#include <string>

namespace nagare {
namespace {

std::string describe(const Tensor& x) { return to_string(x.shape()) + " " + to_string(x.dtype()); }

}  // namespace

void check_defined(const char* op, const Tensor& x) {
  if (!x.defined()) throw std::invalid_argument(std::string(op) + ": an undefined tensor as input");
}

void check_dtype(const char* op, const Tensor& x, DType wanted) {
  check_defined(op, x);
  if (x.dtype() != wanted) {
    throw std::invalid_argument(std::string(op) + ": got " + describe(x) + ", need " + to_string(wanted));
  }
}

void check_activation(const char* op, const Tensor& x) {
  check_defined(op, x);
  if (x.dtype() != DType::f32 && x.dtype() != DType::bf16) {
    throw std::invalid_argument(std::string(op) + ": got " + describe(x) + ", need f32 or bf16");
  }
}

void check_same_device(const char* op, const Tensor& a, const Tensor& b) {
  check_defined(op, a);
  check_defined(op, b);
  if (a.device() != b.device()) {
    throw std::invalid_argument(std::string(op) + ": inputs on " + to_string(a.device()) + " and " +
                                to_string(b.device()) + ", need one device");
  }
}

void check_same_kind(const char* op, const Tensor& a, const Tensor& b) {
  check_same_device(op, a, b);
  if (a.shape() != b.shape() || a.dtype() != b.dtype()) {
    throw std::invalid_argument(std::string(op) + ": " + describe(a) + " and " + describe(b) +
                                ", need the same shape and type");
  }
}

void check_rank(const char* op, const Tensor& x, int rank) {
  check_defined(op, x);
  if (x.shape().rank() < rank) {
    throw std::invalid_argument(std::string(op) + ": shape " + to_string(x.shape()) + ", need at least " +
                                std::to_string(rank) + (rank == 1 ? " axis" : " axes"));
  }
}

}  // namespace nagare
