#!/usr/bin/env python3
"""scripts/bench-compare on small made-up results: verdicts, noise, exit codes, files that do not match."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts/bench-compare"
MACHINE = {"cpu": "A", "num_cpus": 2, "threads": "2", "gpu": "none", "OMP_WAIT_POLICY": "passive", "load_avg": [0.1]}


def run_of(name, us, **more):
    return {"name": f"{name}/manual_time", "run_name": f"{name}/manual_time", "run_type": "iteration",
            "real_time": us * 1e3, "time_unit": "ns", **more}


def aggregate_of(name, kind, us):
    return {"name": f"{name}_{kind}", "run_name": name, "run_type": "aggregate", "aggregate_name": kind,
            "real_time": us, "time_unit": "us"}


class BenchCompareTest(unittest.TestCase):
    def compare(self, old, new, *flags, old_context=MACHINE, new_context=MACHINE):
        with tempfile.TemporaryDirectory() as folder:
            paths = []
            for name, content, context in (("old", old, old_context), ("new", new, new_context)):
                paths.append(pathlib.Path(folder) / f"{name}.json")
                text = content if isinstance(content, (str, bytes)) else json.dumps({"context": context, "benchmarks": content})
                paths[-1].write_bytes(text.encode() if isinstance(text, str) else text)
            return subprocess.run([sys.executable, SCRIPT, *paths, *flags], capture_output=True, text=True)

    def test_says_what_became_slower_and_exits_with_1(self):
        answer = self.compare([run_of("a", 100), run_of("b", 100)], [run_of("a", 120), run_of("b", 101)])
        self.assertEqual(answer.returncode, 1, answer.stderr)
        self.assertRegex(answer.stdout, r"a +100 us +120 us +1\.200 +\? +slower")
        self.assertIn("2 benchmarks: 1 slower, 0 faster, 1 within 5 %, 0 within their noise", answer.stdout)
        self.assertNotRegex(answer.stdout, r"b +100 us")

    def test_faster_is_no_regression(self):
        answer = self.compare([run_of("a", 3000)], [run_of("a", 1000)])
        self.assertEqual(answer.returncode, 0)
        self.assertRegex(answer.stdout, r"3 ms +1 ms +0\.333 +\? +faster")

    def test_the_median_of_the_calls_is_preferred_to_their_mean(self):
        answer = self.compare([run_of("a", 999, median_us=100)], [run_of("a", 100, median_us=101)], "--all")
        self.assertEqual(answer.returncode, 0)
        self.assertRegex(answer.stdout, r"a +100 us +101 us +1\.010 +\? +same")

    def test_a_change_within_the_noise_of_the_calls_is_not_a_regression(self):
        old, new = [run_of("a", 100, noise_percent=8)], [run_of("a", 115, noise_percent=9)]
        answer = self.compare(old, new, "--all")
        self.assertEqual(answer.returncode, 0)
        self.assertRegex(answer.stdout, r"17\.0 % +noise")
        self.assertEqual(self.compare(old, [run_of("a", 118, noise_percent=9)]).returncode, 1)

    def test_repetitions_give_median_and_noise(self):
        old = [run_of("a", us) for us in (100, 90, 110)]
        new = [run_of("a", us) for us in (115, 114, 118)]
        answer = self.compare(old, new, "--all")  # noise 10 % + 1.7 %
        self.assertRegex(answer.stdout, r"a +100 us +115 us +1\.150 +11\.7 % +slower")

    def test_aggregates_alone_are_enough(self):
        both = [[aggregate_of("a", "mean", 5), aggregate_of("a", "median", us), aggregate_of("a", "stddev", 1)]
                for us in (10, 20)]
        answer = self.compare(*both)
        self.assertEqual(answer.returncode, 1)
        self.assertRegex(answer.stdout, r"a +10 us +20 us +2\.000 +15\.0 % +slower")

    def test_threshold(self):
        old, new = [run_of("a", 100)], [run_of("a", 120)]
        self.assertEqual(self.compare(old, new, "--threshold", "25").returncode, 0)
        self.assertEqual(self.compare(old, new, "--threshold", "19").returncode, 1)
        for bad in ("-1", "nan"):
            answer = self.compare(old, new, f"--threshold={bad}")
            self.assertEqual(answer.returncode, 2)
            self.assertIn("need a percentage >= 0", answer.stderr)

    def test_missing_extra_and_broken_benchmarks_are_named(self):
        skipped = {"name": "c/manual_time", "error_occurred": True, "error_message": "skipped: no GPU"}
        answer = self.compare([run_of("a", 1), run_of("b", 1), run_of("c", 1)], [run_of("a", 1), run_of("d", 1), skipped])
        self.assertEqual(answer.returncode, 0)
        self.assertIn("only in the old file:\n  b\n", answer.stdout)
        self.assertIn("only in the new file:\n  d\n", answer.stdout)
        self.assertIn("measured in the old one:\n  c: skipped: no GPU\n", answer.stdout)

    def test_filter(self):
        answer = self.compare([run_of("a", 1), run_of("b", 1)], [run_of("a", 9), run_of("b", 1)], "--filter", "^b")
        self.assertEqual(answer.returncode, 0)
        self.assertIn("1 benchmarks: 0 slower", answer.stdout)

    def test_other_machines_are_shown_but_not_judged(self):
        old, new, other = [run_of("a", 1)], [run_of("a", 9)], dict(MACHINE, cpu="B")
        answer = self.compare(old, new, new_context=other)
        self.assertEqual(answer.returncode, 0)
        self.assertIn("the machines differ (cpu: A / B): times are not judged", answer.stdout)
        self.assertRegex(answer.stdout, r"a +1 us +9 us +9\.000")
        self.assertEqual(self.compare(old, new, "--any-machine", new_context=other).returncode, 1)

    def test_a_busy_machine_is_mentioned(self):
        answer = self.compare([run_of("a", 1)], [run_of("a", 1)], new_context=dict(MACHINE, load_avg=[7.5]))
        self.assertRegex(answer.stdout, r"busy with other work when .*new.json was measured \(load 7.5\)")

    def test_wrong_usage_exits_with_2_and_says_why(self):
        answer = self.compare([run_of("a", 1)], [run_of("b", 1)])
        self.assertEqual(answer.returncode, 2)
        self.assertIn("have no benchmark in common", answer.stderr)
        unit, zero = dict(run_of("a", 1), time_unit="hours"), run_of("a", 0)
        for text in ("{", "[]", '{"context": {}}', b"\x1f\x8b\xff", [unit], [zero], [zero, zero]):
            answer = self.compare([run_of("a", 1)], text)
            self.assertEqual(answer.returncode, 2)
            self.assertRegex(answer.stderr, r"new.json is not a result of nagare-bench")
        answer = self.compare([run_of("a", 1)], [run_of("a", 1)], "--filter", "(")
        self.assertEqual(answer.returncode, 2)
        self.assertIn("--filter (: missing ), unterminated subpattern", answer.stderr)
        missing = subprocess.run([sys.executable, SCRIPT, "/no/such/file", "/no/such/file"], capture_output=True, text=True)
        self.assertEqual(missing.returncode, 2)
        self.assertIn("cannot read /no/such/file: No such file", missing.stderr)
        self.assertEqual(subprocess.run([sys.executable, SCRIPT], capture_output=True).returncode, 2)


if __name__ == "__main__":
    unittest.main()
