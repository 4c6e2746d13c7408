#include "engine/io/event_file.h"

#include <bit>

#include "engine/io/crc32c.h"

namespace nagare::io {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are written as they lie in memory");

template <class Number>
void put(std::string& bytes, Number number) {
  bytes.append(reinterpret_cast<const char*>(&number), sizeof number);
}

std::uint32_t masked_crc(std::string_view bytes) { return std::rotr(crc32c(bytes), 15) + 0xA282EAD8U; }

// Protobuf: a field is its number and wire type (0 varint, 1 eight bytes, 2 bytes with their length, 5 four bytes).
void put_varint(std::string& bytes, std::uint64_t number) {
  for (; number >= 0x80; number >>= 7) bytes += static_cast<char>(number | 0x80U);
  bytes += static_cast<char>(number);
}

void put_key(std::string& bytes, unsigned field, unsigned wire_type) {
  put_varint(bytes, field << 3 | wire_type);
}

void put_bytes(std::string& bytes, unsigned field, std::string_view content) {
  put_key(bytes, field, 2);
  put_varint(bytes, content.size());
  bytes += content;
}

std::string event(const EventTime& time) {
  std::string bytes;
  put_key(bytes, 1, 1);
  put(bytes, time.wall);
  if (time.step != 0) {
    put_key(bytes, 2, 0);
    put_varint(bytes, static_cast<std::uint64_t>(time.step));
  }
  return bytes;
}

std::string record(std::string_view content) {
  std::string bytes;
  put(bytes, std::uint64_t{content.size()});
  put(bytes, masked_crc(bytes));
  bytes += content;
  put(bytes, masked_crc(content));
  return bytes;
}

}  // namespace

EventFile::EventFile(const Path& path, double wall) : file_(path) {
  std::string version = event({.wall = wall, .step = 0});
  put_bytes(version, 3, "brain.Event:2");
  file_.append(record(version));
}

void EventFile::add(const EventTime& time, std::span<const Scalar> scalars) {
  if (scalars.empty()) return;
  std::string summary;
  for (const Scalar& scalar : scalars) {
    std::string value;
    put_bytes(value, 1, scalar.tag);
    put_key(value, 2, 5);
    put(value, scalar.value);
    put_bytes(summary, 1, value);
  }
  std::string bytes = event(time);
  put_bytes(bytes, 5, summary);
  file_.append(record(bytes));
}

void EventFile::add_start(const EventTime& time) {
  std::string log;
  put_key(log, 1, 0);
  put_varint(log, 1);
  std::string bytes = event(time);
  put_bytes(bytes, 7, log);
  file_.append(record(bytes));
}

}  // namespace nagare::io
