// What a person types and writes: TOML, the command line, the small languages of options.
#include "apps/cli.h"
#include "apps/settings.h"
#include "apps/toml_file.h"
#include "engine/device/errors.h"
#include "ssl/data/spec.h"
#include "ssl/eval/readout.h"
#include "ssl/streams/class_order.h"
#include "ssl/streams/spec.h"
#include "tests/fuzz/targets.h"

namespace nagare::fuzz {
namespace {

constexpr std::size_t kMostArguments = 64;

// A configuration that was accepted is written and read back as it is: a resumed run depends on it.
void check_round_trip(const apps::Settings& settings) {
  apps::Settings again;
  again.assign_toml(settings.resolved_toml(), "resolved");
  need(settings.differences(again).empty(), "a resolved configuration reads back as it was");
}

}  // namespace

void run_toml(Bytes input) {
  const std::string text(text_of(input));
  if (refused<BadConfig>([&] { apps::parse_toml(text, "x.toml"); })) return;
  apps::Settings settings;
  if (!refused<BadConfig>([&] { settings.assign_toml(text, "x.toml"); })) check_round_trip(settings);
}

void run_command_line(Bytes input) {
  std::vector<std::string> words = {"nagare"};
  std::string word;
  for (const char c : std::string(text_of(input)) + "\n") {
    if (c == '\0') continue;
    if (c != '\n') {
      word += c;
    } else {
      words.push_back(std::move(word));
      word.clear();
    }
  }
  words.resize(std::min(words.size(), kMostArguments));
  std::vector<char*> arguments;
  for (std::string& w : words) arguments.push_back(w.data());
  static constexpr apps::Command kCommands[] = {
      {"train", apps::kTrain, "learn", "", nullptr},
      {"eval", apps::kEval, "judge", "", nullptr},
      {"sweep", apps::kSweep | apps::kTrain, "a grid", "", nullptr},
  };
  apps::Invocation invocation;
  if (refused<apps::UsageError>([&] { invocation = apps::parse_command_line(arguments, kCommands); })) return;
  apps::Settings settings;
  const bool bad = refused<BadConfig>([&] {
    for (const apps::FlagValue& flag : invocation.flags)
      settings.assign(flag.key, flag.text, "--" + flag.key);
  });
  if (!bad) check_round_trip(settings);
}

// The first byte says which language the rest is of.
void run_specs(Bytes input) {
  if (input.empty()) return;
  const std::string text(text_of(input.subspan(1)));
  refused<BadConfig, BadData>([&] {
    switch (input[0]) {
      case 'c': {
        ssl::Dataset data;
        data.class_names.resize(10);
        if (!text.starts_with("file:"))
          need(ssl::class_order(text, data, 1).size() == 10, "an order has every class");
        break;
      }
      case 'd':
        ssl::parse_spec(text);
        break;
      case 'r':
        ssl::parse_readouts(text);
        break;
      case 's':
        ssl::parse_stream(text);
        break;
      default:
        break;
    }
  });
}

Seeds toml_seeds() {
  std::string deep = "a";
  for (int i = 0; i < 400; ++i) deep += ".a";
  std::string arrays = "a = ";
  return {apps::Settings().resolved_toml(),
          "[optim]\nname = \"lars\"\nlr = 0.3\nmilestones = \"1,2\"\n[method]\nname = \"emp-ssl\"\npatches = "
          "20\n",
          "seed = [1, 2, 3]\nmethod.name = ['a', \"b\\u00e9\"]\n",
          "[method]\n\"a b\" = '''x\ny'''\n",
          "a = 1979-05-27T07:32:00Z\n[[t]]\nx = { y.z = 0x1F }\n",
          deep + " = 1\n",
          arrays + std::string(300, '[') + std::string(300, ']') + "\n"};
}

Seeds command_line_seeds() {
  return {"train\n--preset\ndemo\n--method.patches=20\n--optim.lr\n0.1\n--quiet\n",
          "eval\nruns/x\n--ood\na\n--ood\nb\n--eval.readouts=knn,ridge\n",
          "sweep\n--axis\nseed=1,2\n--axis\nmethod=simsiam\n--slots=2\n",
          "train\n--strategy.a b=c\n--data=x;y\n--data\nz\n",
          "--help\n",
          "tarin\n"};
}

Seeds specs_seeds() {
  return {"dcifar10:/a,b=c/d,per-class=10,test=5",
          "dfractal:classes=3,size=32",
          "dfolder:/x,size=64,test-fraction=0.25",
          "sseq:5",
          "sdrift:4,spread=0.3,seed=1",
          "sdata:5,torch-seed=0",
          "siid,samples=10,blur=0.2,runs=3",
          "rknn,ridge-task,linear-moco@0.1,bag:linear-emp",
          "c3,1,0,2,4,5,6,7,8,9",
          "cpytorch:42",
          "cnumpy:1",
          "cseeded"};
}

}  // namespace nagare::fuzz
