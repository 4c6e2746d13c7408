#include "ssl/streams/spec.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>
#include <string_view>
#include <vector>

#include "engine/device/errors.h"
#include "engine/text/nearest.h"
#include "engine/text/printable.h"
#include "ssl/streams/table.h"

namespace nagare::ssl {
namespace {

[[noreturn]] void refuse(const std::string& text, const std::string& reason) {
  throw BadConfig("stream \"" + printable(text) + "\": " + reason);
}

template <class Number>
bool read(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

// One key with its value, and the spec they stand in.
struct Given {
  const std::string& spec;
  std::string_view key;
  std::string_view value;

  [[noreturn]] void refuse_value(const std::string& need) const {
    refuse(spec, std::string(key) + "=" + printable(value) + ": needs " + need);
  }
  template <class Number>
  Number number(Number low, Number high, const std::string& range) const {
    Number found{};
    if (!read(value, found) || !(found >= low && found <= high)) refuse_value(range);
    return found;
  }
  bool one_of_two(std::string_view yes, std::string_view no) const {
    if (value != yes && value != no) refuse_value(std::string(yes) + " or " + std::string(no));
    return value == yes;
  }
  void only_for(std::initializer_list<std::string_view> kinds, const std::string& kind) const {
    if (std::ranges::find(kinds, kind) != kinds.end()) return;
    std::string names;
    for (const std::string_view name : kinds) names += (names.empty() ? "" : ", ") + std::string(name);
    refuse(spec, std::string(key) + "= has no meaning for " + kind + ", only for " + names);
  }
};

void read_split(const Given& given, StreamSpec& spec) {
  given.only_for({"data"}, spec.kind);
  constexpr std::string_view kTorch = "pytorch:";
  if (given.value == "seeded") return;
  std::uint32_t seed = 0;
  if (!given.value.starts_with(kTorch) || !read(given.value.substr(kTorch.size()), seed))
    given.refuse_value("seeded, or pytorch:SEED");
  spec.torch_seed = seed;
}

// "12000", or "2048/4096" for tasks that alternate.
void read_samples(const Given& given, StreamSpec& spec) {
  std::string_view rest = given.value;
  for (bool more = true; more;) {
    const std::size_t slash = rest.find('/');
    std::int64_t count = 0;
    if (!read(rest.substr(0, slash), count) || count < 0 || count > 1'000'000'000)
      given.refuse_value("whole numbers from 0 to 1000000000 with / between them");
    spec.samples.push_back(count);
    more = slash != std::string_view::npos;
    rest.remove_prefix(more ? slash + 1 : rest.size());
  }
  if (spec.samples.size() > 1 && spec.kind == "drift")
    refuse(spec.text, "the parts of a drift are equal: samples= needs one number");
}

using Reader = void (*)(const Given& given, StreamSpec& spec);

// One line for each of stream_keys(), sorted.
const std::map<std::string_view, Reader>& readers() {
  static const std::map<std::string_view, Reader> table = {
      {"blur",
       [](const Given& g, StreamSpec& s) {
         g.only_for({"seq", "data", "domain"}, s.kind);
         s.blur = g.number(0.0, 1.0, "a number from 0 to 1");
       }},
      {"boundaries", [](const Given& g, StreamSpec& s) { s.exposed = g.one_of_two("exposed", "hidden"); }},
      {"drop-last", [](const Given& g, StreamSpec& s) { s.drop_last = g.one_of_two("on", "off"); }},
      {"hue", [](const Given& g, StreamSpec& s) { s.hue = g.number(-10.0, 10.0, "turns from -10 to 10"); }},
      {"rotate",
       [](const Given& g, StreamSpec& s) {
         s.rotate = g.number(-36000.0, 36000.0, "degrees from -36000 to 36000");
       }},
      {"runs",
       [](const Given& g, StreamSpec& s) {
         s.runs = g.number<std::int64_t>(1, 4096, "a whole number from 1 to 4096");
       }},
      {"samples", read_samples},
      {"seed",
       [](const Given& g, StreamSpec& s) {
         s.seed = g.number<std::uint64_t>(0, UINT64_MAX, "a whole number from 0 to 18446744073709551615");
       }},
      {"split", read_split},
      {"spread",
       [](const Given& g, StreamSpec& s) {
         g.only_for({"drift"}, s.kind);
         s.spread = g.number(0.01, 100.0, "a number from 0.01 to 100");
       }},
      {"zoom", [](const Given& g, StreamSpec& s) { s.zoom = g.number(0.5, 4.0, "a factor from 0.5 to 4"); }},
  };
  return table;
}

const StreamKind& find_kind(std::string_view name) {
  std::vector<std::string> known;
  for (const StreamKind& kind : stream_kinds()) {
    if (kind.name == name) return kind;
    known.push_back(kind.name);
  }
  throw BadConfig(unknown_name("stream", name, known));
}

// T of "seq:T".
void read_tasks(const StreamKind& kind, std::string_view head, StreamSpec& spec) {
  const std::size_t colon = head.find(':');
  if (kind.tasks == StreamTasks::none) {
    if (colon != std::string_view::npos) refuse(spec.text, "needs " + kind.name + " alone, without a number");
    return;
  }
  const std::string example = kind.name + ":T, as " + kind.name + ":5";
  if (colon == std::string_view::npos || !read(head.substr(colon + 1), spec.tasks))
    refuse(spec.text, "needs " + example);
  if (spec.tasks < 1 || spec.tasks > 1'000'000)
    refuse(spec.text, "cannot have " + std::to_string(spec.tasks) + " tasks; needs 1 to 1000000");
}

void read_key(const std::string& text, std::string_view part, std::vector<std::string>& seen,
              StreamSpec& spec) {
  const std::size_t equals = part.find('=');
  if (equals == std::string_view::npos || equals == 0)
    refuse(text, "\"" + printable(part) + "\" is not key=value");
  const std::string key(part.substr(0, equals));
  const auto reader = readers().find(key);
  if (reader == readers().end()) {
    std::vector<std::string> known;
    for (const StreamKey& row : stream_keys()) known.push_back(row.key);
    refuse(text, unknown_name("key", key, known));
  }
  if (std::ranges::find(seen, key) != seen.end()) refuse(text, "\"" + key + "\" is given twice");
  seen.push_back(key);
  reader->second({.spec = text, .key = reader->first, .value = part.substr(equals + 1)}, spec);
}

}  // namespace

StreamSpec parse_stream(const std::string& text) {
  std::string_view rest = text;
  const auto next = [&rest]() {
    const std::size_t comma = rest.find(',');
    const std::string_view part = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    return std::pair(part, comma != std::string_view::npos);
  };
  auto [head, more] = next();
  const StreamKind& kind = find_kind(head.substr(0, head.find(':')));
  StreamSpec spec;
  spec.text = text;
  spec.kind = kind.name;
  read_tasks(kind, head, spec);
  std::vector<std::string> seen;
  while (more) {
    const auto [part, further] = next();
    read_key(text, part, seen, spec);
    more = further;
  }
  const bool told = std::ranges::find(seen, "boundaries") != seen.end();
  if (kind.name == "drift" && told && spec.exposed) refuse(text, "a drift has no boundaries to expose");
  if (!told && (kind.name == "drift" || spec.blur > 0.0)) spec.exposed = false;
  return spec;
}

}  // namespace nagare::ssl
