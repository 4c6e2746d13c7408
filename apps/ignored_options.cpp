#include "apps/ignored_options.h"

#include <algorithm>
#include <iterator>
#include <span>
#include <vector>

#include "engine/device/errors.h"
#include "engine/optim/optimizer.h"
#include "engine/optim/schedule.h"
#include "engine/text/nearest.h"
#include "engine/text/printable.h"
#include "ssl/eval/readout.h"

namespace nagare::apps {
namespace {

// An option, and what of an optimiser, schedule or readout looks at it.
struct Use {
  const char* key;
  unsigned by;
  const char* need;  // which do
};

constexpr Use kScheduleUses[] = {
    {"schedule.warmup-steps", optim::kUsesWarmup, "one of the warmup_* schedules"},
    {"schedule.start", optim::kUsesWarmup, "one of the warmup_* schedules"},
    {"schedule.end", optim::kUsesEnd, "one of the cosine schedules"},
    {"schedule.milestones", optim::kUsesMilestones, "schedule step"},
    {"schedule.gamma", optim::kUsesMilestones, "schedule step"},
};

constexpr Use kOptimizerUses[] = {
    {"optim.momentum", optim::kUsesMomentum, "optimizer sgd or lars"},
    {"optim.nesterov", optim::kUsesMomentum, "optimizer sgd or lars"},
    {"optim.dampening", optim::kUsesDampening, "optimizer sgd"},
    {"optim.beta1", optim::kUsesBetas, "optimizer adam or adamw"},
    {"optim.beta2", optim::kUsesBetas, "optimizer adam or adamw"},
    {"optim.epsilon", optim::kUsesBetas, "optimizer adam or adamw"},
    {"optim.lars.variant", optim::kUsesTrustRatio, "optimizer lars"},
    {"optim.lars.eta", optim::kUsesTrustRatio, "optimizer lars"},
    {"optim.lars.clip", optim::kUsesClip, "lars as emp or solo"},
    {"optim.lars.exclude-bias-and-norm", optim::kUsesExclusion, "lars as emp, fair, google or solo"},
};

constexpr Use kReadoutUses[] = {
    {"eval.neighbours", ssl::kUsesNeighbours, "readout knn or knn-plain"},
    {"eval.temperature", ssl::kUsesTemperature, "readout knn"},
    {"eval.augment", ssl::kUsesCrops, "a readout linear-* that is published with crops, without bag:"},
    {"eval.epochs", ssl::kUsesEpochs, "a readout linear-* or finetune*"},
    {"eval.bag", ssl::kUsesBag, "a readout bag:NAME"},
    {"eval.bag-feature", ssl::kUsesBag, "a readout bag:NAME"},
    {"eval.bag-patches", ssl::kUsesBag, "a readout bag:NAME"},
};

struct Ignored {
  const OptionRow* row;
  std::string why;  // and what is needed
};

bool is_given(const Settings& settings, const OptionRow& row) {
  return settings.value(row) != default_text(row);
}

// used: of all that was chosen. `chosen` says what that is.
std::vector<Ignored> ignored_by(const std::string& chosen, unsigned used, std::span<const Use> uses,
                                const Settings& settings) {
  std::vector<Ignored> found;
  for (const Use& use : uses) {
    const OptionRow& row = *find_option(use.key);
    if ((used & use.by) == 0 && is_given(settings, row))
      found.push_back({.row = &row, .why = chosen + " does not look at it: need " + use.need});
  }
  return found;
}

void add_given(const Settings& settings, const char* key, const std::string& why,
               std::vector<Ignored>& ignored) {
  const OptionRow& row = *find_option(key);
  if (is_given(settings, row)) ignored.push_back({.row = &row, .why = why});
}

// `kind` is what the rows are, for the message about a name that none has.
template <class Rows>
unsigned uses_of(const Rows& rows, const char* kind, const std::string& name) {
  std::vector<std::string> known;
  for (const auto& row : rows) {
    if (name == row.name) return row.uses;
    known.emplace_back(row.name);
  }
  throw BadConfig(unknown_name(kind, name, known));
}

unsigned uses_of_schedule(const std::string& name) { return uses_of(optim::schedules(), "schedule", name); }

std::vector<Ignored> ignored_by_optimizer(const Settings& settings) {
  const optim::OptimizerOptions& optimizer = settings.options().optimizer;
  unsigned uses = uses_of(optim::optimizers(), "optimizer", optimizer.name);
  std::string chosen = "optimizer " + optimizer.name;
  if ((uses & optim::kUsesTrustRatio) != 0) {
    uses |= uses_of(optim::lars_variants(), "variant of lars", optimizer.lars.variant);
    chosen += " as " + optimizer.lars.variant;
  }
  std::vector<Ignored> found = ignored_by(chosen, uses, kOptimizerUses, settings);
  if ((uses & optim::kUsesExclusion) != 0 && optimizer.lars.exclude_bias_and_norm) {
    add_given(settings, "optim.decay-bias-and-norm",
              chosen + " leaves biases and norms as they are: need --optim.lars.exclude-bias-and-norm=false",
              found);
  }
  if (optimizer.momentum == 0.0)
    add_given(settings, "optim.dampening", "there is no momentum: need --optim.momentum", found);
  return found;
}

std::vector<Ignored> ignored_by_schedule(const Settings& settings) {
  const optim::ScheduleOptions& schedule = settings.options().schedule;
  std::vector<Ignored> found =
      ignored_by("schedule " + schedule.name, uses_of_schedule(schedule.name), kScheduleUses, settings);
  if (schedule.warmup_steps == 0)
    add_given(settings, "schedule.start", "there is no warm-up: need --schedule.warmup-steps", found);
  return found;
}

std::vector<Ignored> ignored_by_readouts(const Settings& settings) {
  const ssl::EvaluationOptions& evaluation = settings.options().evaluation;
  unsigned uses = 0;
  for (const ssl::Readout& readout : ssl::parse_readouts(evaluation.readouts)) uses |= ssl::uses(readout);
  std::vector<Ignored> found =
      ignored_by("--eval.readouts " + printable(evaluation.readouts), uses, kReadoutUses, settings);
  if (evaluation.bag.patches != "random") {
    add_given(settings, "eval.bag-patches",
              "a bag of kind " + evaluation.bag.patches + " has patches of its own: need --eval.bag random",
              found);
  }
  return found;
}

// "--eval.epochs is "3", and ..."
void refuse(const Settings& settings, const std::vector<Ignored>& ignored) {
  if (ignored.empty()) return;
  const OptionRow& row = *ignored.front().row;
  const std::string key(row.key);
  const std::string origin = settings.origin(key);
  throw BadConfig((origin == "--" + key ? origin : origin + ": " + key) + " is \"" +
                  printable(settings.value(row)) + "\", and " + ignored.front().why + ", or leave it out");
}

}  // namespace

void refuse_ignored_schedule(const Settings& settings) {
  refuse(settings, ignored_by_schedule(settings));
  const optim::ScheduleOptions& schedule = settings.options().schedule;
  if ((uses_of_schedule(schedule.name) & optim::kUsesMilestones) != 0 && schedule.milestones.empty()) {
    throw BadConfig(settings.origin("schedule.name") + ": schedule " + schedule.name +
                    " without milestones never changes: need --schedule.milestones, or schedule constant");
  }
}

void refuse_ignored_optimizer(const Settings& settings) { refuse(settings, ignored_by_optimizer(settings)); }

void refuse_ignored_evaluation(const Settings& settings) {
  settings.options().evaluation.bag.check();
  refuse(settings, ignored_by_readouts(settings));
}

void forget_ignored(Settings& settings, std::string_view from) {
  std::vector<Ignored> ignored = ignored_by_schedule(settings);
  std::ranges::move(ignored_by_optimizer(settings), std::back_inserter(ignored));
  std::ranges::move(ignored_by_readouts(settings), std::back_inserter(ignored));
  for (const Ignored& option : ignored) {
    if (settings.origin(option.row->key).starts_with(from)) settings.forget(option.row->key);
  }
}

}  // namespace nagare::apps
