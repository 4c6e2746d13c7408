#include "ssl/strategies/pnn.h"

#include <algorithm>

#include "engine/device/errors.h"
#include "models/progressive.h"

namespace nagare::ssl {
namespace {

class ProgressiveNetworks final : public Strategy {
 public:
  void attach(Learner& learner) override {
    learner_ = &learner;
    columns_ = dynamic_cast<models::Progressive*>(&learner.method().backbone());
    if (columns_ == nullptr || columns_->columns() < learner.tasks()) {
      throw BadConfig("pnn: a backbone with " +
                      std::to_string(columns_ == nullptr ? 1 : columns_->columns()) + " columns for " +
                      std::to_string(learner.tasks()) + " tasks: need one for every task");
    }
    for (const nn::StateEntry& entry : heads()) first_.push_back(entry.tensor.clone());
    tasks_ = Tensor::zeros({}, {.dtype = DType::i64});
  }

  void begin_task(std::int64_t /*task*/) override {
    if ((*tasks_.data<std::int64_t>())++ == 0) return;
    columns_->grow();
    const std::vector<nn::StateEntry> now = heads();
    for (std::size_t i = 0; i < now.size(); ++i) now[i].tensor.copy_from(first_[i]);
  }

  std::vector<Metric> metrics() const override {
    return {{"pnn_columns", static_cast<double>(columns_->in_use())}};
  }

  void list_state(nn::StateList& list) const override {
    list.add("tasks", tasks_, {.min = 0, .max = columns_->columns()});
  }

  std::string problem_at(const Place& place) const override {
    const std::int64_t tasks = *tasks_.data<std::int64_t>();
    if (tasks == place.tasks_begun && columns_->in_use() == std::max<std::int64_t>(tasks, 1)) return "";
    return "pnn: " + std::to_string(columns_->in_use()) + " columns in use and " + std::to_string(tasks) +
           " tasks begun, where " + std::to_string(place.tasks_begun) + " were";
  }

 private:
  // Everything that the method keeps but backbones: its own, and that of a momentum copy.
  std::vector<nn::StateEntry> heads() const {
    nn::StateList list;
    learner_->method().list_state(list);
    std::vector<nn::StateEntry> entries;
    for (const nn::StateEntry& entry : list.entries()) {
      if (entry.name.find("backbone.") == std::string::npos) entries.push_back(entry);
    }
    return entries;
  }

  Learner* learner_ = nullptr;
  models::Progressive* columns_ = nullptr;
  std::vector<Tensor> first_;  // what heads() held at the start: a function of the run's options
  Tensor tasks_;               // i64 scalar: begun so far
};

}  // namespace

std::string progressive_model(const std::string& spec, std::int64_t tasks) {
  return spec + (spec.find(':') == std::string::npos ? ":" : ",") + "columns=" + std::to_string(tasks);
}

std::unique_ptr<Strategy> make_pnn(const StrategyContext& context) {
  OptionSet().assign("pnn", context.options);
  return std::make_unique<ProgressiveNetworks>();
}

std::vector<OptionInfo> pnn_options() { return {}; }

}  // namespace nagare::ssl
