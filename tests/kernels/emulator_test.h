#pragma once
// A test that runs once per order of the threads.
#include <gmock/gmock.h>

#include "kernels/emulator/scheduler.h"

namespace nagare::test {

class EmulatorTest : public testing::TestWithParam<std::uint64_t> {
 protected:
  void SetUp() override { emulator::set_seed(GetParam()); }
  void TearDown() override { emulator::set_seed(program_seed_); }

 private:
  std::uint64_t program_seed_ = emulator::seed();
};

inline auto every_order() { return testing::Range<std::uint64_t>(0, 8); }

}  // namespace nagare::test
