#pragma once
// Every option of the command line: its default here, its name, help and limits as one row of the table in
// options.cpp. A row is a flag (--optim.lr), a configuration key (optim.lr) and an environment variable
// (NAGARE_OPTIM__LR) at once.
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/optim/optimizer.h"
#include "engine/optim/schedule.h"
#include "ssl/core/options.h"
#include "ssl/eval/evaluator.h"

namespace nagare::apps {

// Options that a method or strategy understands beyond the common ones: KEY of --method.KEY -> text.
using FreeOptions = ssl::OptionValues;

struct Options {
  // run
  std::string preset;
  std::string config;
  std::string out;
  bool resume = false;
  std::int64_t seed = 0;
  std::string device = "auto";
  std::string precision = "auto";
  std::int64_t threads = 0;
  bool quiet = false;
  std::string log_level = "info";
  bool json = false;
  std::string profile;
  // data and stream
  std::string data = "fractal:classes=10,per-class=500,size=32,seed=1";
  std::string data_labels = "separate";
  std::string cache_dir;
  std::string stream = "seq:5";
  std::string class_order = "natural";
  std::int64_t stream_batch = 100;
  std::int64_t epochs = 1;
  std::int64_t steps_per_batch = 1;
  std::int64_t max_steps = 0;
  // learning
  std::string model = "resnet18";
  std::string method = "simsiam";
  FreeOptions method_options;
  std::string strategy = "finetune";
  FreeOptions strategy_options;
  std::int64_t buffer = 256;
  std::int64_t replay = 100;
  optim::OptimizerOptions optimizer;
  optim::ScheduleOptions schedule;
  std::string restart_optimizer = "never";
  std::string restart_schedule = "never";
  // evaluation
  std::int64_t eval_every = 0;
  ssl::EvaluationOptions evaluation;
  // checkpoints
  std::int64_t checkpoint_every = 0;
  std::int64_t checkpoint_keep = 2;
  bool checkpoint_async = true;
  bool allow_inexact = false;
  // positional arguments of eval, embed, list, data, checkpoint
  std::string checkpoint;
  std::string topic;
  std::string action = "show";
  std::string spec;
  std::vector<std::string> paths;
  std::string split = "test";
  bool dry_run = false;
  std::vector<std::string> ood;
  bool cka = false;
  bool save = false;
  // what a run keeps for its report, and reports
  std::int64_t gallery = 400;
  std::vector<std::string> runs;
  std::string block = "layer2";
  // a sweep
  std::string grid;
  std::vector<std::string> axes;
  std::int64_t slots = 1;
  std::string format = "markdown";
};

using WholeNumbers = std::vector<std::int64_t>;  // as text: "100,200"
using Texts = std::vector<std::string>;          // a flag or argument that may be repeated
using Field =
    std::variant<std::string*, std::int64_t*, double*, float*, bool*, WholeNumbers*, Texts*, FreeOptions*>;

enum CommandSet : unsigned {
  kTrain = 1,
  kEval = 2,
  kEmbed = 4,
  kList = 8,
  kInfo = 16,
  kData = 32,
  kVersionCommand = 64,
  kReport = 128,
  kSweep = 256,
  kCheckpoint = 512,
  kDoctor = 1024,
};

struct OptionRow {
  std::string_view key;    // "optim.lr"; a FreeOptions row stands for every key that begins with "KEY."
  std::string_view group;  // heading in --help
  unsigned commands;       // CommandSet
  Field (*field)(Options&);
  std::string_view value;  // what --help calls the value: "N", "FILE"; empty for a switch
  std::string_view help;
  double minimum = -std::numeric_limits<double>::infinity();  // of numbers
  double maximum = std::numeric_limits<double>::infinity();
  bool runtime = false;     // does not change what is learned: free to differ when a run is resumed
  bool positional = false;  // an argument without --, of this command
  bool only_flag = false;   // not accepted from files and environment
  bool joined = false;      // a flag given several times: its values with semicolons between
};

std::span<const OptionRow> option_table();
// The row of a key, also through its short or long form (`method` is `method.name`); nullptr when there is none.
const OptionRow* find_option(std::string_view key);

}  // namespace nagare::apps
