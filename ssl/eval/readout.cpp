#include "ssl/eval/readout.h"

#include <algorithm>
#include <charconv>

#include "engine/device/errors.h"
#include "engine/text/nearest.h"
#include "engine/text/printable.h"

namespace nagare::ssl {
namespace {

constexpr std::string_view kBag = "bag:";
constexpr std::string_view kTask = "-task";

const ReadoutRow* find_row(std::string_view name) {
  const auto rows = readout_table();
  const auto found = std::ranges::find(rows, name, &ReadoutRow::name);
  return found == rows.end() ? nullptr : &*found;
}

double read_fraction(const std::string& spec, std::string_view text) {
  double fraction = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), fraction);
  if (error != std::errc() || end != text.data() + text.size() || !(fraction > 0.0 && fraction <= 1.0)) {
    throw BadConfig("readout \"" + printable(spec) + "\": the share of labels is \"" + printable(text) +
                    "\", need a number above 0, at most 1");
  }
  return fraction;
}

Readout parse_readout(const std::string& spec) {
  Readout readout{.spec = spec};
  std::string_view name = spec;
  if (name.starts_with(kBag)) {
    readout.bag = true;
    name.remove_prefix(kBag.size());
  }
  if (const std::size_t at = name.find('@'); at != std::string_view::npos) {
    readout.fraction = read_fraction(spec, name.substr(at + 1));
    name = name.substr(0, at);
  }
  readout.row = find_row(name);
  if (readout.row == nullptr && name.ends_with(kTask)) {
    readout.task_given = true;
    name.remove_suffix(kTask.size());
    readout.row = find_row(name);
  }
  if (readout.row == nullptr) {
    std::vector<std::string> known;
    for (const ReadoutRow& row : readout_table()) known.emplace_back(row.name);
    throw BadConfig(unknown_name("readout", name, known));
  }
  if (readout.bag && std::holds_alternative<FineTuneProtocol>(readout.row->protocol)) {
    throw BadConfig("readout \"" + printable(spec) +
                    "\": fine-tuning trains on images, not on bags of patches; leave bag: out");
  }
  readout.task_given = readout.task_given || readout.row->task_given;
  return readout;
}

}  // namespace

unsigned uses(const Readout& readout) {
  unsigned all = readout.bag ? kUsesBag : 0U;
  const auto add = [&](ReadoutUse use, bool looks) { all |= looks ? use : 0U; };
  const ReadoutProtocol& protocol = readout.row->protocol;
  if (const auto* knn = std::get_if<KnnProtocol>(&protocol)) {
    add(kUsesNeighbours, knn->neighbours == 0);
    add(kUsesTemperature, knn->weighted && knn->metric == KnnMetric::cosine && !(knn->temperature > 0.0F));
  }
  if (const auto* linear = std::get_if<LinearProtocol>(&protocol)) {
    add(kUsesEpochs, true);
    add(kUsesCrops, !readout.bag && linear->crop_scale_min > 0.0F);
  }
  add(kUsesEpochs, std::holds_alternative<FineTuneProtocol>(protocol));
  return all;
}

std::vector<Readout> parse_readouts(const std::string& text) {
  std::vector<Readout> readouts;
  for (std::size_t begin = 0, comma = 0; comma != std::string::npos; begin = comma + 1) {
    comma = text.find(',', begin);
    const std::string spec = text.substr(begin, comma == std::string::npos ? comma : comma - begin);
    if (std::ranges::find(readouts, spec, &Readout::spec) != readouts.end())
      throw BadConfig("readout \"" + printable(spec) + "\" is asked for twice");
    readouts.push_back(parse_readout(spec));
  }
  return readouts;
}

}  // namespace nagare::ssl
