#include "ssl/strategies/finetune.h"

namespace nagare::ssl {
namespace {

class Finetune final : public Strategy {
 public:
  void list_state(nn::StateList& /*list*/) const override {}
};

}  // namespace

std::unique_ptr<Strategy> make_finetune(const StrategyContext& context) {
  OptionSet().assign("finetune", context.options);
  return std::make_unique<Finetune>();
}

std::vector<OptionInfo> finetune_options() { return {}; }

}  // namespace nagare::ssl
