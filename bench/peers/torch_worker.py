#!/usr/bin/env python3
"""PyTorch's side of compare_kernels: makes and times the cases of bench/peers/kernels, one JSON line per request.

    {"op": "about"}                                             versions, threads, GPU
    {"op": "make", "family", "case", "label", "device", "compiled"}   prepares a case; its first call compiles
    {"op": "run", "seconds", "threads"}                         seconds of each call of the prepared case
    {"op": "memory", "family", "case", "label", "device", "compiled"}  MB that inputs, outputs and temporaries took at most

Every answer is an object; one with "error" says what went wrong, and the worker goes on. CPU calls are timed by the
wall clock, CUDA calls between two events queued while the L2 is being overwritten, just as nagare-bench does it.
"""
import gc
import importlib
import json
import os
import pathlib
import re
import sys
import time

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
LONG = 0.3  # seconds: a call that takes longer needs no others before it
state = {"run": None, "device": "cpu"}


def find(request):
    for case in importlib.import_module(f"kernels.{request['family']}").cases():
        if case["name"] == request["case"]:
            makes = case["make"] if isinstance(case["make"], dict) else {"": case["make"]}
            return makes[request["label"]]
    raise KeyError(f"{request['family']} has no case {request['case']}")


def prepare(request):
    state["run"] = None
    gc.collect()
    torch.manual_seed(1)
    torch._dynamo.reset()
    if request.get("threads"):
        torch.set_num_threads(request["threads"])
    wrap = torch.compile if request["compiled"] else (lambda function: function)
    state["device"] = request["device"]
    state["run"] = find(request)(request["device"], wrap)


def make(request):
    prepare(request)
    started = time.perf_counter()
    for _ in range(3):
        state["run"]()
        synchronize()
        if time.perf_counter() - started > LONG and not request["compiled"]:
            break
    return {}


def synchronize():
    if state["device"] == "cuda":
        torch.cuda.synchronize()


def cpu_call(run):
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def cuda_call(run):
    if "cold" not in state:
        state["cold"] = torch.empty(256 << 20, dtype=torch.uint8, device="cuda")
        state["events"] = [torch.cuda.Event(enable_timing=True) for _ in range(2)]
    start, end = state["events"]
    state["cold"].zero_()
    start.record()
    run()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / 1e3


def run(request):
    if request.get("threads"):
        torch.set_num_threads(request["threads"])
    call = cuda_call if state["device"] == "cuda" else cpu_call
    first = call(state["run"])  # the last turn was another's: caches and clocks settle
    seconds, until = [first] if first > LONG else [], time.perf_counter() + request["seconds"]
    while not seconds or time.perf_counter() < until:
        seconds.append(call(state["run"]))
    return {"seconds": seconds}


def resident_mb(field):
    text = pathlib.Path("/proc/self/status").read_text()
    return int(re.search(rf"{field}:\s+(\d+) kB", text).group(1)) / 1024


def memory(request):
    """A fresh process is wanted: what the allocators keep from earlier cases would not count."""
    a = torch.randn(64, 64, device=request["device"], requires_grad=True)
    torch.nn.functional.cross_entropy(a @ a, torch.zeros(64, dtype=torch.int64, device=request["device"])).backward()
    if request["device"] == "cuda":
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        prepare(request)
        state["run"]()
        torch.cuda.synchronize()
        return {"mb": (torch.cuda.max_memory_allocated() - before) / 1e6}
    if request["compiled"]:
        prepare(request)
        state["run"]()  # the compiler's own memory is not the case's
        state["run"] = None
        gc.collect()
    before = resident_mb("VmRSS")
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts anew
    if not request["compiled"]:
        prepare(request)
    else:
        state["run"] = find(request)(request["device"], torch.compile)
    state["run"]()
    return {"mb": resident_mb("VmHWM") - before}


def about(_):
    found = {"torch": torch.__version__, "threads": torch.get_num_threads(), "cuda": torch.cuda.is_available()}
    if found["cuda"]:
        found["gpu"] = torch.cuda.get_device_name(0)
    return found


def main():
    torch.set_float32_matmul_precision("highest")
    operations = {"about": about, "make": make, "run": run, "memory": memory}
    answers = os.fdopen(os.dup(1), "w")  # what a library prints must not end up between the answers
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = operations[request["op"]](request)
        except Exception as error:  # one case must not stop the others
            answer = {"error": f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
