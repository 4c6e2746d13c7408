#include "engine/io/event_file.h"

#include <gmock/gmock.h>

#include "engine/io/crc32c.h"
#include "tests/support/temporary_directory.h"

namespace nagare::io {
namespace {

using test::TemporaryDirectory;

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    for (const int shift : {4, 0}) text += "0123456789abcdef"[(static_cast<unsigned char>(c) >> shift) & 15];
  }
  return text;
}

TEST(Crc32cTest, MatchesPublishedVectors) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
  EXPECT_EQ(crc32c(""), 0U);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);    // RFC 3720, B.4
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43U);  // RFC 3720, B.4
}

TEST(EventFileTest, WritesTheBytesThatTensorBoardReads) {
  const TemporaryDirectory directory;
  EventFile file(directory.path() / "events", 1.0);
  const Scalar loss{.tag = "loss", .value = 0.5F};
  file.add({.wall = 2.0, .step = 7}, {&loss, 1});
  file.add({.wall = 3.0, .step = 8}, {});
  EXPECT_EQ(hex(read_text(directory.path() / "events")),
            "1800000000000000a37f4b2209000000000000f03f1a0d627261696e2e4576656e743a3286bf577a"
            "1a00000000000000129bd82d09000000000000004010072a0d0a0b0a046c6f7373150000003fc33fc24a");
}

TEST(EventFileTest, AStartSaysFromWhichStepOn) {
  const TemporaryDirectory directory;
  EventFile file(directory.path() / "events", 1.0);
  const std::size_t before = read_text(directory.path() / "events").size();
  file.add_start({.wall = 2.0, .step = 300});
  // wall 2.0, step 300 as varint, field 7 of two bytes: status = 1
  EXPECT_EQ(hex(read_text(directory.path() / "events").substr(before + 12, 16)),
            "090000000000000040"
            "10ac02"
            "3a020801");
}

TEST(EventFileTest, GoesOnBehindWhatIsThere) {
  const TemporaryDirectory directory;
  { const EventFile first(directory.path() / "events", 1.0); }
  const std::string once = read_text(directory.path() / "events");
  { const EventFile second(directory.path() / "events", 1.0); }
  EXPECT_EQ(read_text(directory.path() / "events"), once + once);
}

}  // namespace
}  // namespace nagare::io
