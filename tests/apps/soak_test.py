#!/usr/bin/env python3
"""scripts/soak: its verdicts on made-up samples, and one short real run.

    soak_test.py NAGARE
"""
import contextlib
import importlib.machinery
import importlib.util
import io
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts/soak"
sys.dont_write_bytecode = True
LOADER = importlib.machinery.SourceFileLoader("soak", str(SCRIPT))
soak = importlib.util.module_from_spec(importlib.util.spec_from_loader("soak", LOADER))
LOADER.exec_module(soak)
NAGARE = ""
HOUR = 3600
TINY = ["--data", "fractal:classes=4,per-class=20,test-per-class=5,size=16,seed=3", "--stream", "seq:2", "--stream-batch", "10",
        "--steps-per-batch", "5", "--model", "resnet18:width=4", "--checkpoint-keep", "2", "--device", "cpu"]


def flat(seconds=HOUR, grow=0.0, slower=0.0, harder=0.0):
    """Samples each second and updates each half second: `grow` MiB an hour, `slower` by the clock and `harder` in processor time as shares
    from begin to end."""
    noise = random.Random(1)
    samples = [{"t": float(t), "cpu": t * (1 + harder * t / (2 * seconds)), "rss": int((300 + grow * t / HOUR + noise.gauss(0, 0.2)) * soak.MIB), "files": 9 + (t % 30 == 0),
                "threads": 3, "checkpoints": 2 + (t % 30 == 0)} for t in range(seconds)]
    updates = [{"t": i / 2, "images": 100, "seconds": (0.5 + noise.gauss(0, 0.01)) * (1 + slower * i / (2 * seconds))}
               for i in range(2 * seconds)]
    return samples, updates


def failed(samples, updates, exit_code=0):
    return [name for name, _, _, good in soak.judge(samples, updates, exit_code) if not good]


class Verdicts(unittest.TestCase):
    def test_a_flat_run_is_good(self):
        self.assertEqual(failed(*flat()), [])

    def test_a_warm_up_is_not_judged(self):
        samples, updates = flat()
        for s in samples[:300]:
            s["rss"], s["files"], s["threads"] = s["rss"] // 2, 4, 1
        self.assertEqual(failed(samples, updates), [])

    def test_growing_work(self):
        self.assertEqual(failed(*flat(harder=0.015)), [])
        self.assertEqual(failed(*flat(harder=0.04)), ["work"])

    def test_growing_memory(self):
        self.assertEqual(failed(*flat(grow=0.5)), [])
        self.assertEqual(failed(*flat(grow=2.0)), ["memory"])
        self.assertEqual(failed(*flat(seconds=600, grow=20.0)), ["memory"])

    def test_a_file_left_open_now_and_then(self):
        samples, updates = flat()
        for i, s in enumerate(samples):
            s["files"] += i // 1200
        self.assertEqual(failed(samples, updates), ["files"])

    def test_a_thread_more(self):
        samples, updates = flat()
        samples[-1]["threads"] += 1
        self.assertEqual(failed(samples, updates), [], "a moment's thread is none that stays")
        for s in samples[2000:]:
            s["threads"] += 1
        self.assertEqual(failed(samples, updates), ["threads"])

    def test_slower_and_faster(self):
        self.assertEqual(failed(*flat(slower=0.01)), [])
        self.assertEqual(failed(*flat(slower=0.04)), ["throughput"])
        self.assertEqual(failed(*flat(slower=-0.04)), ["throughput"])

    def test_only_directories_are_checkpoints(self):
        with tempfile.TemporaryDirectory() as run:
            for name in ("step-000000001", ".unfinished-step-000000002-7", ".trash-step-000000000"):
                (pathlib.Path(run) / "checkpoints" / name).mkdir(parents=True)
            for name in ("LATEST", "LATEST.tmp-7-0"):
                (pathlib.Path(run) / "checkpoints" / name).touch()
            self.assertEqual(soak.count_checkpoints(pathlib.Path(run)), 2)

    def test_checkpoints_pile_up(self):
        samples, updates = flat()
        samples[50]["checkpoints"] = 4
        self.assertEqual(failed(samples, updates), ["checkpoints"])

    def test_it_failed_or_ended_at_once(self):
        self.assertEqual(failed(*flat(), exit_code=6), ["exit code"])
        self.assertEqual(failed([], []), ["length"])


class Whole(unittest.TestCase):
    def test_a_short_run(self):
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "soak"
            soak.RUN, soak.UPDATES_PER_EPOCH = TINY, 8 * soak.UPDATES_PER_BATCH
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                code = soak.main(["--minutes", "0.03", "--nagare", NAGARE, "--out", str(out), "--threads", "1"])
            self.assertIn(code, (0, 1))  # so short a run need not be steady
            found = {v["what"]: v for v in json.loads((out / "soak.json").read_text())["verdicts"]}
            self.assertEqual(found["exit code"]["found"], "0", said.getvalue() + (out / "run.log").read_text())
            self.assertIn("R24 memory", said.getvalue())
            self.assertEqual((out / "soak.html").read_text().count("<svg"), 5)

    def test_what_is_wrong_is_said(self):
        done = subprocess.run([SCRIPT, "--nagare", "/nowhere"], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("/nowhere is not there", done.stderr)


if __name__ == "__main__":
    NAGARE = sys.argv.pop(1)
    unittest.main()
