#include "engine/io/state_io.h"

#include <gmock/gmock.h>

#include <limits>
#include <numeric>

#include "engine/device/errors.h"
#include "tests/support/devices.h"
#include "tests/support/temporary_directory.h"

namespace nagare::io {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

Tensor counting(const Shape& shape, Device device) {
  std::vector<float> values(static_cast<std::size_t>(shape.numel()));
  std::iota(values.begin(), values.end(), 0.0F);
  return Tensor::from(values, shape, device);
}

struct StateIoTest : testing::TestWithParam<Device> {
  Device device = GetParam();
  test::TemporaryDirectory directory;
  Path path = directory.path() / "state.safetensors";
};

TEST_P(StateIoTest, ConvolutionsAreOihwOnDiskAndOhwiInMemory) {
  const Tensor weight = counting({2, 1, 2, 3}, device);  // O, H, W, I
  nn::StateList saved;
  saved.add("conv.weight", weight, nn::Role::weight, nn::DiskLayout::conv_oihw);
  saved.add("steps", Tensor::from<std::int64_t>(std::vector<std::int64_t>{5}, {}), nn::kCount);
  save_state(path, saved, {{"nagare.step", "5"}});

  const SafetensorsFile file = read_safetensors(path);
  EXPECT_EQ(file.metadata().at("format"), "pt");
  EXPECT_EQ(file.metadata().at("nagare.step"), "5");
  const Tensor on_disk = file.load("conv.weight");
  EXPECT_EQ(on_disk.shape(), (Shape{2, 3, 1, 2}));
  EXPECT_THAT(on_disk.to_vector<float>(), ElementsAre(0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11));

  nn::StateList loaded;
  const Tensor target = Tensor::zeros({2, 1, 2, 3}, {.device = device});
  const Tensor steps = Tensor::zeros({}, {.dtype = DType::i64});
  loaded.add("conv.weight", target, nn::Role::weight, nn::DiskLayout::conv_oihw);
  loaded.add("steps", steps, nn::kCount);
  load_state(file, loaded);
  EXPECT_EQ(target.to_vector<float>(), weight.to_vector<float>());
  EXPECT_EQ(steps.item(), 5);
}

// Whoever made the file: an index out of range never reaches its owner.
TEST_P(StateIoTest, IntegersOutOfTheirRangeAreRefusedAndNothingIsWritten) {
  const Tensor weight = Tensor::zeros({2}, {.device = device});
  const Tensor slots = Tensor::zeros({3}, {.dtype = DType::i64});
  nn::StateList state;
  state.add("w", weight, nn::Role::weight);
  state.add("slots", slots, {.min = -1, .max = 7});
  const auto load = [&](std::vector<std::int64_t> values) {
    write_safetensors(path, {{"w", Tensor::full({2}, 9.0F)}, {"slots", Tensor::from(values, {3})}});
    load_state(read_safetensors(path), state);
  };
  constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  for (const std::int64_t bad : {kLeast, std::int64_t{-2}, std::int64_t{8}, kMost}) {
    EXPECT_THAT(
        [&] {
          load({0, bad, 0});
        },
        ThrowsMessage<BadCheckpoint>(
            HasSubstr("slots holds " + std::to_string(bad) + " at 1, need -1 to 7")));
    EXPECT_THAT(weight.to_vector<float>(), ElementsAre(0, 0));
  }
  load({-1, 7, 0});
  EXPECT_THAT(slots.to_vector<std::int64_t>(), ElementsAre(-1, 7, 0));
}

TEST_P(StateIoTest, WhatMustHoldBetweenEntriesIsCheckedInOrderOnceAllAreThere) {
  const Tensor a = Tensor::zeros({}, {.dtype = DType::i64});
  const Tensor b = Tensor::zeros({}, {.dtype = DType::i64});
  nn::StateList state;
  std::string said;
  state.add("a", a, nn::kCount);
  state.add_check([&] { return a.item() <= b.item() ? "" : "a is behind b"; });
  state.add_check([&] { return said; });
  state.add("b", b, nn::kCount);
  const auto load = [&](std::int64_t first, std::int64_t second) {
    write_safetensors(path, {{"a", Tensor::from(std::vector<std::int64_t>{first}, {})},
                             {"b", Tensor::from(std::vector<std::int64_t>{second}, {})}});
    load_state(read_safetensors(path), state);
  };
  EXPECT_NO_THROW(load(2, 3));
  said = "and more";
  EXPECT_THAT([&] { load(4, 3); }, ThrowsMessage<BadCheckpoint>(HasSubstr(": a is behind b")));
  EXPECT_THAT([&] { load(3, 3); }, ThrowsMessage<BadCheckpoint>(HasSubstr(": and more")));
}

// So that none can be forgotten.
TEST_P(StateIoTest, IntegersAreListedWithTheirRangeAndNothingElseIs) {
  const Tensor integers = Tensor::zeros({2}, {.dtype = DType::i64});
  const Tensor numbers = Tensor::zeros({2}, {.device = device});
  nn::StateList state;
  EXPECT_THROW(state.add("i", integers, nn::Role::buffer), std::invalid_argument);
  EXPECT_THROW(state.add("n", numbers, nn::kCount), std::invalid_argument);
  EXPECT_THROW(state.add("i", integers, {.min = 1, .max = 0}), std::invalid_argument);
  EXPECT_THROW(state.add({.name = "i", .tensor = integers, .role = nn::Role::weight, .range = nn::kCount}),
               std::invalid_argument);
  state.add("i", integers, {.min = 3, .max = 3});
  const nn::StateList::Scope scope(state, "copy");
  state.add(state.entries().front());
  EXPECT_EQ(state.entries().back().name, "copy.i");
  EXPECT_EQ(state.entries().back().range->max, 3);
}

TEST_P(StateIoTest, OfManyProblemsAHundredAreTold) {
  std::vector<NamedTensor> tensors;
  for (int i = 0; i < 150; ++i) tensors.push_back({"x\n" + std::to_string(1000 + i), Tensor::zeros({1})});
  write_safetensors(path, tensors);
  EXPECT_THAT([&] { load_state(read_safetensors(path), {}); },
              ThrowsMessage<BadCheckpoint>(
                  AllOf(HasSubstr("unexpected x\\x0a1099; and 50 more"), testing::Not(HasSubstr("1100")))));
}

TEST_P(StateIoTest, APrefixPicksOnePartOfACheckpoint) {
  write_safetensors(path, {{"online.w", counting({2}, device)}, {"ema.w", Tensor::full({2}, 9.0F)}});
  nn::StateList state;
  const Tensor w = Tensor::zeros({2}, {.device = device});
  state.add("w", w, nn::Role::weight);
  load_state(read_safetensors(path), state, "online.");
  EXPECT_THAT(w.to_vector<float>(), ElementsAre(0, 1));
  EXPECT_THAT([&] { load_state(read_safetensors(path), state); },
              ThrowsMessage<BadCheckpoint>(AllOf(HasSubstr("missing w"), HasSubstr("unexpected online.w"))));
}

TEST_P(StateIoTest, EverythingWrongIsToldAtOnceAndNothingIsWritten) {
  write_safetensors(path, {{"good", counting({2}, Device::cpu)},
                           {"shape", counting({3}, Device::cpu)},
                           {"type", Tensor::zeros({2}, {.dtype = DType::f64})},
                           {"extra", counting({1}, Device::cpu)}});
  nn::StateList state;
  const Tensor good = Tensor::full({2}, 7.0F, {.device = device});
  state.add("good", good, nn::Role::weight);
  for (const char* name : {"shape", "type", "absent"}) {
    state.add(name, Tensor::zeros({2}, {.device = device}), nn::Role::weight);
  }
  EXPECT_THAT([&] { load_state(read_safetensors(path), state); },
              ThrowsMessage<BadCheckpoint>(
                  AllOf(HasSubstr("state.safetensors"), HasSubstr("shape is (3) f32, need (2) f32"),
                        HasSubstr("type is (2) f64, need (2) f32"), HasSubstr("missing absent"),
                        HasSubstr("unexpected extra"))));
  EXPECT_THAT(good.to_vector<float>(), ElementsAre(7, 7));
}

TEST_P(StateIoTest, TurningTheAxesThereAndBackChangesNothing) {
  const Tensor w = counting({3, 5, 2, 4}, device);
  EXPECT_EQ(oihw_to_ohwi(ohwi_to_oihw(w)).to_vector<float>(), w.to_vector<float>());
  EXPECT_THROW(ohwi_to_oihw(counting({3}, device)), std::invalid_argument);
}

INSTANTIATE_TEST_SUITE_P(Devices, StateIoTest, testing::ValuesIn(test::devices()));

}  // namespace
}  // namespace nagare::io
