// Reads a run's event files back with a parser of its own: framing and checksums bit by bit, protobuf by its rules.
#include <gmock/gmock.h>

#include <cstring>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/apps/nagare_process.h"

namespace nagare::test {
namespace {

using testing::ElementsAre;

std::uint32_t slow_crc32c(std::string_view bytes) {
  std::uint32_t crc = 0xFFFFFFFFU;
  for (const char byte : bytes) {
    for (int bit = 0; bit < 8; ++bit) {
      const bool odd = ((crc ^ (static_cast<unsigned char>(byte) >> bit)) & 1U) != 0;
      crc = crc >> 1 ^ (odd ? 0x82F63B78U : 0U);
    }
  }
  return crc ^ 0xFFFFFFFFU;
}

std::uint32_t masked(std::string_view bytes) {
  const std::uint32_t crc = slow_crc32c(bytes);
  return ((crc >> 15) | (crc << 17)) + 0xA282EAD8U;
}

template <class Number>
Number take(std::string_view& bytes) {
  Number number{};
  if (bytes.size() < sizeof number) throw std::runtime_error("cut short");
  std::memcpy(&number, bytes.data(), sizeof number);
  bytes.remove_prefix(sizeof number);
  return number;
}

std::uint64_t take_varint(std::string_view& bytes) {
  std::uint64_t number = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = take<std::uint8_t>(bytes);
    number |= std::uint64_t{byte & 0x7FU} << shift;
    if (byte < 0x80) return number;
  }
}

struct FieldOf {
  unsigned number = 0;
  std::uint64_t value = 0;        // varint, or the bits of a fixed number
  std::string_view content = {};  // of a length-delimited field
};

std::vector<FieldOf> fields(std::string_view message) {
  std::vector<FieldOf> list;
  while (!message.empty()) {
    const std::uint64_t key = take_varint(message);
    FieldOf field{.number = static_cast<unsigned>(key >> 3)};
    switch (key & 7U) {
      case 0:
        field.value = take_varint(message);
        break;
      case 1:
        field.value = take<std::uint64_t>(message);
        break;
      case 5:
        field.value = take<std::uint32_t>(message);
        break;
      case 2: {
        const std::uint64_t length = take_varint(message);
        field.content = message.substr(0, length);
        message.remove_prefix(length);
        break;
      }
      default:
        throw std::runtime_error("unknown wire type");
    }
    list.push_back(field);
  }
  return list;
}

struct Event {
  std::int64_t step = 0;
  std::string version;
  bool start = false;
  std::map<std::string, float> scalars;
};

Event parse_event(std::string_view message) {
  Event event;
  for (const FieldOf& field : fields(message)) {
    if (field.number == 2) event.step = static_cast<std::int64_t>(field.value);
    if (field.number == 3) event.version = field.content;
    if (field.number == 7) event.start = fields(field.content).at(0).value == 1;
    if (field.number != 5) continue;
    for (const FieldOf& value : fields(field.content)) {
      const std::vector<FieldOf> parts = fields(value.content);
      const auto bits = static_cast<std::uint32_t>(parts.at(1).value);
      float number = 0.0F;
      std::memcpy(&number, &bits, sizeof number);
      event.scalars[std::string(parts.at(0).content)] = number;
    }
  }
  return event;
}

std::vector<Event> read_events(const std::string& file) {
  const std::string content = read_all(file);
  std::string_view bytes = content;
  std::vector<Event> events;
  while (!bytes.empty()) {
    const std::string_view length_bytes = bytes.substr(0, 8);
    const auto length = take<std::uint64_t>(bytes);
    EXPECT_EQ(take<std::uint32_t>(bytes), masked(length_bytes));
    const std::string_view message = bytes.substr(0, length);
    bytes.remove_prefix(length);
    EXPECT_EQ(take<std::uint32_t>(bytes), masked(message));
    events.push_back(parse_event(message));
  }
  return events;
}

std::vector<std::string> event_files(const std::string& run) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(run)) {
    if (entry.path().filename().string().starts_with("events.out.tfevents.")) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

TEST(TensorBoardTest, HoldsWhatMetricsSay) {
  const TemporaryDirectory directory;
  const std::string run = directory / "run";
  ASSERT_EQ(run_nagare(tiny_run(run, {"--strategy", "er", "--buffer", "8"})).exit_code, 0);
  ASSERT_EQ(event_files(run).size(), 1U);
  const std::vector<Event> events = read_events(event_files(run)[0]);
  EXPECT_EQ(events.at(0).version, "brain.Event:2");
  std::size_t at = 1;
  std::istringstream lines(read_all(run + "/metrics.jsonl"));
  for (std::string text; std::getline(lines, text);) {
    const auto line = nlohmann::json::parse(text);
    if (!line.contains("kind")) continue;
    ASSERT_LT(at, events.size());
    const Event& event = events[at++];
    EXPECT_EQ(event.step, line["step"].get<int>());
    if (line["kind"] == "step") {
      EXPECT_EQ(event.scalars.at("train/loss"), line["loss"].get<float>());
      EXPECT_EQ(event.scalars.at("train/lr"), line["lr"].get<float>());
      EXPECT_GT(event.scalars.at("sys/images_per_second"), 0.0F);
      EXPECT_GT(event.scalars.at("sys/memory_bytes"), 0.0F);
    } else {
      EXPECT_EQ(event.scalars.at("eval/knn/accuracy"), line["readouts"]["knn"]["accuracy"].get<float>());
      EXPECT_EQ(event.scalars.at("eval/knn/tasks/2"), line["readouts"]["knn"]["tasks"][1].get<float>());
      EXPECT_EQ(event.scalars.count("eval/stored_by_task/1"), line["stored_by_task"].empty() ? 0U : 1U);
    }
  }
  EXPECT_EQ(at, events.size());
}

TEST(TensorBoardTest, AResumedRunBeginsAFileThatReplacesLaterSteps) {
  const TemporaryDirectory directory;
  const std::string run = directory / "run";
  ASSERT_EQ(run_nagare(tiny_run(run, {"--max-steps", "2"})).exit_code, 0);
  ASSERT_EQ(run_nagare({"train", "--resume", "--out", run, "--max-steps", "0"}).exit_code, 0);
  const std::vector<std::string> files = event_files(run);
  ASSERT_EQ(files.size(), 2U);
  std::vector<std::vector<Event>> sessions = {read_events(files[0]), read_events(files[1])};
  if (!sessions[1].at(1).start) std::swap(sessions[0], sessions[1]);  // two processes of one second
  EXPECT_FALSE(sessions[0].at(1).start);
  EXPECT_TRUE(sessions[1].at(1).start);
  EXPECT_EQ(sessions[1].at(1).step, 3);
  EXPECT_EQ(sessions[1].at(2).step, 3);
}

}  // namespace
}  // namespace nagare::test
