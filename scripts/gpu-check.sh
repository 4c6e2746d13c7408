#!/usr/bin/env bash
# Checks nagare on a machine with a GPU: tests on CUDA, memory checker, a short training run, benchmarks.
#
#   scripts/gpu-check.sh [--bundle DIR] [--out DIR] [--dry-run]
#
#   --bundle DIR   what `cmake --install` made with the components runtime and checks: DIR/bin, DIR/lib
#                  (default: the folder above this script if it has bin/nagare, else the build tree)
#   --out DIR      where gpu-check.json, gpu-check.md and the logs go (default: ./gpu-check)
#   --dry-run      everything that needs no GPU, on the CPU; parts that need one are listed as skipped
#
# Needs a CUDA driver and NVIDIA's libraries (from the toolkit or from PyTorch's wheels), no network, no Debian package.
# NAGARE_REFERENCE_DIR names the reference files; without any, that part is skipped.
# Each part has its time box and all of them together end within 9 minutes. A part that fails does not stop the others.
# Exit code: 0 when nothing failed or ran out of time, 1 otherwise, 2 for a wrong argument.
set -uo pipefail

readonly total_seconds=525
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bundle='' out=gpu-check dry_run=no device=cuda
while [ $# -gt 0 ]; do
  case "$1" in
    -h | --help) sed -n '2,16p' "$0" | sed 's/^# \{0,1\}//'; exit 0 ;;
    --bundle | --out)
      if [ $# -lt 2 ]; then echo "error: scripts/gpu-check.sh: $1 needs a folder" >&2; exit 2; fi
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
: >"$out/parts.json" && : >"$out/parts.md"

# NVIDIA's libraries in PyTorch's wheels, for a machine whose toolkit does not bring them all.
wheels=$(python3 - 2>/dev/null <<'PYTHON'
import glob, os, site, sys
roots = set(sys.path) | set(site.getsitepackages())
print(":".join(sorted({lib for root in roots if root for lib in glob.glob(os.path.join(root, "nvidia/*/lib"))})))
PYTHON
)
if [ -n "$wheels" ]; then export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$wheels"; fi
if [ -z "${NAGARE_REFERENCE_DIR:-}" ] && [ -d "$here/../shared/reference" ]; then
  export NAGARE_REFERENCE_DIR=$here/../shared/reference
fi

# Text as the inside of a JSON string.
escaped() { tr -d '\000-\010\013-\037' | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/\t/ /g' | sed -e ':a' -e 'N' -e '$!ba' -e 's/\n/\\n/g'; }

bad=0 status=''
# record NAME STATUS SECONDS NOTE
record() {
  local note
  note=$(printf '%s' "$4" | escaped)
  [ -s "$out/parts.json" ] && printf ',\n' >>"$out/parts.json"
  printf '    {"name": "%s", "status": "%s", "seconds": %s, "note": "%s"}' "$1" "$2" "$3" "$note" >>"$out/parts.json"
  printf '| %s | %s | %s | %s |\n' "$1" "$2" "$3" "$(printf '%s' "$4" | tr '\n|' ' /')" >>"$out/parts.md"
  printf '%-34s %-9s %4s s  %s\n' "$1" "$2" "$3" "$(printf '%s' "$4" | tr '\n' ' ' | cut -c1-100)"
  case "$2" in failed | timeout) bad=1 ;; esac
}

# What a log says in one line: the failing tests, or its last line.
summary() {
  local failed
  failed=$(grep -aE '^\[  FAILED  \] [^ ]+' "$1" | sed 's/^\[  FAILED  \] //; s/[ ,].*//' | sort -u | head -5 | paste -sd ' ')
  if [ -n "$failed" ]; then printf 'failed: %s' "$failed"; else grep -av '^[[:space:]]*$' "$1" | tail -1 | cut -c1-200; fi
}

# part NAME SECONDS COMMAND...: runs it within its box and within what is left of the whole.
part() {
  local name=$1 box=$2 started=$SECONDS code
  shift 2
  local left=$((total_seconds - SECONDS))
  if [ "$left" -lt 5 ]; then status=timeout; record "$name" $status 0 "no time was left"; return; fi
  if [ "$left" -lt "$box" ]; then box=$left; fi
  # The inner shell is the one that would print "Aborted" on the terminal.
  bash -c '"$@"; exit $?' part timeout --signal=INT --kill-after=5 "$box" "$@" >"$out/logs/$name.log" 2>&1
  code=$?
  case $code in
    0) status=passed ;;
    77) status=skipped ;;
    124 | 137) status=timeout ;;
    *) status=failed ;;
  esac
  local note
  note=$(summary "$out/logs/$name.log")
  if [ $status = timeout ]; then note="stopped after $box s: $note"; fi
  if [ $status = failed ]; then note="exit code $code: $note"; fi
  record "$name" $status $((SECONDS - started)) "$note"
}

# program_part NAME SECONDS PROGRAM ARGUMENT...: a part that is skipped where the bundle lacks the program.
program_part() {
  local name=$1 box=$2 program=$3
  shift 3
  if [ -x "$bin/$program" ]; then part "$name" "$box" "$bin/$program" "$@"; else status=skipped; record "$name" skipped 0 "no $program in $bin"; fi
}

gpu_part() {
  if [ $dry_run = yes ]; then record "$1" skipped 0 "needs a GPU"; else part "$@"; fi
}

echo "nagare GPU check: $bin, device $device, results in $out"
part info 20 "$bin/nagare" info --device "$device"
program_part tests-kernels 60 nagare-test-kernels --gtest_brief=1
program_part tests-engine 60 nagare-test-engine --gtest_brief=1
program_part tests-models 20 nagare-test-models --gtest_brief=1
program_part tests-ssl 45 nagare-test-ssl --gtest_brief=1
program_part reference-f32 45 nagare-test-reference --device "$device" --precision f32 --gtest_brief=1
program_part reference-bf16 40 nagare-test-reference --device "$device" --precision bf16 --gtest_brief=1
if [ $dry_run = yes ]; then short_run=(--max-steps 4); else short_run=(); fi
part train-demo 75 "$bin/nagare" train --preset demo --device "$device" --out "$out/run" --quiet "${short_run[@]}"
rm -f "$out/benchmarks.json"
program_part benchmarks 45 nagare-bench --benchmark_min_time=0.1 "--benchmark_out=$out/benchmarks.json" --benchmark_out_format=json
benchmark_status=$status
if [ $dry_run = yes ]; then program_part tests-emulated 120 nagare-test-kernels-emulated --gtest_brief=1; fi
sanitizer=$(PATH="$PATH:${CUDA_HOME:-/usr/local/cuda}/bin" command -v compute-sanitizer)
for tool in memcheck racecheck; do
  if [ $dry_run = no ] && { [ -z "$sanitizer" ] || [ ! -x "$bin/nagare-test-kernels" ]; }; then
    record "sanitizer-$tool" skipped 0 "no compute-sanitizer or no nagare-test-kernels"
  else
    gpu_part "sanitizer-$tool" 55 "$sanitizer" --tool "$tool" --error-exitcode 1 "$bin/nagare-test-kernels" --gtest_brief=1
  fi
done

gpu=$(nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.sm,temperature.gpu --format=csv,noheader 2>/dev/null)
info=$("$bin/nagare" info --json 2>/dev/null)
{
  printf '{\n  "schema": 1,\n  "date": "%s",\n  "dry_run": %s,\n' "$(date -u +%FT%TZ)" "$([ $dry_run = yes ] && echo true || echo false)"
  printf '  "seconds": %s,\n  "gpu": "%s",\n' "$SECONDS" "$(printf '%s' "$gpu" | escaped)"
  printf '  "info": %s,\n' "${info:-null}"
  printf '  "parts": [\n'
  cat "$out/parts.json"
  printf '\n  ],\n  "benchmarks": '
  # A run that was stopped leaves half a file.
  if [ "$benchmark_status" = passed ] && [ -s "$out/benchmarks.json" ]; then cat "$out/benchmarks.json"; else printf 'null'; fi
  printf '\n}\n'
} >"$out/gpu-check.json"
{
  printf '# GPU check, %s%s\n\n' "$(date -u +%F)" "$([ $dry_run = yes ] && echo ' (dry run on the CPU)')"
  printf 'GPU: %s. Took %s s.\n\n| part | status | seconds | note |\n|---|---|---|---|\n' "${gpu:-none}" "$SECONDS"
  cat "$out/parts.md"
} >"$out/gpu-check.md"
rm -f "$out/parts.json" "$out/parts.md"
echo "wrote $out/gpu-check.json and $out/gpu-check.md"
exit $bad
