#pragma once
// The safetensors file format: named tensors, and named strings about them.
//
//   u64 little-endian header length N | N bytes of JSON | tensor bytes to the end of the file
//   {"NAME": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ..., "__metadata__": {"KEY": "TEXT"}}
//
// Elements are row-major, little-endian and packed. Reading treats the file as hostile and accepts only what
// has one meaning; the list of refusals is in docs/file-formats.md. Values are not looked at: NaN may be inside.
//
// source  github.com/huggingface/safetensors
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/io/file.h"
#include "engine/tensor/tensor.h"

namespace nagare::io {

struct NamedTensor {
  std::string name;
  Tensor tensor;
};
using Metadata = std::map<std::string, std::string>;

// One tensor as the header describes it. Any type of the format is listed; Tensor holds only some of them.
struct TensorInfo {
  std::string name;
  std::string dtype;  // "F32"
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0;  // in bytes from the start of the tensor data
  std::uint64_t end = 0;
};

class SafetensorsFile {
 public:
  // `name` stands for the file in errors. BadData when anything is wrong with the bytes.
  SafetensorsFile(std::vector<std::byte> bytes, std::string name);

  // In the order of their bytes.
  const std::vector<TensorInfo>& tensors() const { return tensors_; }
  const Metadata& metadata() const { return metadata_; }
  const std::string& name() const { return name_; }
  // nullptr when there is none of that name.
  const TensorInfo* find(std::string_view tensor) const;
  // A copy of the elements, on the CPU. BadData when there is none of that name, or it has a type or rank
  // that Tensor does not (it holds F32, BF16, F64, I64, U8 and, as u8, BOOL).
  Tensor load(std::string_view tensor) const;

 private:
  std::vector<std::byte> bytes_;
  std::string name_;
  std::size_t data_begin_ = 0;
  std::vector<TensorInfo> tensors_;
  Metadata metadata_;
};

SafetensorsFile read_safetensors(const Path& path);

// Atomically replaces `path`. Tensors are laid out by element size, widest first, then by name, without gaps,
// behind a header padded to 8 bytes, so equal content gives equal bytes. Tensors may be on any device.
// errors  CannotWrite; std::invalid_argument for a repeated or reserved name, an undefined tensor, text that is no
//         UTF-8
void write_safetensors(const Path& path, const std::vector<NamedTensor>& tensors,
                       const Metadata& metadata = {});

// The same bytes, given piece by piece: header, then one tensor after the other.
using TakeBytes = std::function<void(const void* data, std::size_t bytes)>;
void write_safetensors(const TakeBytes& take, const std::vector<NamedTensor>& tensors,
                       const Metadata& metadata = {});

}  // namespace nagare::io
