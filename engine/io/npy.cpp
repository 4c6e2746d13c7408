#include "engine/io/npy.h"

#include <charconv>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine/device/errors.h"
#include "engine/tensor/checked_size.h"
#include "engine/text/printable.h"

namespace nagare::io {
namespace {

constexpr std::string_view kMagic("\x93NUMPY\x01\x00", 8);
constexpr std::size_t kAlignment = 64;

struct NpyType {
  DType dtype;
  std::string_view descr;
};
constexpr NpyType kTypes[] = {
    {DType::f32, "<f4"}, {DType::f64, "<f8"}, {DType::i64, "<i8"}, {DType::u8, "|u1"}};

std::string make_header(const Tensor& tensor) {
  std::string_view descr;
  for (const NpyType& type : kTypes) {
    if (type.dtype == tensor.dtype()) descr = type.descr;
  }
  if (descr.empty()) {
    throw std::invalid_argument(std::string("write_npy: element type ") + to_string(tensor.dtype()) +
                                ", need f32, f64, i64 or u8");
  }
  std::string header = "{'descr': '" + std::string(descr) + "', 'fortran_order': False, 'shape': (";
  for (const std::int64_t size : tensor.shape().sizes()) header += std::to_string(size) + ", ";
  header += "), }";
  const std::size_t before = kMagic.size() + 2;
  header.resize((before + header.size() + 1 + kAlignment - 1) / kAlignment * kAlignment - before - 1, ' ');
  return header + "\n";
}

// Takes `expected` off the front of `text`.
bool take(std::string_view& text, std::string_view expected) {
  if (!text.starts_with(expected)) return false;
  text.remove_prefix(expected.size());
  return true;
}

}  // namespace

void write_npy(const Path& path, const Tensor& tensor) {
  if (!tensor.defined()) throw std::invalid_argument("write_npy: an undefined tensor");
  const std::string header = make_header(tensor);
  const auto length = static_cast<std::uint16_t>(header.size());
  const Tensor host = tensor.to(Device::cpu);
  AtomicFile file(path);
  file.write(kMagic);
  file.write(&length, sizeof length);
  file.write(header);
  file.write(host.raw(), host.bytes());
  file.commit();
}

Tensor read_npy(const Path& path) {
  const std::string content = read_text(path);
  const auto fail = [&path](const char* what) {
    return BadData(printable(path.string()) + ": not a good .npy file: " + what);
  };
  std::string_view rest = content;
  std::uint16_t length = 0;
  if (!take(rest, kMagic) || rest.size() < sizeof length) throw fail("wrong first bytes, need version 1.0");
  std::memcpy(&length, rest.data(), sizeof length);
  rest.remove_prefix(sizeof length);
  if (rest.size() < length) throw fail("the header is cut");
  std::string_view header = rest.substr(0, length);
  rest.remove_prefix(length);

  const NpyType* type = nullptr;
  if (!take(header, "{'descr': '")) throw fail("the header does not start with a type");
  for (const NpyType& t : kTypes) {
    if (take(header, t.descr)) type = &t;
  }
  if (type == nullptr || !take(header, "', 'fortran_order': False, 'shape': ("))
    throw fail("unknown type or order");
  std::vector<std::int64_t> sizes;
  while (!header.empty() && header.front() != ')') {
    std::int64_t size = 0;
    const auto [end, error] = std::from_chars(header.data(), header.data() + header.size(), size);
    if (error != std::errc() || size < 0 || sizes.size() == Shape::kMaxRank) throw fail("bad shape");
    header.remove_prefix(static_cast<std::size_t>(end - header.data()));
    sizes.push_back(size);
    if (!take(header, ", ") && !take(header, ",") && !header.starts_with(')')) throw fail("bad shape");
  }
  if (!take(header, "), }") || !header.ends_with('\n') || header.find_first_not_of(' ') + 1 != header.size())
    throw fail("the header does not end behind the shape");
  const std::optional<std::size_t> bytes = checked_bytes(sizes, size_of(type->dtype));
  if (!bytes || *bytes != rest.size()) throw fail("the size of the data does not match the shape");
  const Tensor t = Tensor::empty(Shape(sizes), {.dtype = type->dtype});
  if (!rest.empty()) std::memcpy(t.raw(), rest.data(), rest.size());
  return t;
}

}  // namespace nagare::io
