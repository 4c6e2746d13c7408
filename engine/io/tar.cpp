#include "engine/io/tar.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <string_view>

#include "engine/device/errors.h"
#include "engine/text/printable.h"

namespace nagare::io {
namespace {

constexpr std::uint64_t kBlock = 512;
constexpr std::size_t kLongestName = 4096;
constexpr std::uint64_t kLargestExtension = std::uint64_t{1} << 20;  // extended attributes may be long
constexpr std::uint64_t kMostZeros = std::uint64_t{16} << 20;        // behind the end marker

using Block = std::array<char, kBlock>;

// Where in a header what stands.
struct Field {
  std::size_t at;
  std::size_t size;
};
constexpr Field kName = {.at = 0, .size = 100};
constexpr Field kSize = {.at = 124, .size = 12};
constexpr Field kChecksum = {.at = 148, .size = 8};
constexpr Field kType = {.at = 156, .size = 1};
constexpr Field kMagic = {.at = 257, .size = 8};  // with the version
constexpr Field kPrefix = {.at = 345, .size = 155};

constexpr std::string_view kPosixMagic("ustar\00000", 8);
constexpr std::string_view kGnuMagic("ustar  \0", 8);

std::string_view text_of(const Block& block, const Field& field) {
  return std::string_view(block.data(), block.size()).substr(field.at, field.size);
}

std::uint8_t byte(char c) { return static_cast<std::uint8_t>(c); }

bool is_zero(std::string_view bytes) {
  return std::ranges::all_of(bytes, [](char c) { return c == '\0'; });
}

// A value, or why there is none.
struct Number {
  std::uint64_t value = 0;
  const char* problem = nullptr;
};

// Spaces, octal digits, spaces or NULs.
Number octal(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  if (text.starts_with('-')) return {.problem = "is negative"};
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 8);
  const bool clean =
      std::all_of(end, text.data() + text.size(), [](char c) { return c == ' ' || c == '\0'; });
  if (error != std::errc() || !clean) return {.problem = "is not an octal number"};
  return {.value = value};
}

// Big-endian two's complement, marked by its highest bit: GNU's, for what octal digits cannot hold.
Number base_256(std::string_view bytes) {
  if ((byte(bytes[0]) & 0x40) != 0) return {.problem = "is negative"};
  std::uint64_t value = byte(bytes[0]) & 0x3FU;
  for (const char c : bytes.substr(1)) {
    if (value >> 55 != 0) return {.problem = "is beyond 63 bits"};
    value = value << 8 | byte(c);
  }
  return {.value = value};
}

Number number_of(const Block& block, const Field& field) {
  const std::string_view text = text_of(block, field);
  return (byte(text[0]) & 0x80) != 0 ? base_256(text) : octal(text);
}

Number decimal(std::string_view text) {
  if (text.starts_with('-')) return {.problem = "is negative"};
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range || value > std::numeric_limits<std::int64_t>::max())
    return {.problem = "is beyond 63 bits"};
  if (error != std::errc() || end != text.data() + text.size()) return {.problem = "is not a number"};
  return {.value = value};
}

// The sum of all bytes, those of the sum itself taken for spaces.
bool sum_is_right(const Block& block) {
  std::uint64_t sum = kChecksum.size * std::uint64_t{' '};
  for (std::size_t i = 0; i < block.size(); ++i)
    if (i < kChecksum.at || i >= kChecksum.at + kChecksum.size) sum += byte(block[i]);
  const Number told = octal(text_of(block, kChecksum));
  return told.problem == nullptr && told.value == sum;
}

// The program that unpacks what begins like this; "" when it is not packed.
std::string unpacker(const Block& block) {
  const std::string_view begin(block.data(), block.size());
  if (begin.starts_with("\x1f\x8b")) return "gunzip";
  if (begin.starts_with("BZh")) return "bunzip2";
  if (begin.starts_with(std::string_view("\xfd"
                                         "7zXZ\0",
                                         6)))
    return "unxz";
  if (begin.starts_with("\x28\xb5\x2f\xfd")) return "unzstd";
  return "";
}

// What a type that is not read is called.
std::string type_name(char type) {
  switch (type) {
    case '1':
      return "a hard link";
    case '2':
    case 'K':
      return "a symbolic link";
    case '3':
    case '4':
      return "a device";
    case '6':
      return "a fifo";
    case 'S':
      return "a sparse file";
    default:
      return "of the unknown type \"" + printable(std::string(1, type)) + "\"";
  }
}

// Why a name is none; "" when it is one.
std::string problem_of_name(std::string_view name) {
  if (name.empty()) return "its name is empty";
  if (name.size() > kLongestName) {
    return "a name of " + std::to_string(name.size()) + " bytes, at most " + std::to_string(kLongestName) +
           " are read";
  }
  if (name.front() == '/') return "its name is absolute";
  for (const char c : name) {
    if (c == '\\') return "a backslash in its name";
    if (c == '\0') return "a NUL in its name";
    if (byte(c) < 0x20 || byte(c) == 0x7F) return "a control byte in its name";
  }
  for (std::string_view rest = name; !rest.empty();) {
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    const std::string_view part = rest.substr(0, slash);
    if (part.empty() || part == "." || part == "..")
      return "\"" + std::string(part) + "\" as a part of its name";
    if (slash + 1 == rest.size()) return "its name ends with a slash";
    rest.remove_prefix(std::min(slash + 1, rest.size()));
  }
  return "";
}

class Lister {
 public:
  Lister(const Path& path, const TarLimits& limits) : path_(path), limits_(limits), file_(path) {}

  std::vector<TarMember> list() {
    std::uint64_t headers = 0;
    while (read_header()) {
      if (++headers > limits_.max_members)
        fail("more than " + std::to_string(limits_.max_members) + " members");
      take_header();
    }
    if (extended_) refuse("the archive ends where a member should follow an extended header");
    refuse_twins();
    return std::move(members_);
  }

 private:
  // What extended headers say of the member behind them.
  struct Extended {
    std::optional<std::string> name;
    std::optional<std::uint64_t> size;
  };

  [[noreturn]] void fail(const std::string& reason) const {
    throw BadData(printable(path_.string()) + ": " + reason);
  }
  // About the header at hand.
  [[noreturn]] void refuse(const std::string& reason) const {
    fail("byte " + std::to_string(at_) + ": " + reason);
  }
  [[noreturn]] void refuse_member(std::string_view name, const std::string& reason) const {
    constexpr std::size_t kShown = 200;
    fail("member \"" + printable(name.substr(0, kShown)) + (name.size() > kShown ? "...\": " : "\": ") +
         reason);
  }

  // The next header into block_; false at the end marker.
  bool read_header() {
    at_ = next_;
    const std::uint64_t left = file_.size() - at_;
    if (at_ == 0 && left == 0) fail("is empty");
    if (left == 0) refuse("the archive is cut: no end marker");
    if (left < kBlock && at_ > 0) refuse("the archive is cut inside a header");
    block_ = {};
    file_.read(at_, std::as_writable_bytes(std::span(block_).first(std::min(left, kBlock))));
    const std::string packed = at_ == 0 ? unpacker(block_) : "";
    if (left < kBlock || !sum_is_right(block_)) {
      if (!packed.empty()) fail("is packed; needs " + packed + " first");
      if (left >= kBlock && is_zero(text_of(block_, {.at = 0, .size = kBlock}))) {
        check_end();
        return false;
      }
      if (left < kBlock) fail(std::to_string(left) + " bytes; a tar archive has blocks of 512");
      refuse("no tar header there: its sum is wrong");
    }
    const std::string_view magic = text_of(block_, kMagic);
    if (magic != kPosixMagic && magic != kGnuMagic)
      refuse("a header without \"ustar\" in it; needs the format ustar, gnu or pax");
    next_ = at_ + kBlock;
    return true;
  }

  void check_end() const {
    const std::uint64_t begin = at_ + kBlock;
    const std::uint64_t left = file_.size() - begin;
    if (left < kBlock) refuse("the archive is cut: one block of zeros, its end has two");
    if (left - kBlock > kMostZeros)
      refuse(std::to_string(left - kBlock) + " bytes behind the archive's end, at most " +
             std::to_string(kMostZeros) + " may fill it");
    std::string piece;
    for (std::uint64_t done = 0; done < left; done += piece.size()) {
      piece.resize(std::min(left - done, kLargestExtension));
      file_.read(begin + done, std::as_writable_bytes(std::span(piece)));
      if (!is_zero(piece)) refuse("more than zeros behind the archive's end: a second archive?");
    }
  }

  void take_header() {
    const char type = text_of(block_, kType)[0];
    switch (type) {
      case 'L':
        take_long_name();
        break;
      case 'g':
      case 'x':
        take_records(type == 'g');
        break;
      case '\0':
      case '0':
      case '5':
      case '7':  // contiguous, which is a matter of where it lay
        take_member(type == '5');
        break;
      default:
        refuse_member(extended_ && extended_->name ? *extended_->name : own_name(),
                      "is " + type_name(type) + "; only regular files are read");
    }
  }

  // Up to the first NUL. What stands behind it would be the name to other readers.
  std::string name_in(const Field& field) const {
    const std::string_view text = text_of(block_, field);
    const std::string_view name = text.substr(0, text.find('\0'));
    if (!is_zero(text.substr(name.size()))) refuse_member(text, "a NUL in its name");
    return std::string(name);
  }

  std::string own_name() const {
    const std::string name = name_in(kName);
    // GNU keeps times where POSIX has the prefix.
    const std::string prefix = text_of(block_, kMagic) == kPosixMagic ? name_in(kPrefix) : "";
    return prefix.empty() ? name : prefix + "/" + name;
  }

  // Of what the header at hand stands for, where the archive can hold it; moves on behind that.
  ByteRange take_bytes(std::string_view name, const Number& size) {
    if (size.problem != nullptr) refuse_member(name, std::string("its size ") + size.problem);
    const ByteRange bytes = {.offset = next_, .size = size.value};
    const std::uint64_t left = file_.size() - next_;
    if (size.value > left) {
      refuse_member(name, std::to_string(size.value) + " bytes, the archive has " + std::to_string(left) +
                              " more: it is cut, or the size is wrong");
    }
    const std::uint64_t blocks = size.value / kBlock + (size.value % kBlock != 0 ? 1 : 0);
    next_ = std::min(next_ + blocks * kBlock, file_.size());
    return bytes;
  }

  std::string take_extension(std::uint64_t most) {
    const std::string name = own_name();
    const Number size = number_of(block_, kSize);
    if (size.problem == nullptr && size.value > most) {
      refuse("an extended header of " + std::to_string(size.value) + " bytes, at most " +
             std::to_string(most) + " are read");
    }
    const ByteRange bytes = take_bytes(name, size);
    std::string text(bytes.size, '\0');
    file_.read(bytes.offset, std::as_writable_bytes(std::span(text)));
    return text;
  }

  void take_long_name() {
    if (extended_) refuse("a second extended header for one member");
    std::string name = take_extension(kLongestName + 1);
    if (name.ends_with('\0')) name.pop_back();
    extended_ = Extended{.name = std::move(name), .size = {}};
  }

  // "LENGTH KEY=VALUE\n", the length that of the whole record.
  void take_records(bool global) {
    if (extended_) refuse("a second extended header for one member");
    const std::string text = take_extension(kLargestExtension);
    Extended extended;
    for (std::string_view rest = text; !rest.empty();) {
      const std::size_t space = std::min(rest.find(' '), rest.size());
      const Number length = decimal(rest.substr(0, space));
      if (length.problem != nullptr || length.value > rest.size() || length.value < space + 2 ||
          rest[length.value - 1] != '\n')
        refuse("a malformed record in an extended header");
      const std::string_view record = rest.substr(space + 1, length.value - space - 2);
      const std::size_t equals = record.find('=');
      if (equals == std::string_view::npos || equals == 0)
        refuse("a record without a key in an extended header");
      take_record(record.substr(0, equals), record.substr(equals + 1), global, extended);
      rest.remove_prefix(length.value);
    }
    if (!global) extended_ = std::move(extended);
  }

  void take_record(std::string_view key, std::string_view value, bool global, Extended& extended) const {
    const bool sparse = key.starts_with("GNU.sparse.");
    if (key != "path" && key != "size" && !sparse) return;
    if (global) refuse("\"" + printable(key) + "\" for every member, in a global header");
    if (sparse) refuse("the member behind is a sparse file; only regular files are read");
    if (key == "path" ? extended.name.has_value() : extended.size.has_value())
      refuse("\"" + std::string(key) + "\" twice in an extended header");
    if (value.empty()) return;  // the header's own counts
    if (key == "path") {
      extended.name = value;
      return;
    }
    const Number size = decimal(value);
    if (size.problem != nullptr) refuse("the size in an extended header " + std::string(size.problem));
    extended.size = size.value;
  }

  // That of the member at hand; a directory's field may be blank.
  Number member_size(bool directory) const {
    if (extended_ && extended_->size) return {.value = *extended_->size};
    constexpr std::string_view kBlank(" \0", 2);
    const bool blank = text_of(block_, kSize).find_first_not_of(kBlank) == std::string_view::npos;
    return directory && blank ? Number() : number_of(block_, kSize);
  }

  void take_member(bool directory) {
    std::string name = extended_ && extended_->name ? std::move(*extended_->name) : own_name();
    const Number size = member_size(directory);
    extended_.reset();
    // Before there was a type for them.
    directory = directory || (name.ends_with('/') && size.problem == nullptr && size.value == 0);
    const bool itself = directory && (name == "." || name == "./");  // what `tar c .` begins with
    std::string_view key = name;
    if (directory && key.ends_with('/')) key.remove_suffix(1);
    if (key.starts_with("./")) key.remove_prefix(2);
    const std::string problem = itself ? "" : problem_of_name(key);
    if (!problem.empty()) refuse_member(name, problem);
    const ByteRange bytes = take_bytes(name, size);
    if (directory && bytes.size != 0) refuse_member(name, "a directory with bytes of its own");
    if (!directory) members_.push_back({.name = std::string(key), .bytes = bytes});
  }

  void refuse_twins() const {
    std::vector<const std::string*> names;
    for (const TarMember& member : members_) names.push_back(&member.name);
    std::ranges::sort(names, {}, [](const std::string* name) -> const std::string& { return *name; });
    const auto same = [](const std::string* a, const std::string* b) { return *a == *b; };
    const auto twin = std::ranges::adjacent_find(names, same);
    if (twin != names.end()) refuse_member(**twin, "is there twice");
  }

  Path path_;
  TarLimits limits_;
  InputFile file_;
  Block block_ = {};
  std::uint64_t at_ = 0;    // where the header at hand begins
  std::uint64_t next_ = 0;  // where the next one does
  std::optional<Extended> extended_;
  std::vector<TarMember> members_;
};

}  // namespace

std::vector<TarMember> list_tar(const Path& path, const TarLimits& limits) {
  return Lister(path, limits).list();
}

}  // namespace nagare::io
