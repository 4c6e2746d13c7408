#pragma once
// What nagare doctor looks at: one function a check, in the order of the table in command.cpp.
#include <cstdint>
#include <string>

#include "apps/exit_code.h"
#include "apps/settings.h"

namespace nagare::apps::doctor {

enum class Verdict { ok, warning, problem };

struct Finding {
  Verdict verdict = Verdict::ok;
  std::string found;
  std::string advice = "";             // what to do; of a warning or a problem
  ExitCode code = ExitCode::internal;  // of a problem: what a run would end with
};

inline constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
inline constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;
// "22.1 GiB", "300 MiB".
std::string size_text(std::uint64_t bytes);

// The program and the machine: machine.cpp.
Finding program(const Settings& settings);
Finding processor(const Settings& settings);
Finding threads(const Settings& settings);
Finding memory(const Settings& settings);
Finding limits(const Settings& settings);
Finding libraries(const Settings& settings);
Finding locale(const Settings& settings);
Finding clock(const Settings& settings);

// What a run with these options would need: run.cpp.
Finding output(const Settings& settings);
Finding data(const Settings& settings);
Finding gpu(const Settings& settings);
Finding gpu_libraries(const Settings& settings);

}  // namespace nagare::apps::doctor
