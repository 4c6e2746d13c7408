// `nagare`: reads the command line, collects the options from all their sources, runs a subcommand, and turns whatever
// goes wrong into one message and an exit code.
#include <cstdlib>
#include <exception>
#include <span>
#include <string>
#include <vector>

#include "apps/cli.h"
#include "apps/collect.h"
#include "apps/command.h"
#include "apps/crash.h"
#include "apps/library_search.h"
#include "engine/device/errors.h"

namespace nagare::apps {
namespace {

constexpr char kTrainExamples[] =
    "Examples:\n"
    "  nagare train --preset demo\n"
    "  nagare train --data cifar10:DIR,per-class=1000 --stream seq:5 --method emp-ssl --strategy minred \\\n"
    "               --model resnet18:width=16 --optim lars --optim.lr 0.03 --out runs/emp\n"
    "  nagare train --config my.toml --seed 2 --max-steps 100\n"
    "  nagare train --resume --out runs/emp          after Ctrl-C, a kill or a power cut\n\n"
    "Options of the method and the strategy go by --method.KEY and --strategy.KEY; nagare list methods and\n"
    "nagare list strategies name them. The run directory holds metrics.jsonl (one object per update and\n"
    "evaluation), results.json, config.resolved.toml (every value and where it came from) and checkpoints/.";

constexpr char kEvalExamples[] =
    "Examples:\n"
    "  nagare eval runs/emp                          the newest checkpoint, on the data of its run\n"
    "  nagare eval runs/emp --data cifar10:DIR       the same network on other images\n"
    "  nagare eval runs/emp --eval.readouts knn-ucl,ridge,linear-moco --save\n"
    "  nagare eval runs/emp --eval.readouts finetune@0.01,finetune@0.1,ridge@0.01\n"
    "  nagare eval runs/emp --eval.readouts bag:knn,bag:linear-emp --eval.bag-patches 128\n"
    "  nagare eval runs/emp --ood cifar100:DIR --ood folder:DIR,size=32\n"
    "  nagare eval runs/emp --cka                    blocks and checkpoints compared\n"
    "  nagare eval runs/emp/checkpoints/step-000000500 --json\n\n"
    "A readout is [bag:]NAME[-task][@SHARE]: on bags of patches, with the task given, with a share of the "
    "labels.\n"
    "nagare list readouts names them; docs/evaluation.md says what each number means.";

constexpr char kEmbedExamples[] =
    "Examples:\n"
    "  nagare embed runs/emp --out features                     writes features.safetensors and "
    "features.npy\n"
    "  nagare embed runs/emp --data folder:DIR --split train --out features\n"
    "Rows are in the order of the images; the safetensors file also holds the class numbers (\"labels\").";

constexpr char kListExamples[] =
    "Examples:\n"
    "  nagare list\n"
    "  nagare list methods\n"
    "  nagare list options --json";

constexpr char kInfoExamples[] =
    "Examples:\n"
    "  nagare info                   version, processor, memory, GPU, optional libraries\n"
    "  nagare info --device cuda     exit 7 with the reason when no GPU can be used";

constexpr char kDoctorExamples[] =
    "Examples:\n"
    "  nagare doctor                                 processor, memory, limits, GPU, libraries, the working "
    "directory\n"
    "  nagare doctor --out runs/emp --data cifar10:DIR --device cuda     what that run would need\n"
    "Each line is ok, a warning or a problem, with what to do about it. Exit code: 0 without a problem, else "
    "the\n"
    "code that a run would end with: 3 a wrong --data, 4 data, 6 output, 7 GPU, 8 memory.";

constexpr char kDataExamples[] =
    "Actions:\n"
    "  show    sizes, classes, mean and deviation of a source; what is done when no action is given\n"
    "  stream  the order in which a source's images arrive under --stream: tasks, classes, batches\n"
    "  list    the kinds of source and how each is written\n\n"
    "Examples:\n"
    "  nagare data show cifar10:DIR                  sizes, classes, mean and deviation\n"
    "  nagare data stream fractal --stream seq:5     tasks, their classes, batches; trains nothing\n"
    "  nagare data list                              the kinds of source";

constexpr char kCheckpointExamples[] =
    "Actions:\n"
    "  verify  reads every file of every checkpoint given and compares sizes and checksums\n"
    "  show    what one holds: step, task, method, data, program version, every file and tensor with its "
    "checksum\n"
    "  diff    compares two tensor by tensor, by their checksums: which differ, which only one of them has\n"
    "For show and diff a run stands for its newest good checkpoint, for verify for all it has.\n\n"
    "Examples:\n"
    "  nagare checkpoint verify runs/emp             every checkpoint of the run; exit 5 when one is "
    "damaged\n"
    "  nagare checkpoint show runs/emp               step, method, files, checksums of its newest good one\n"
    "  nagare checkpoint diff runs/a runs/b          tensors that differ; exit 12 when there are any";

constexpr char kReportExamples[] =
    "Examples:\n"
    "  nagare report runs/emp                        runs/emp/report.html: charts, tables, pictures; needs "
    "nothing else\n"
    "  nagare report runs/emp runs/simsiam --out comparison.html\n"
    "  nagare report sweeps/a/* --out a.html         runs that differ in their seed alone: mean and "
    "deviation\n"
    "Only the run directories are read. docs/report.md says what every figure shows.";

constexpr char kSweepExamples[] =
    "Examples:\n"
    "  nagare sweep --preset demo --axis method=simsiam,emp-ssl --axis strategy=finetune,er --axis "
    "seed=1,2,3 \\\n"
    "               --out sweeps/first --dry-run        the commands; without --dry-run they are run\n"
    "  nagare sweep grid.toml --out sweeps/grid --slots 2\n"
    "  nagare sweep grid.toml --out sweeps/grid          again: finished runs are left, stopped ones go on\n"
    "In a grid file every option of nagare train may stand; one with an array of values is an axis:\n"
    "  method.name = [\"simsiam\", \"emp-ssl\"]\n"
    "The table is printed, and lies in OUT as table.md, table.csv and table.tex. docs/sweep.md says more.";

constexpr Command kCommands[] = {
    {"train", kTrain, "learn from a stream of images, without labels", kTrainExamples, &run_train},
    {"eval", kEval, "judge a checkpoint by what can be read from its features", kEvalExamples, &run_eval},
    {"embed", kEmbed, "write the features of images as safetensors and npy", kEmbedExamples, &run_embed},
    {"report", kReport, "charts and tables of one or several runs as one HTML file", kReportExamples,
     &run_report},
    {"sweep", kSweep | kTrain, "a grid of training runs and the table of their results", kSweepExamples,
     &run_sweep},
    {"list", kList, "what there is to choose from", kListExamples, &run_list},
    {"doctor", kDoctor, "what is wrong with this machine, and what to do about it", kDoctorExamples,
     &run_doctor},
    {"info", kInfo, "this program and this machine", kInfoExamples, &run_info},
    {"data", kData, "look at a source of images and at a stream", kDataExamples, &run_data},
    {"checkpoint", kCheckpoint, "are checkpoints whole, what do they hold, do they differ",
     kCheckpointExamples, &run_checkpoint},
    {"version", kVersionCommand, "the version", "", &run_version},
};

ExitCode run(std::span<char* const> arguments, Console& console) {
  const Invocation invocation = parse_command_line(arguments, kCommands);
  if (invocation.command == nullptr) {
    console.result(invocation.help);
    return ExitCode::done;
  }
  std::vector<std::string> warnings;
  const Settings settings = collect(invocation.flags, warnings);
  const Options& options = settings.options();
  console.set_level(options.quiet ? LogLevel::error : parse_log_level(options.log_level));
  for (const std::string& warning : warnings) console.warning(warning);
  if constexpr (kBuiltWithCuda) use(find_library_search([](const char* name) { return std::getenv(name); }));
  return invocation.command->run(settings, console);
}

}  // namespace
}  // namespace nagare::apps

int main(int argc, char** argv) {
  using nagare::apps::Console;
  using nagare::apps::Failure;
  nagare::apps::crash::install();
  Console console;
  try {
    const std::span<char* const> arguments(argv, static_cast<std::size_t>(argc));
    return static_cast<int>(nagare::apps::run(arguments, console));
  } catch (...) {
    const Failure failure = nagare::apps::describe(std::current_exception());
    console.error(failure.message);
    return static_cast<int>(failure.code);
  }
}
