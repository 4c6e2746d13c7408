#pragma once
// Which function runs the cases of which op. To add one: a row in the table of its group's file.
#include <span>
#include <string>

#include "tests/reference/case.h"

namespace nagare::reference {

struct Handler {
  const char* op;
  void (*run)(Case& c);
};

// One table per file NAME_cases.cpp, listed once more in registry.cpp.
std::span<const Handler> assign_cases();
std::span<const Handler> aug_cases();
std::span<const Handler> contrastive_cases();
std::span<const Handler> decorrelate_cases();
std::span<const Handler> eval_cases();
std::span<const Handler> loss_cases();
std::span<const Handler> model_cases();
std::span<const Handler> ops_cases();
std::span<const Handler> optim_cases();
std::span<const Handler> strategy_cases();
std::span<const Handler> train_cases();

// nullptr when no table knows the op.
const Handler* find_handler(const std::string& op);

}  // namespace nagare::reference
