#!/usr/bin/env bash
# Checks nagare on a machine with a GPU: tests on CUDA, benchmarks, PyTorch beside them, compute-sanitizer, training.
#
#   scripts/gpu-check.sh [--bundle DIR] [--out DIR] [--dry-run]
#
#   --bundle DIR   what `cmake --install` made with the components runtime and checks: DIR/bin, DIR/lib ...
#                  (default: the folder above this script if it has bin/nagare, else the build tree)
#   --out DIR      where gpu-check.json, gpu-check.md and the logs go (default: ./gpu-check)
#   --dry-run      everything that needs no GPU, on the CPU and shortened; parts that need one are listed as skipped
#
# Needs a CUDA driver and NVIDIA's libraries (from the toolkit or from PyTorch's wheels), no network, no Debian package.
# The comparison needs a python3 with torch ($PEER_PYTHON, or the first on the PATH); compute-sanitizer comes with the
# toolkit. NAGARE_REFERENCE_DIR names the reference files if the bundle has none. What is missing is listed as skipped.
#
# Ends within 9 minutes. Each part has a time box and gets what the parts before it left over; one that fails does not
# stop the others. `partial`: stopped at the end of its box, with nothing wrong up to there.
# Exit code: 0 when no part failed or ran out of time, 1 otherwise, 2 for a wrong argument.
set -uo pipefail

readonly total_seconds=520 shards=4
export OMP_WAIT_POLICY=passive  # programs that run side by side must not spin
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bundle='' out=gpu-check dry_run=no device=cuda
while [ $# -gt 0 ]; do
  case "$1" in
    -h | --help) sed -n '2,18p' "$0" | sed 's/^# \{0,1\}//'; exit 0 ;;
    --bundle | --out)
      if [ -z "${2:-}" ]; then echo "error: scripts/gpu-check.sh: $1 needs a folder" >&2; exit 2; fi
      if [ "$1" = --bundle ]; then bundle=$2; else out=$2; fi
      shift ;;
    --dry-run) dry_run=yes device=cpu ;;
    *) echo "error: scripts/gpu-check.sh: unknown argument $1; see scripts/gpu-check.sh --help" >&2; exit 2 ;;
  esac
  shift
done
if [ -z "$bundle" ]; then
  if [ -x "$here/bin/nagare" ]; then bundle=$here; else bundle=${BUILD_DIR:-$here/build}; fi
fi
if [ ! -x "$bundle/bin/nagare" ]; then
  echo "error: scripts/gpu-check.sh: no program $bundle/bin/nagare; give the installed folder with --bundle" >&2
  exit 2
fi
bin=$(cd "$bundle/bin" && pwd)
mkdir -p "$out/logs" || exit 2
out=$(cd "$out" && pwd)
# What an earlier check left, and nothing else: the folder may hold more.
rm -f "$out"/{gpu-check,peers,parts,results}.{json,md} "$out/benchmarks.json" "$out"/logs/*.log
: >"$out/parts.json" && : >"$out/parts.md"

# ---- What the machine brings ----

# A python3 with torch, else any.
find_python() {
  local candidate
  for candidate in "${PEER_PYTHON:-}" "$(command -v python3)" /opt/*/.venv/bin/python3 /opt/conda/bin/python3; do
    if [ -x "$candidate" ] && "$candidate" -c 'import torch' 2>/dev/null; then echo "$candidate"; return; fi
  done
}
torch_python=$(find_python)
python=${torch_python:-$(command -v python3)}

# NVIDIA's libraries in PyTorch's wheels, for a machine whose toolkit does not bring them all.
if [ -n "$python" ]; then
  wheels=$("$python" - 2>/dev/null <<'PYTHON'
import glob, os, site, sys
roots = set(sys.path) | set(site.getsitepackages())
print(":".join(sorted({lib for root in roots if root for lib in glob.glob(os.path.join(root, "nvidia/*/lib"))})))
PYTHON
  )
  if [ -n "$wheels" ]; then export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$wheels"; fi
fi
if [ -z "${NAGARE_REFERENCE_DIR:-}" ]; then
  for folder in "$bundle/share/nagare/reference" "$here/../shared/reference"; do
    if [ -d "$folder" ]; then NAGARE_REFERENCE_DIR=$(cd "$folder" && pwd) && export NAGARE_REFERENCE_DIR && break; fi
  done
fi
sanitizer=''
for candidate in "$(command -v compute-sanitizer)" "${CUDA_HOME:-/usr/local/cuda}"/{bin,compute-sanitizer}/compute-sanitizer; do
  if [ -x "$candidate" ]; then sanitizer=$candidate && break; fi
done

# ---- Parts ----

# Text as the inside of a JSON string. ASCII alone: a log's line may be cut in the middle of a character, or be no text.
escaped() { LC_ALL=C tr -cd '\011\012\040-\176' | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/\t/ /g' | sed -e ':a' -e 'N' -e '$!ba' -e 's/\n/\\n/g'; }

bad=0 status=''
# record NAME STATUS SECONDS NOTE
record() {
  local note
  note=$(printf '%s' "$4" | escaped)
  [ -s "$out/parts.json" ] && printf ',\n' >>"$out/parts.json"
  printf '    {"name": "%s", "status": "%s", "seconds": %s, "note": "%s"}' "$1" "$2" "$3" "$note" >>"$out/parts.json"
  printf '| %s | %s | %s | %s |\n' "$1" "$2" "$3" "$(printf '%s' "$4" | tr '\n|' ' /')" >>"$out/parts.md"
  printf '%-22s %-8s %4s s  %s\n' "$1" "$2" "$3" "$(printf '%s' "$4" | tr '\n' ' ' | cut -c1-110)"
  case "$2" in failed | timeout) bad=1 ;; esac
}

# What the log of a part says in one line: the failing tests, or how many passed, or its last line.
summary() {
  local failed passed
  failed=$(grep -aE '^\[  FAILED  \] [^ ]+' "$1" | sed 's/^\[  FAILED  \] //; s/[ ,].*//' | sort -u)
  passed=$(grep -acE '^\[       OK \]' "$1")
  if [ -n "$failed" ]; then
    printf '%s failed: %s' "$(wc -l <<<"$failed")" "$(head -5 <<<"$failed" | paste -sd ' ')"
  elif grep -aq '^processor ' "$1"; then
    grep -aE '^(nagare|processor|GPU)  ' "$1" | sed -E 's/^[a-zA-Z]+ +//' | paste -sd ';'
  elif grep -aq '^kNN after training ' "$1"; then
    grep -aE '^(kNN|images)' "$1" | tr -s ' ' | paste -sd ';'
  elif grep -aq '/manual_time ' "$1"; then
    printf '%s benchmarks' "$(grep -ac '/manual_time ' "$1")"
  elif [ "$passed" -gt 0 ]; then
    printf '%s tests passed' "$passed"
    grep -aE '^(cpu|cuda) (f32|bf16): ' "$1" | sed 's/^/; /'
  else
    grep -av -e '^[[:space:]]*$' -e '^part: line ' "$1" | tail -1 | cut -c1-200
  fi
}

# The parts still to come and their boxes in seconds, most valuable first; the sum is what all may take.
boxes=(
  info:10 tests-kernels:45 reference-f32:25 reference-bf16:25 benchmarks:90 peers:100
  memcheck:50 tests-engine:30 racecheck:40 train-demo:30 initcheck:25 tests-ssl:25 tests-models:5 tests-apps:20
)
limit=0
# Sets `limit` to what part NAME may take: its box and what is not needed for the boxes after it, up to twice the box
# (a dry run leaves out half of the parts, on a machine that may be slow: six times).
# Returns 1 when nothing is left.
open_box() {
  local name=$1 box=0 later=0 found=no entry most=2
  if [ $dry_run = yes ]; then most=6; fi
  for entry in "${boxes[@]}"; do
    if [ $found = yes ]; then later=$((later + ${entry#*:})); fi
    if [ "${entry%%:*}" = "$name" ]; then box=${entry#*:} found=yes; fi
  done
  limit=$((total_seconds - SECONDS - later))
  if [ $limit -gt $((most * box)) ]; then limit=$((most * box)); fi
  if [ $limit -lt "$box" ]; then limit=$box; fi
  if [ $limit -gt $((total_seconds - SECONDS)) ]; then limit=$((total_seconds - SECONDS)); fi
  if [ $limit -lt 5 ]; then record "$name" timeout 0 "no time was left"; return 1; fi
}

# part NAME COMMAND...: runs it within its box; open_box came before. Exit code 77 is "skipped", 75 "partial".
part() {
  local name=$1 started=$SECONDS code note
  shift
  # The inner shell is the one that would print "Aborted" on the terminal.
  bash -c '"$@"; exit $?' part timeout --signal=INT --kill-after=5 "$limit" "$@" >"$out/logs/$name.log" 2>&1 </dev/null
  code=$?
  case $code in
    0) status=passed ;;
    75) status=partial ;;
    77) status=skipped ;;
    124 | 137) status=timeout ;;
    *) status=failed ;;
  esac
  if [ $status = timeout ] && [ -s "$out/$name.json" ]; then status=partial; fi  # what was reached is in the report
  note=$(summary "$out/logs/$name.log")
  if [ $code = 124 ] || [ $code = 137 ]; then note="stopped after $limit s: $note"; fi
  if [ $status = failed ]; then note="exit code $code: $note"; fi
  record "$name" $status $((SECONDS - started)) "$note"
}

# test_part NAME PROGRAM COMMAND...: COMMAND is the program with its arguments; skipped where the bundle lacks it.
test_part() {
  local name=$1 program=$2
  shift 2
  if [ ! -x "$bin/$program" ]; then record "$name" skipped 0 "no $program in $bin"; return; fi
  open_box "$name" && part "$name" "$@"
}

# Every test of PROGRAM, in shards side by side that share the cores. What each said, one after the other.
sharded() {
  local program=$1 cores count shard pids=() logs=() failed=0
  cores=$(nproc) count=$((cores < 8 ? cores : 8))
  for ((shard = 0; shard < count; ++shard)); do
    logs+=("$out/logs/$program.$shard.log")
    GTEST_TOTAL_SHARDS=$count GTEST_SHARD_INDEX=$shard OMP_NUM_THREADS=$((cores / count)) \
      "$bin/$program" >"${logs[$shard]}" 2>&1 &
    pids+=($!)
  done
  # At the end of the time box the shards stop, and what they reached is in the log of the part.
  trap 'kill "${pids[@]}" 2>/dev/null; cat "${logs[@]}"; exit 124' INT TERM
  for shard in "${!pids[@]}"; do wait "${pids[$shard]}" || failed=1; done
  cat "${logs[@]}"
  return $failed
}
tests_part() { test_part "$1" "$2" bash -c 'sharded "$@"' sharded "$2"; }

# How many tests of a program run on CUDA; with a GPU there must be some.
tests_on_cuda() { "$bin/$1" --gtest_list_tests 2>/dev/null | grep -c 'GetParam() = .*cuda'; }

# The kernel tests under one tool of compute-sanitizer, in shards side by side: a launch takes milliseconds there.
sanitize() {
  local tool=$1 seconds=$2 shard pids=() failed=0 stopped=0
  for ((shard = 0; shard < shards; ++shard)); do
    GTEST_TOTAL_SHARDS=$shards GTEST_SHARD_INDEX=$shard timeout --signal=INT --kill-after=3 "$seconds" \
      "$sanitizer" --tool "$tool" --error-exitcode 9 --print-limit 20 \
      "$bin/nagare-test-kernels" --gtest_shuffle --gtest_random_seed=1 >"$out/logs/$tool.$shard.log" 2>&1 &
    pids+=($!)
  done
  for shard in "${!pids[@]}"; do
    wait "${pids[$shard]}"
    case $? in 0) ;; 124 | 137) stopped=1 ;; *) failed=1 ;; esac
  done
  local logs=("$out/logs/$tool".[0-9]*.log)
  if grep -qah 'Device not supported' "${logs[@]}"; then echo "compute-sanitizer does not support this machine"; return 77; fi
  grep -ahE '^\[  FAILED  \]|^========= (Error|Invalid|Uninitialized|.*[Rr]ace)' "${logs[@]}" | sort | uniq -c | sort -rn | head -20
  local ran
  ran=$(cat "${logs[@]}" | grep -ac '^\[       OK \]')
  if grep -qahE '^========= (Invalid|Uninitialized|Error: )|ERROR SUMMARY: [1-9]|hazards? .*[1-9][0-9]* errors?' "${logs[@]}"; then failed=1; fi
  echo "$tool: $ran tests ran, $([ $failed = 1 ] && echo 'with errors: see the logs' || echo 'nothing found')"
  if [ $failed = 1 ]; then return 1; fi
  if [ $stopped = 1 ]; then return 75; fi
}
export -f sanitize sharded
export bin out sanitizer shards

sanitizer_part() {
  if [ $dry_run = yes ]; then record "$1" skipped 0 "needs a GPU"; return; fi
  if [ -z "$sanitizer" ]; then record "$1" skipped 0 "no compute-sanitizer on the PATH or in CUDA_HOME"; return; fi
  if [ ! -x "$bin/nagare-test-kernels" ]; then record "$1" skipped 0 "no nagare-test-kernels in $bin"; return; fi
  open_box "$1" && part "$1" bash -c 'sanitize "$@"' sanitize "$1" $((limit - 4))
}

# Every benchmark of the device; a run that was stopped has written those that it reached.
benchmarks() {
  local filter="/$device(/|\$)" time=0.03
  if [ ! -x "$bin/nagare-bench" ]; then record benchmarks skipped 0 "no nagare-bench in $bin"; return; fi
  if [ $dry_run = yes ]; then filter="^(layer_norm|batch_norm).*/cpu/" time=0.01; fi
  open_box benchmarks || return
  part benchmarks "$bin/nagare-bench" "--benchmark_filter=$filter" --benchmark_min_time=$time \
    "--benchmark_out=$out/benchmarks.json" --benchmark_out_format=json
}

peers() {
  local compare=$bundle/bench/peers/compare_kernels arguments=(--device cuda)
  if [ ! -x "$compare" ]; then compare=$here/bench/peers/compare_kernels; fi
  if [ ! -x "$compare" ] || [ ! -x "$bin/nagare-bench" ]; then record peers skipped 0 "no bench/peers/compare_kernels or no nagare-bench"; return; fi
  if [ -z "$torch_python" ]; then record peers skipped 0 "no python3 with torch: set PEER_PYTHON"; return; fi
  open_box peers || return
  if [ $dry_run = yes ]; then arguments=(--device cpu --only batch_norm --no-compile) limit=45; fi
  part peers "$torch_python" "$compare" "${arguments[@]}" --seconds $((limit - 12)) --bench "$bin/nagare-bench" \
    --torch-python "$torch_python" --out "$out/peers.json"
}

train() {
  local short_run=()
  if [ $dry_run = yes ]; then short_run=(--max-steps 4); fi
  open_box train-demo || return
  rm -rf "$out/train-demo"
  part train-demo "$bin/nagare" train --preset demo --device $device --out "$out/train-demo" --quiet "${short_run[@]}"
}

echo "nagare GPU check: $bin, device $device, results in $out"
open_box info && part info "$bin/nagare" info --device $device
tests_part tests-kernels nagare-test-kernels
on_cuda=$(tests_on_cuda nagare-test-kernels)
if [ $dry_run = no ] && [ "$on_cuda" = 0 ]; then record cuda-seen failed 0 "no kernel test has found the GPU: see logs/info.log"; fi
test_part reference-f32 nagare-test-reference "$bin/nagare-test-reference" --device $device --precision f32
test_part reference-bf16 nagare-test-reference "$bin/nagare-test-reference" --device $device --precision bf16
benchmarks
peers
sanitizer_part memcheck
tests_part tests-engine nagare-test-engine
sanitizer_part racecheck
train
sanitizer_part initcheck
tests_part tests-ssl nagare-test-ssl
tests_part tests-models nagare-test-models
tests_part tests-apps nagare-test-apps

# ---- Report ----

# One list of results from what a stopped run has left of its file, as JSON and as a table.
read_results() {
  "$python" - "$out" <<'PYTHON'
import json, pathlib, sys
out = pathlib.Path(sys.argv[1])
def load(name):
    try:
        text = (out / name).read_text()
    except OSError:
        return None
    for candidate in (text, text[:text.rfind("\n    }") + 6] + "\n  ]\n}"):
        try:
            return json.loads(candidate)
        except ValueError:
            pass
bench, peers = load("benchmarks.json"), load("peers.json")
(out / "results.json").write_text('"benchmarks": %s,\n  "peers": %s' % (json.dumps(bench), json.dumps(peers)))
lines = []
if bench:
    scale = {"ns": 1e-3, "us": 1.0, "ms": 1e3, "s": 1e6}
    lines += ["", "## Benchmarks", "", "| benchmark | µs | GB/s | GFLOP/s | % of roofline |", "|---|---|---|---|---|"]
    for b in bench["benchmarks"]:
        if b.get("error_occurred"):
            lines.append(f"| {b['name']} | {b.get('error_message', '')} | | | |")
            continue
        cell = lambda key: f"{b[key]:.4g}" if key in b else ""
        lines.append(f"| {b['name'].removesuffix('/manual_time')} | {b.get('median_us', b['real_time'] * scale[b['time_unit']]):.4g} | {cell('GB/s')} | "
                     f"{cell('GFLOP/s')} | {cell('roofline_percent')} |")
if (out / "peers.md").exists():
    lines += ["", (out / "peers.md").read_text().replace("# Kernels", "## Kernels")]
(out / "results.md").write_text("\n".join(lines) + "\n")
PYTHON
}
printf '"benchmarks": null,\n  "peers": null' >"$out/results.json" && : >"$out/results.md"
[ -n "$python" ] && read_results
gpu=$(nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.sm,temperature.gpu --format=csv,noheader 2>/dev/null)
info=$("$bin/nagare" info --json 2>/dev/null)
{
  printf '{\n  "schema": 2,\n  "date": "%s",\n  "dry_run": %s,\n' "$(date -u +%FT%TZ)" "$([ $dry_run = yes ] && echo true || echo false)"
  printf '  "seconds": %s,\n  "gpu": "%s",\n  "kernel_tests_on_cuda": %s,\n' "$SECONDS" "$(printf '%s' "$gpu" | escaped)" "$on_cuda"
  printf '  "info": %s,\n' "${info:-null}"
  printf '  "parts": [\n'
  cat "$out/parts.json"
  printf '\n  ],\n  '
  cat "$out/results.json"
  printf '\n}\n'
} >"$out/gpu-check.json"
{
  printf '# GPU check, %s%s\n\n' "$(date -u +%F)" "$([ $dry_run = yes ] && echo ' (dry run on the CPU)')"
  printf 'GPU: %s. Took %s s. Kernel tests on CUDA: %s.\n\n| part | status | seconds | note |\n|---|---|---|---|\n' "${gpu:-none}" "$SECONDS" "$on_cuda"
  cat "$out/parts.md" "$out/results.md"
} >"$out/gpu-check.md"
rm -f "$out"/{parts,results}.{json,md}
echo "wrote $out/gpu-check.json and $out/gpu-check.md"
exit $bad
