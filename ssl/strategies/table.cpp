#include "ssl/strategies/table.h"

#include <algorithm>

#include "engine/device/errors.h"
#include "engine/text/nearest.h"
#include "ssl/methods/table.h"
#include "ssl/strategies/agem.h"
#include "ssl/strategies/cassle.h"
#include "ssl/strategies/ccl.h"
#include "ssl/strategies/cla.h"
#include "ssl/strategies/der.h"
#include "ssl/strategies/er.h"
#include "ssl/strategies/ewc.h"
#include "ssl/strategies/fifo.h"
#include "ssl/strategies/finetune.h"
#include "ssl/strategies/gss.h"
#include "ssl/strategies/joint.h"
#include "ssl/strategies/lump.h"
#include "ssl/strategies/lwf.h"
#include "ssl/strategies/minred.h"
#include "ssl/strategies/osiris.h"
#include "ssl/strategies/pfr.h"
#include "ssl/strategies/pnn.h"
#include "ssl/strategies/scale.h"
#include "ssl/strategies/si.h"

namespace nagare::ssl {
namespace {

constexpr StrategyRow kStrategies[] = {
    {"agem", "takes out of a gradient what would raise the loss on the past", "Chaudhry et al., ICLR 2019",
     make_agem, agem_options, kNeedsBoundaries},
    {"cassle", "foretells the projections of the network before the task", "Fini et al., CVPR 2022",
     make_cassle, [] { return CassleOptions().bind().list(); }, kNeedsBoundaries | kNeedsProjector},
    {"ccl", "replays steady exemplars, contrasts with their keys, keeps what they resemble",
     "Lin et al., ICME 2022", make_ccl, [] { return CclOptions().bind().list(); },
     kNeedsBoundaries | kNeedsQueue},
    {"cla", "aligns projections with a slow copy's, or with those stored beside replayed images",
     "Cignoni et al., CoLLAs 2025", make_cla, [] { return ClaOptions().bind().list(); }, kNeedsProjector},
    {"der", "keeps what the network made of stored images when they arrived",
     "Buzzega et al., NeurIPS 2020; Madaan et al., ICLR 2022", make_der,
     [] { return DerOptions().bind(false).list(); }},
    {"der++", "der, and the method's loss on stored images", "Buzzega et al., NeurIPS 2020",
     make_der_plus_plus, [] { return DerOptions().bind(true).list(); }},
    {"er", "replays a uniform sample of the past", "Vitter, ACM TOMS 1985; Chaudhry et al., arXiv 1902.10486",
     make_er, er_options},
    {"ewc", "holds the parameters that the loss of past tasks is sensitive to",
     "Kirkpatrick et al., PNAS 2017; Schwarz et al., ICML 2018", make_ewc,
     [] { return EwcOptions().bind().list(); }, kNeedsBoundaries},
    {"fifo", "replays the newest images", "Purushwalkam et al., ECCV 2022", make_fifo,
     [] { return FifoOptions().bind().list(); }},
    {"finetune", "trains on what arrives and nothing else", "the baseline of every continual-learning paper",
     make_finetune, finetune_options},
    {"gss", "replays images whose gradients differ", "Aljundi et al., NeurIPS 2019", make_gss,
     [] { return GssOptions().bind().list(); }, kNeedsSingleImageLoss},
    {"joint", "trains on all tasks at once: the upper bound",
     "the multi-task baseline of Madaan et al., ICLR 2022", make_joint, joint_options, 0, joint_stream},
    {"lump", "mixes every view with one of a stored image", "Madaan et al., ICLR 2022", make_lump,
     [] { return LumpOptions().bind().list(); }, kNeedsNoLabels},
    {"lwf", "keeps the features near those of the network before the task", "Li and Hoiem, TPAMI 2018",
     make_lwf, [] { return LwfOptions().bind().list(); }, kNeedsBoundaries},
    {"minred", "replays from a buffer that drops what it already has", "Purushwalkam et al., ECCV 2022",
     make_minred, [] { return MinRedOptions().bind().list(); }},
    {"osiris", "keeps what arrives apart from the past, in a second head", "Zhang et al., CoLLAs 2024",
     make_osiris, [] { return OsirisOptions().bind().list(); }, kNeedsBoundaries | kNeedsProjector},
    {"pfr", "foretells the features of the network before the task", "Gomez-Villa et al., CVPRW 2022",
     make_pfr, [] { return PfrOptions().bind().list(); }, kNeedsBoundaries},
    {"pnn", "grows a column for every task beside the frozen older ones", "Rusu et al., arXiv 1606.04671",
     make_pnn, pnn_options, kNeedsBoundaries, nullptr, progressive_model},
    {"scale", "contrasts what looks alike, keeps relations and a memory that is spread",
     "Yu et al., CLVision 2023", make_scale, [] { return ScaleOptions().bind().list(); }, kNeedsProjector},
    {"si", "holds the parameters that earned the decrease of the loss", "Zenke et al., ICML 2017", make_si,
     [] { return SiOptions().bind().list(); }, kNeedsBoundaries},
};

void check(const std::string& name, const StrategyContext& context) {
  if (context.capacity < 1 || context.replay < 1 || context.stream_batch < 1) {
    throw BadConfig(name + ": buffer of " + std::to_string(context.capacity) + ", replay of " +
                    std::to_string(context.replay) + ", arriving batches of " +
                    std::to_string(context.stream_batch) + ": need at least 1 of each");
  }
}

struct NeedRow {
  StrategyNeed need;
  bool (*met)(const MethodTraits& method, bool boundaries);
  const char* reason;
};

constexpr NeedRow kNeeds[] = {
    {kNeedsBoundaries, [](const MethodTraits&, bool boundaries) { return boundaries; },
     "it acts where a task ends, and this stream hides that"},
    {kNeedsNoLabels, [](const MethodTraits& method, bool) { return !method.labels; },
     "it trains on mixtures of two images, and a mixture has no one label"},
    {kNeedsSingleImageLoss, [](const MethodTraits& method, bool) { return method.single_image; },
     "it compares the gradients of single images, and this method's loss needs other images beside them"},
    {kNeedsQueue, [](const MethodTraits& method, bool) { return method.queue; },
     "it works on a queue of keys, and this method has none"},
    {kNeedsProjector, [](const MethodTraits& method, bool) { return method.projector; },
     "it works on the projections of two views, and this method has a classifier and one view"},
};

}  // namespace

std::span<const StrategyRow> strategy_table() { return kStrategies; }

std::unique_ptr<Strategy> make_strategy(const std::string& name, const StrategyContext& context) {
  const auto* row = std::ranges::find(kStrategies, name, &StrategyRow::name);
  if (row == std::end(kStrategies)) {
    std::vector<std::string> known;
    for (const StrategyRow& other : kStrategies) known.emplace_back(other.name);
    throw BadConfig(unknown_name("strategy", name, known));
  }
  check(name, context);
  return row->make(context);
}

Stream arranged(const std::string& strategy, Stream stream, std::uint64_t seed) {
  const auto* row = std::ranges::find(kStrategies, strategy, &StrategyRow::name);
  return row == std::end(kStrategies) || row->arrange == nullptr ? stream : row->arrange(stream, seed);
}

std::string model_under(const std::string& strategy, const std::string& model, std::int64_t tasks) {
  const auto* row = std::ranges::find(kStrategies, strategy, &StrategyRow::name);
  return row == std::end(kStrategies) || row->model == nullptr ? model : row->model(model, tasks);
}

void check_needs(const std::string& strategy, unsigned needs, const std::string& method,
                 const MethodTraits& traits, bool boundaries) {
  for (const NeedRow& row : kNeeds) {
    if ((needs & row.need) == 0 || row.met(traits, boundaries)) continue;
    throw BadConfig("strategy " + strategy + " with method " + method + ": " + row.reason);
  }
}

void check_pair(const std::string& strategy, const std::string& method, bool boundaries) {
  const auto* row = std::ranges::find(kStrategies, strategy, &StrategyRow::name);
  const auto methods = method_table();
  const auto learns = std::ranges::find(methods, method, &MethodRow::name);
  if (row == std::end(kStrategies) || learns == methods.end()) return;
  check_needs(strategy, row->needs, method, learns->traits, boundaries);
}

}  // namespace nagare::ssl
