#include "tests/reference/registry.h"

namespace nagare::reference {

const Handler* find_handler(const std::string& op) {
  // One line per group file, sorted.
  const std::span<const Handler> tables[] = {
      assign_cases(), aug_cases(), contrastive_cases(), decorrelate_cases(), eval_cases(),  loss_cases(),
      model_cases(),  ops_cases(), optim_cases(),       strategy_cases(),    train_cases(),
  };
  for (const auto& table : tables) {
    for (const Handler& handler : table) {
      if (op == handler.op) return &handler;
    }
  }
  return nullptr;
}

}  // namespace nagare::reference
