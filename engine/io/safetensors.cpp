#include "engine/io/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <stdexcept>

#include "engine/device/errors.h"
#include "engine/tensor/checked_size.h"
#include "engine/text/printable.h"

namespace nagare::io {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors bytes are copied as they are");

constexpr std::uint64_t kLongestHeader = 100'000'000;
// A header of a hundred bytes may stand for a tensor of none: far more than any network has, so that the list is not
// many times as large as the file.
constexpr std::size_t kMostTensors = std::size_t{1} << 18;
constexpr std::size_t kMostAxes = 64;
constexpr const char* kMetadataKey = "__metadata__";

struct DiskType {
  const char* name;
  unsigned bits;
  std::optional<DType> loaded_as = std::nullopt;
};
// Every type of the format, so that all can be listed; some have fewer than 8 bits.
constexpr DiskType kDiskTypes[] = {
    {"BF16", 16, DType::bf16},
    {"BOOL", 8, DType::u8},
    {"C64", 64},
    {"F16", 16},
    {"F32", 32, DType::f32},
    {"F4", 4},
    {"F64", 64, DType::f64},
    {"F6_E2M3", 6},
    {"F6_E3M2", 6},
    {"F8_E4M3", 8},
    {"F8_E4M3FNUZ", 8},
    {"F8_E5M2", 8},
    {"F8_E5M2FNUZ", 8},
    {"F8_E8M0", 8},
    {"I16", 16},
    {"I32", 32},
    {"I64", 64, DType::i64},
    {"I8", 8},
    {"U16", 16},
    {"U32", 32},
    {"U64", 64},
    {"U8", 8, DType::u8},
};

const DiskType* find_type(std::string_view name) {
  const auto* found = std::ranges::find(kDiskTypes, name, &DiskType::name);
  return found == std::end(kDiskTypes) ? nullptr : found;
}

const char* disk_name(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return "F32";
    case DType::bf16:
      return "BF16";
    case DType::f64:
      return "F64";
    case DType::i64:
      return "I64";
    case DType::u8:
      return "U8";
  }
  return "";
}

// Receives the header's JSON piece by piece and accepts only what the format allows at that place. Building a
// document first would hide repeated keys and let a hostile header nest as deeply as it likes.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit HeaderReader(Metadata& metadata) : metadata_(metadata) {}

  std::vector<TensorInfo> tensors;
  std::string problem;

  bool null() override { return refuse("null"); }
  bool boolean(bool) override { return refuse("true or false"); }
  bool number_integer(std::int64_t) override { return refuse("a negative number"); }
  bool number_float(double, const std::string&) override {
    return refuse("a fraction or too large a number");
  }
  bool binary(nlohmann::json::binary_t&) override { return refuse("binary"); }

  bool number_unsigned(std::uint64_t value) override {
    if (place_ != Place::numbers) return refuse("a number");
    if (field_ == "shape") {
      if (value > static_cast<std::uint64_t>(INT64_MAX)) return refuse("a size above 2^63");
      if (tensors.back().shape.size() == kMostAxes) return refuse("more than 64 sizes");
      tensors.back().shape.push_back(static_cast<std::int64_t>(value));
    } else {
      if (offsets_.size() == 2) return refuse("more than two numbers");
      offsets_.push_back(value);
    }
    return true;
  }

  bool string(std::string& value) override {
    if (place_ == Place::metadata) {
      metadata_[field_] = value;
      return true;
    }
    if (place_ != Place::tensor || field_ != "dtype") return refuse("a string");
    if (find_type(value) == nullptr) return stop(who() + "unknown dtype '" + value + "'");
    tensors.back().dtype = value;
    return true;
  }

  bool key(std::string& value) override {
    if (!keys_.back().insert(value).second) return stop("'" + value + "' appears twice");
    field_ = value;
    if (place_ == Place::tensor && value != "dtype" && value != "shape" && value != "data_offsets") {
      return stop(who() + "unknown field '" + value + "'");
    }
    return true;
  }

  bool start_object(std::size_t) override {
    if (place_ == Place::outside) {
      place_ = Place::root;
    } else if (place_ == Place::root && field_ == kMetadataKey) {
      place_ = Place::metadata;
    } else if (place_ == Place::root) {
      if (tensors.size() == kMostTensors) return stop("more than 262144 tensors");
      place_ = Place::tensor;
      tensors.emplace_back().name = field_;
      offsets_.clear();
    } else {
      return refuse("an object");
    }
    keys_.emplace_back();
    return true;
  }

  bool end_object() override {
    const std::set<std::string> keys = std::move(keys_.back());
    keys_.pop_back();
    if (place_ == Place::tensor) {
      TensorInfo& t = tensors.back();
      if (keys.size() != 3) return stop(who() + "needs dtype, shape and data_offsets");
      if (offsets_.size() != 2) return stop(who() + "data_offsets needs two numbers");
      t.begin = offsets_[0];
      t.end = offsets_[1];
    }
    place_ = place_ == Place::root ? Place::outside : Place::root;
    return true;
  }

  bool start_array(std::size_t) override {
    if (place_ != Place::tensor || field_ == "dtype") return refuse("a list");
    place_ = Place::numbers;
    return true;
  }
  bool end_array() override {
    place_ = Place::tensor;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    if (problem.empty()) problem = "bad JSON at byte " + std::to_string(position) + " (" + error.what() + ")";
    return false;
  }

 private:
  enum class Place { outside, root, metadata, tensor, numbers };

  std::string who() const { return "tensor '" + tensors.back().name + "': "; }
  bool stop(std::string what) {
    problem = std::move(what);
    return false;
  }
  bool refuse(const char* what) {
    return stop("'" + field_ + "' holds " + what + ", which cannot stand there");
  }

  Metadata& metadata_;
  Place place_ = Place::outside;
  std::vector<std::set<std::string>> keys_;
  std::string field_ = "the header";
  std::vector<std::uint64_t> offsets_;
};

// What the sizes of one tensor say, or nothing when their product does not fit.
std::optional<std::uint64_t> bits_of(const TensorInfo& t) {
  return checked_bytes(t.shape, find_type(t.dtype)->bits);  // elements of so many bits
}

// Sorted by their bytes, the tensors must tile the data: a hole could hide anything, an overlap makes two names one.
std::string check_layout(const std::vector<TensorInfo>& tensors, std::uint64_t data_size) {
  std::uint64_t at = 0;
  for (const TensorInfo& t : tensors) {
    const std::string who = "tensor '" + t.name + "': ";
    const std::string offsets =
        "data_offsets [" + std::to_string(t.begin) + ", " + std::to_string(t.end) + "]";
    const std::optional<std::uint64_t> bits = bits_of(t);
    if (!bits) return who + "the product of its sizes overflows";
    if (t.end < t.begin) return who + offsets + " are reversed";
    if (t.begin != at) return who + offsets + " leave a hole or overlap: expected " + std::to_string(at);
    if (*bits % 8 != 0 || t.end - t.begin != *bits / 8) {
      return who + offsets + " hold " + std::to_string(t.end - t.begin) + " bytes, shape and dtype need " +
             std::to_string(*bits) + " bits";
    }
    at = t.end;
  }
  if (at != data_size) {
    return "the tensors end at byte " + std::to_string(at) + " of " + std::to_string(data_size) +
           " bytes of data";
  }
  return "";
}

std::string quoted(const std::string& text) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::exception&) {
    throw std::invalid_argument("safetensors: a name or a metadata text is not UTF-8");
  }
}

std::string make_header(const std::vector<NamedTensor>& tensors, const Metadata& metadata) {
  std::string header = "{";
  const auto separate = [&header] {
    if (header.size() > 1) header += ',';
  };
  if (!metadata.empty()) {
    header.append(quoted(kMetadataKey)).append(":{");
    bool first = true;
    for (const auto& [key, text] : metadata) {
      header.append(first ? "" : ",").append(quoted(key)).append(":").append(quoted(text));
      first = false;
    }
    header += "}";
  }
  std::size_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    separate();
    header += quoted(name) + ":{\"dtype\":\"" + disk_name(tensor.dtype()) + "\",\"shape\":[";
    for (int axis = 0; axis < tensor.shape().rank(); ++axis) {
      header.append(axis == 0 ? "" : ",").append(std::to_string(tensor.shape()[axis]));
    }
    header += "],\"data_offsets\":[" + std::to_string(offset) + "," +
              std::to_string(offset + tensor.bytes()) + "]}";
    offset += tensor.bytes();
  }
  header += "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  return header;
}

}  // namespace

SafetensorsFile::SafetensorsFile(std::vector<std::byte> bytes, std::string name)
    : bytes_(std::move(bytes)), name_(std::move(name)) {
  const auto fail = [this](const std::string& what) {
    throw BadData(name_ + ": not a good safetensors file: " + printable(what));
  };
  std::uint64_t length = 0;
  if (bytes_.size() < sizeof length) fail(std::to_string(bytes_.size()) + " bytes, at least 8 are needed");
  std::memcpy(&length, bytes_.data(), sizeof length);
  if (length > kLongestHeader || length > bytes_.size() - sizeof length) {
    fail("a header of " + std::to_string(length) + " bytes in a file of " + std::to_string(bytes_.size()));
  }
  const auto* text = reinterpret_cast<const char*>(bytes_.data()) + sizeof length;
  const std::string_view header(text, static_cast<std::size_t>(length));
  if (header.empty() || header.front() != '{') fail("the header does not start with '{'");
  // The JSON reader takes a zero byte for the end of its input.
  if (header.find('\0') != std::string_view::npos) fail("a zero byte in the header");
  HeaderReader reader(metadata_);
  if (!nlohmann::json::sax_parse(header.begin(), header.end(), &reader)) fail("header: " + reader.problem);
  tensors_ = std::move(reader.tensors);
  std::ranges::sort(tensors_, {}, [](const TensorInfo& t) { return std::pair(t.begin, t.end); });
  data_begin_ = sizeof length + static_cast<std::size_t>(length);
  const std::string problem = check_layout(tensors_, bytes_.size() - data_begin_);
  if (!problem.empty()) fail(problem);
}

const TensorInfo* SafetensorsFile::find(std::string_view tensor) const {
  const auto found = std::ranges::find(tensors_, tensor, &TensorInfo::name);
  return found == tensors_.end() ? nullptr : &*found;
}

Tensor SafetensorsFile::load(std::string_view tensor) const {
  const TensorInfo* info = find(tensor);
  if (info == nullptr) throw BadData(name_ + ": has no tensor '" + printable(tensor) + "'");
  const std::optional<DType> dtype = find_type(info->dtype)->loaded_as;
  if (!dtype) {
    throw BadData(name_ + ": tensor '" + printable(info->name) + "' holds " + info->dtype +
                  ", which is not supported; need F32, BF16, F64, I64, U8 or BOOL");
  }
  if (info->shape.size() > Shape::kMaxRank) {
    throw BadData(name_ + ": tensor '" + printable(info->name) + "' has " +
                  std::to_string(info->shape.size()) + " axes, at most " + std::to_string(Shape::kMaxRank) +
                  " are supported");
  }
  const Tensor t = Tensor::empty(Shape(info->shape), {.dtype = *dtype});
  if (t.bytes() > 0) std::memcpy(t.raw(), bytes_.data() + data_begin_ + info->begin, t.bytes());
  return t;
}

SafetensorsFile read_safetensors(const Path& path) { return {read_file(path), printable(path.string())}; }

void write_safetensors(const TakeBytes& take, const std::vector<NamedTensor>& tensors,
                       const Metadata& metadata) {
  std::vector<NamedTensor> sorted = tensors;
  std::ranges::sort(sorted, [](const NamedTensor& a, const NamedTensor& b) {
    const std::size_t wide_a = size_of(a.tensor.dtype());
    const std::size_t wide_b = size_of(b.tensor.dtype());
    return wide_a != wide_b ? wide_a > wide_b : a.name < b.name;
  });
  std::set<std::string_view> names{kMetadataKey};
  for (const auto& [name, tensor] : sorted) {
    if (!names.insert(name).second) throw std::invalid_argument("safetensors: name '" + name + "' is taken");
    if (!tensor.defined()) throw std::invalid_argument("safetensors: tensor '" + name + "' is undefined");
  }
  const std::string header = make_header(sorted, metadata);
  const std::uint64_t length = header.size();
  take(&length, sizeof length);
  take(header.data(), header.size());
  for (const NamedTensor& t : sorted) {
    const Tensor host = t.tensor.to(Device::cpu);
    take(host.raw(), host.bytes());
  }
}

void write_safetensors(const Path& path, const std::vector<NamedTensor>& tensors, const Metadata& metadata) {
  std::optional<AtomicFile> file;  // nothing is made for tensors that are refused
  write_safetensors(
      [&](const void* data, std::size_t bytes) {
        if (!file) file.emplace(path);
        file->write(data, bytes);
      },
      tensors, metadata);
  file->commit();
}

}  // namespace nagare::io
