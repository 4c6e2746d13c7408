// The checkpoints of a run: how they are stored, what is found in damaged ones, and which one is taken.
#include "apps/checkpoint.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <limits>
#include <nlohmann/json.hpp>

#include "apps/checkpoint_writer.h"
#include "engine/device/errors.h"
#include "tests/apps/nagare_process.h"

namespace nagare::apps {
namespace {

using test::operator/;
using test::read_all;
using test::write_all;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr bool kBackground = true;
constexpr bool kAtOnce = false;

// A run directory and a state of three small tensors, of which one is the network's.
class CheckpointTest : public testing::Test {
 protected:
  CheckpointTest() : run_(directory_ / "run", /*resume=*/false) {
    run_.write("config.resolved.toml", "");
    run_.add_metrics(R"({"schema":2})");
    state_.add("method.backbone.conv1.weight", weight_, nn::Role::weight, nn::DiskLayout::conv_oihw);
    state_.add("method.projector.bias", bias_, nn::Role::bias);
    state_.add("trainer.position", position_, nn::kCount);
  }

  static Manifest manifest(std::int64_t step) {
    return {.version = "1.2.3",
            .step = step,
            .task = 1,
            .model = "toy",
            .image_size = 8,
            .precision = "fp32",
            .stream_digest = "0123",
            .arithmetic = {.device = "cpu", .threads = 3, .cpu = "avx2"}};
  }
  // The weights are `step` everywhere.
  void save(std::int64_t step, std::int64_t keep = 2, bool background = kAtOnce) {
    fill(static_cast<float>(step));
    CheckpointWriter writer(run_, keep, background);
    writer.save(manifest(step), state_);
    writer.wait();
  }
  void fill(float value) const { std::fill_n(weight_.data<float>(), weight_.numel(), value); }
  io::Path at(std::int64_t step) const { return checkpoints_of(run_.path()) / step_name(step); }
  std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(checkpoints_of(run_.path())))
      found.push_back(entry.path().filename());
    std::ranges::sort(found);
    return found;
  }
  void damage(std::int64_t step) const {
    const io::Path file = at(step) / kStateName;
    std::string bytes = read_all(file);
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    write_all(file, bytes);
  }

  test::TemporaryDirectory directory_;
  RunDirectory run_;
  Tensor weight_ = Tensor::zeros({2, 1, 1, 3});
  Tensor bias_ = Tensor::full({4}, 5.0F);
  Tensor position_ = Tensor::zeros({3}, {.dtype = DType::i64});
  nn::StateList state_;
};

TEST_F(CheckpointTest, HoldsWhatItWasGiven) {
  save(7);
  EXPECT_THAT(names(), ElementsAre("LATEST", "step-000000007"));
  EXPECT_EQ(read_all(checkpoints_of(run_.path()) / "LATEST"), "step-000000007\n");
  const FoundCheckpoint found = newest_checkpoint(run_.path());
  EXPECT_EQ(found.path, at(7));
  const Manifest& m = found.manifest;
  EXPECT_EQ(m.schema, kManifestSchema);
  EXPECT_EQ(m.version, "1.2.3");
  EXPECT_EQ(m.step, 7);
  EXPECT_EQ(m.task, 1);
  EXPECT_EQ(m.stream_digest, "0123");
  EXPECT_EQ(m.arithmetic, (Arithmetic{.device = "cpu", .threads = 3, .cpu = "avx2"}));
  EXPECT_EQ(m.metrics_bytes, 13);
  ASSERT_EQ(m.files.size(), 2U);
  EXPECT_EQ(m.files[0].tensors.size(), 1U);
  EXPECT_EQ(m.files[1].tensors.size(), 2U);
  fill(0);
  bias_.fill_zero();
  load_checkpoint(found, state_);
  EXPECT_THAT(weight_.to_vector<float>(), testing::Each(7.0F));
  EXPECT_THAT(bias_.to_vector<float>(), testing::Each(5.0F));
}

TEST_F(CheckpointTest, TheNewestStay) {
  for (const std::int64_t step : {1, 2, 3}) save(step);
  EXPECT_THAT(names(), ElementsAre("LATEST", "step-000000002", "step-000000003"));
  save(4, 1);
  EXPECT_THAT(names(), ElementsAre("LATEST", "step-000000004"));
}

// After 10^9 updates a name has more digits.
TEST_F(CheckpointTest, OrderIsByStep) {
  for (const std::int64_t step : {999'999'999, 1'000'000'000}) save(step);
  EXPECT_EQ(newest_checkpoint(run_.path()).manifest.step, 1'000'000'000);
}

TEST_F(CheckpointTest, TheSameStepTakesThePlaceOfTheOldOne) {
  save(5);
  bias_.fill_zero();
  save(5);
  EXPECT_THAT(names(), ElementsAre("LATEST", "step-000000005"));
  bias_.copy_from(Tensor::full({4}, 9.0F));
  load_checkpoint(newest_checkpoint(run_.path()), state_);
  EXPECT_THAT(bias_.to_vector<float>(), testing::Each(0.0F));
}

TEST_F(CheckpointTest, WhatIsStoredInTheBackgroundIsTheStateOfThatMoment) {
  CheckpointWriter writer(run_, 2, kBackground);
  fill(1);
  writer.save(manifest(1), state_);
  fill(2);
  writer.save(manifest(2), state_);
  fill(3);
  writer.wait();
  for (const std::int64_t step : {1, 2}) {
    load_checkpoint(find_checkpoint(at(step)), state_);
    EXPECT_THAT(weight_.to_vector<float>(), testing::Each(static_cast<float>(step)));
  }
}

// In every byte of every file, and at every length: found each time.
TEST_F(CheckpointTest, EveryFlippedByteAndEveryCutIsFound) {
  save(3);
  for (const char* name : {kManifestName, kModelName, kStateName}) {
    const io::Path file = at(3) / name;
    const std::string good = read_all(file);
    // A manifest is judged by its text alone.
    const auto read = [&](const std::string& content) {
      if (std::string(name) == kManifestName) {
        parse_manifest(content, name);
      } else {
        write_all(file, content);
        verify_checkpoint(at(3));
      }
    };
    ASSERT_NO_THROW(read(good));
    for (std::size_t i = 0; i < good.size(); ++i) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ (1 << (i % 8)));
      EXPECT_THROW(read(bad), BadCheckpoint) << name << ", byte " << i;
      EXPECT_THAT([&] { read(good.substr(0, i)); }, ThrowsMessage<BadCheckpoint>(HasSubstr(name))) << i;
    }
    write_all(file, good + "x");
    EXPECT_THROW(verify_checkpoint(at(3)), BadCheckpoint) << name;
    std::filesystem::remove(file);
    EXPECT_THAT([&] { verify_checkpoint(at(3)); }, ThrowsMessage<BadCheckpoint>(HasSubstr(name)));
    write_all(file, good);
    EXPECT_NO_THROW(verify_checkpoint(at(3)));
  }
}

// One flipped bit makes it the schema before, which has no checksums: its seal gives it away.
TEST_F(CheckpointTest, DamageDoesNotMakeAnOlderSchemaOfIt) {
  save(3);
  std::string text = read_all(at(3) / kManifestName);
  const std::size_t digit = text.find("\"schema\": 3") + 10;
  ASSERT_EQ(text.at(digit), '3');
  text[digit] = '2';
  write_all(at(3) / kManifestName, text);
  EXPECT_THAT([&] { read_manifest(at(3)); }, ThrowsMessage<BadCheckpoint>(HasSubstr("checksum")));
}

TEST_F(CheckpointTest, FilesOfAnotherCheckpointAreFound) {
  save(3);
  save(4);
  std::filesystem::copy_file(at(3) / kModelName, at(4) / kModelName,
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_THAT([&] { verify_checkpoint(at(4)); }, ThrowsMessage<BadCheckpoint>(HasSubstr("checksum")));
}

TEST_F(CheckpointTest, ADamagedNewestIsNamedAndTheOneBeforeIsTaken) {
  for (const std::int64_t step : {1, 2, 3}) save(step, 3);
  damage(3);
  std::filesystem::remove(at(2) / kManifestName);
  const FoundCheckpoint found = newest_checkpoint(run_.path());
  EXPECT_EQ(found.path, at(1));
  ASSERT_EQ(found.rejected.size(), 2U);
  EXPECT_EQ(found.rejected[0].path, at(3));
  EXPECT_THAT(found.rejected[0].reason, HasSubstr("step-000000003/state.safetensors: damaged"));
  EXPECT_THAT(found.rejected[1].reason, HasSubstr("manifest.json"));
  damage(1);
  EXPECT_THAT([&] { newest_checkpoint(run_.path()); },
              ThrowsMessage<BadCheckpoint>(testing::AllOf(
                  HasSubstr("step-000000001"), HasSubstr("step-000000002"), HasSubstr("step-000000003"))));
}

TEST_F(CheckpointTest, ARenamedCheckpointIsNotTakenForALaterStep) {
  save(3);
  std::filesystem::rename(at(3), at(8));
  EXPECT_THAT([&] { newest_checkpoint(run_.path()); }, ThrowsMessage<BadCheckpoint>(HasSubstr("of step 3")));
}

TEST_F(CheckpointTest, WhatAKilledProcessLeavesIsNoCheckpointAndIsSweptAway) {
  save(3);
  for (const char* name : {".tmp-step-000000009-12", ".trash-step-000000001"})
    std::filesystem::create_directories(checkpoints_of(run_.path()) / name);
  EXPECT_EQ(newest_checkpoint(run_.path()).path, at(3));
  save(4);
  EXPECT_THAT(names(), ElementsAre("LATEST", "step-000000003", "step-000000004"));
}

// The manifest of the version before, without checksums.
void make_schema_2(const io::Path& checkpoint) {
  auto json = nlohmann::json::parse(read_all(checkpoint / kManifestName));
  json["schema"] = 2;
  for (const char* key : {"version", "stream_digest", "metrics_bytes", "arithmetic", "checksum"})
    json.erase(key);
  for (auto& file : json["files"]) {
    file.erase("checksum");
    file.erase("tensors");
  }
  write_all(checkpoint / kManifestName, json.dump(2) + "\n");
}

TEST_F(CheckpointTest, TheSchemaBeforeIsRead) {
  save(3);
  make_schema_2(at(3));
  const FoundCheckpoint found = newest_checkpoint(run_.path());
  EXPECT_EQ(found.manifest.schema, 2);
  EXPECT_EQ(found.manifest.metrics_bytes, -1);
  fill(0);
  load_checkpoint(found, state_);
  EXPECT_THAT(weight_.to_vector<float>(), testing::Each(3.0F));
  std::filesystem::resize_file(at(3) / kStateName, 20);
  EXPECT_THROW(newest_checkpoint(run_.path()), BadCheckpoint);
}

TEST_F(CheckpointTest, SizesThatAreNoSizesAreRefused) {
  save(3);
  make_schema_2(at(3));  // without a checksum of its own
  const std::string good = read_all(at(3) / kManifestName);
  const std::size_t from = good.find("\"bytes\"");
  const std::size_t value = good.find(':', from) + 1;
  const std::size_t end = good.find_first_of(",\n}", value);
  ASSERT_NO_THROW(parse_manifest(good, "good"));
  for (const char* bytes : {"5e72", "-1", "1.5", "\"7\"", "18446744073709551615", "null"}) {
    const std::string bad = good.substr(0, value) + " " + bytes + good.substr(end);
    EXPECT_THAT([&] { parse_manifest(bad, "bad"); }, ThrowsMessage<BadCheckpoint>(HasSubstr("bytes")))
        << bytes;
  }
}

// Going back past it would lose work without a word.
TEST_F(CheckpointTest, AnotherSchemaIsNamedAndNothingOlderIsTaken) {
  save(3);
  save(4);
  for (const int schema : {1, 4}) {
    auto json = nlohmann::json::parse(read_all(at(4) / kManifestName));
    json["schema"] = schema;
    json["version"] = "9.9.9";
    write_all(at(4) / kManifestName, json.dump());
    EXPECT_THAT([&] { newest_checkpoint(run_.path()); },
                ThrowsMessage<OtherSchema>(testing::AllOf(HasSubstr("schema " + std::to_string(schema)),
                                                          HasSubstr("9.9.9"), HasSubstr("schemas 2 to 3"))));
  }
}

TEST_F(CheckpointTest, AManifestNamesNoFileElsewhere) {
  Manifest m = manifest(1);
  m.metrics_bytes = 0;
  for (const std::string name : {"../x", "/etc/passwd", "", ".x", "a/b"}) {
    m.files = {{.name = name, .bytes = 1, .checksum = std::string(32, '0')}};
    EXPECT_THAT([&] { parse_manifest(to_text(m), "m"); },
                ThrowsMessage<BadCheckpoint>(HasSubstr("file name")));
  }
}

// Fails the writing of what is larger, as a full disk does.
class FileLimit {
 public:
  explicit FileLimit(rlim_t bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{.rlim_cur = bytes, .rlim_max = before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileLimit() { setrlimit(RLIMIT_FSIZE, &before_); }
  FileLimit(const FileLimit&) = delete;
  FileLimit& operator=(const FileLimit&) = delete;

 private:
  rlimit before_{};
};

TEST_F(CheckpointTest, AFailedSaveIsSaidAndCostsNoOldCheckpoint) {
  save(1);
  save(2);
  for (const bool background : {kAtOnce, kBackground}) {
    for (const rlim_t bytes : {0, 100, 400, 1000}) {
      CheckpointWriter writer(run_, 2, background);
      const FileLimit limit(bytes);
      EXPECT_THROW(
          {
            writer.save(manifest(3), state_);
            writer.wait();
          },
          CannotWrite)
          << bytes;
    }
    EXPECT_THAT(names(), ElementsAre("LATEST", "step-000000001", "step-000000002"));
    EXPECT_EQ(newest_checkpoint(run_.path()).path, at(2));
  }
}

TEST_F(CheckpointTest, ANetworkThatIsNotFiniteIsNotStored) {
  save(1, 1);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    CheckpointWriter writer(run_, 1, kBackground);
    fill(2);
    *weight_.data<float>() = bad;
    EXPECT_THAT([&] { writer.save(manifest(2), state_); },
                testing::ThrowsMessage<Diverged>(testing::HasSubstr("not finite after step 2")));
    EXPECT_THAT(names(), ElementsAre("LATEST", "step-000000001")) << "the one before is kept";
  }
}

TEST_F(CheckpointTest, AFailureInTheBackgroundIsThrownByTheNextCheck) {
  CheckpointWriter writer(run_, 1, kBackground);
  {
    const FileLimit limit(100);
    writer.save(manifest(3), state_);
    const auto wait_without_asking = [&] {
      for (int i = 0; i < 2000; ++i) {
        writer.check();
        usleep(1000);
      }
    };
    EXPECT_THROW(wait_without_asking(), CannotWrite);
  }
  EXPECT_NO_THROW(writer.check());
  writer.save(manifest(4), state_);
  EXPECT_NO_THROW(writer.wait());
}

// Killed between the new one and the end of the old one.
TEST_F(CheckpointTest, WhatCannotBeRemovedIsAWarningAndGoesWithTheNext) {
  if (geteuid() != 0) GTEST_SKIP() << "mounting needs root";
  const io::Path busy = checkpoints_of(run_.path()) / ".tmp-busy";
  io::make_directories(busy);
  if (mount("nagare-test", busy.c_str(), "tmpfs", 0, "size=1m") != 0)
    GTEST_SKIP() << "no tmpfs can be mounted";
  for (const bool background : {kAtOnce, kBackground}) {
    fill(1);
    CheckpointWriter writer(run_, 2, background);
    const std::string warning = "not removed: " + busy.string() +
                                ": Device or resource busy; the next checkpoint, if one comes, tries again";
    EXPECT_THAT(writer.check(), ElementsAre(warning));
    EXPECT_THAT(writer.check(), testing::IsEmpty());
    writer.save(manifest(1), state_);
    EXPECT_THAT(writer.wait(), ElementsAre(warning));
  }
  ASSERT_EQ(umount(busy.c_str()), 0);
  save(2);
  EXPECT_THAT(names(), ElementsAre("LATEST", "step-000000001", "step-000000002"));
}

TEST_F(CheckpointTest, WhatAKilledProcessShouldHaveRemovedGoes) {
  for (const std::int64_t step : {1, 2, 3}) save(step, 3);
  const CheckpointWriter writer(run_, 2, kBackground);
  EXPECT_THAT(names(), ElementsAre("LATEST", "step-000000002", "step-000000003"));
}

TEST_F(CheckpointTest, ADamagedOneIsSetAside) {
  save(1);
  save(2);
  damage(2);
  for (int times = 0; times < 2; ++times) {
    for (const RejectedCheckpoint& one : newest_checkpoint(run_.path()).rejected) set_aside(one);
    EXPECT_THAT(names(), ElementsAre("LATEST", "damaged-step-000000002", "step-000000001"));
  }
}

}  // namespace
}  // namespace nagare::apps
