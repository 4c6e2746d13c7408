#pragma once
// Ops that move elements and change none. All but gather_rows' and concat's gradients take any element type;
// gradients exist for f32 and bf16. Errors: std::invalid_argument or std::out_of_range with the shapes.
#include <vector>

#include "engine/tensor/tensor.h"

namespace nagare {

// The same elements in another shape of the same numel; shares memory with x.
Tensor reshape(const Tensor& x, const Shape& shape);

// y's axis a is x's axis axes[a]; each axis once.
Tensor permute(const Tensor& x, const std::vector<int>& axes);

// One after the other along `axis` (negative: from the last); at least one tensor, all other sizes equal.
Tensor concat(const std::vector<Tensor>& parts, int axis);

// Entries [begin, begin + count) of `axis`.
Tensor slice(const Tensor& x, int axis, std::int64_t begin, std::int64_t count);

// y[r, ...] = x[indices[r], ...] for indices i64 (R): (S, ...) -> (R, ...). An index may repeat; gradients
// then add in the order of r. On the CPU an index outside x is std::out_of_range, on CUDA its row is NaN
// (kernels/layout.h).
Tensor gather_rows(const Tensor& x, const Tensor& indices);

}  // namespace nagare
