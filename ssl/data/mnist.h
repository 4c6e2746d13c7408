#pragma once
// MNIST and the sets that come in its files (Fashion-MNIST, KMNIST): IDX arrays of unsigned bytes.
//
//   {train,t10k}-images-idx3-ubyte   bytes 0 0 8 3, then count, rows and columns as big-endian 32-bit numbers, then
//                                    count x rows x columns grey values, row-major
//   {train,t10k}-labels-idx1-ubyte   bytes 0 0 8 1, count, count labels
//
// directory  the one that holds the four files, unpacked; "train-images.idx3-ubyte" is read, too
// pad        black pixels added on every side, 0 to 16 (2: 28 x 28 becomes 32 x 32, as UCL reads the digits for its networks)
// images     the grey value three times, (count, side, side, 3) in u8; rows and columns must be equal, at most 1024
// classes    as many as the largest training label says, called by their numbers; a test label beyond is refused
// errors     BadData naming the file and the size, magic number or count found and needed
// source     Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits", 1998
#include "ssl/data/dataset.h"
#include "ssl/data/spec.h"

namespace nagare::ssl {

Dataset load_mnist(const DataSpec& spec, const DataOptions& options);

}  // namespace nagare::ssl
