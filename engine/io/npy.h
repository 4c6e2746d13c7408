#pragma once
// NumPy's array file, version 1.0: a text header (type, order, shape) padded to 64 bytes, then the elements.
//
// f32, f64, i64 and u8 tensors, little-endian, C order. bf16 has no name there: cast first.
//
// source  numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#include "engine/io/file.h"
#include "engine/tensor/tensor.h"

namespace nagare::io {

// Atomically replaces `path`. std::invalid_argument for bf16 or an undefined tensor; CannotWrite.
void write_npy(const Path& path, const Tensor& tensor);
// A copy on the CPU. BadData for anything but what write_npy writes.
Tensor read_npy(const Path& path);

}  // namespace nagare::io
