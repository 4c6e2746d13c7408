#!/usr/bin/env python3
"""PyTorch's side of the ResNet-18 step benchmark: the same network, batch and step as bench/training_step_bench.cpp.

    resnet18_cpu.py VARIANT [--steps N] [--threads 2]      one JSON line: seconds and CPU seconds of every step, peak memory
    resnet18_cpu.py VARIANT --serve                        the same, one line for every "N" read from standard input
    resnet18_cpu.py --list                                 the variants

A variant is WHAT-PRECISION[-LAYOUT][-compile]: WHAT is step (forward, cross entropy, backward, SGD) or forward (evaluation
mode, no gradients); PRECISION is f32 or bf16 (autocast; f32 master weights); LAYOUT is nchw or nhwc (channels_last).
Needs torch; the network is written here, so that torchvision is not needed.
"""
import argparse
import json
import resource
import sys
import time

import torch
from torch import nn
from torch.nn import functional

BATCH = 128
VARIANTS = [
    f"{what}-{precision}-{layout}{compiled}"
    for what in ("step", "forward")
    for precision in ("f32", "bf16")
    for layout in ("nchw", "nhwc")
    for compiled in ("", "-compile")
]


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        h = self.relu(self.bn1(self.conv1(x)))
        h = self.bn2(self.conv2(h))
        h += shortcut
        return self.relu(h)


def resnet18():
    """The CIFAR stem (3x3, stride 1, no max-pooling), width 64, ten classes."""
    layers = [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True)]
    inputs = 64
    for outputs, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [Block(inputs, outputs, stride), Block(outputs, outputs, 1)]
        inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


def make_run(variant):
    """Returns a function that runs one step of the variant."""
    what, precision, layout = variant.split("-")[:3]
    torch.manual_seed(1)
    memory_format = torch.channels_last if layout == "nhwc" else torch.contiguous_format
    net = resnet18().to(memory_format=memory_format)
    x = torch.randn(BATCH, 3, 32, 32).to(memory_format=memory_format)
    y = torch.randint(0, 10, (BATCH,))
    model = torch.compile(net) if variant.endswith("-compile") else net
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")
    if what == "forward":
        net.eval()

        def run():
            with torch.inference_mode(), autocast:
                model(x)

        return run

    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)

    def run():
        with autocast:
            loss = functional.cross_entropy(model(x).float(), y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return run


def measure(run, steps):
    seconds, cpu_seconds = [], []
    for _ in range(steps):
        cpu, wall = time.process_time(), time.perf_counter()
        run()
        seconds.append(time.perf_counter() - wall)
        cpu_seconds.append(time.process_time() - cpu)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_rss_mb": peak, "torch": torch.__version__}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("variant", nargs="?", choices=VARIANTS, metavar="VARIANT")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    if options.list:
        print("\n".join(VARIANTS))
        return
    if options.variant is None:
        parser.error("name a variant (--list shows them)")
    torch.set_num_threads(options.threads)
    run = make_run(options.variant)
    for _ in range(2):  # compiles, prepares primitives, settles the allocator
        run()
    if not options.serve:
        print(json.dumps(measure(run, options.steps)))
        return
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(measure(run, int(line))), flush=True)


if __name__ == "__main__":
    main()
