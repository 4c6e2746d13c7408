#pragma once
// Features as double matrices on the host.
#include "engine/tensor/tensor.h"
#include "engine/vendor/dense.h"

namespace nagare::ssl {

// (N, D) f32 of at least `rows` rows; `who` names the caller in the error.
vendor::DenseMatrix dense(const char* who, const Tensor& features, std::int64_t rows = 1);
// Rows divided by max(their length, 1e-12).
void normalize_rows(vendor::DenseMatrix& m);
std::vector<double> column_means(const vendor::DenseMatrix& m);
void subtract_row(vendor::DenseMatrix& m, const std::vector<double>& row);

}  // namespace nagare::ssl
