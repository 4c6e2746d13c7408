#!/usr/bin/env python3
"""Makes three small runs, one with a hostile name, and looks at their report with scripts/report-screenshot.

  tests/apps/report_browser_test.py BUILD/bin/nagare

Exit 77 (skipped) where Chromium is missing.
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
TINY = ["--data", "fractal:classes=4,per-class=10,test-per-class=10,size=16,seed=3", "--model", "resnet18:width=4",
        "--stream", "seq:2", "--stream-batch", "10", "--device", "cpu", "--precision", "fp32", "--threads", "1", "--quiet"]
RUNS = {"er-1": ["--strategy", "er", "--buffer", "8", "--seed", "1"],
        "er-2": ["--strategy", "er", "--buffer", "8", "--seed", "2"],
        "<script>alert(1)</script>\"'".replace("/", "%"): ["--seed", "1"]}


def main():
    if shutil.which("chromium") is None:
        print("skipped: report_in_browser: chromium is not installed")
        return 77
    nagare = sys.argv[1]
    with tempfile.TemporaryDirectory() as directory:
        home = pathlib.Path(directory)
        for name, options in RUNS.items():
            subprocess.run([nagare, "train", "--out", str(home / name), *TINY, *options], check=True,
                           stdout=subprocess.DEVNULL)
        page = home / "comparison.html"
        subprocess.run([nagare, "report", *(str(home / name) for name in RUNS), "--out", str(page)], check=True)
        if page.stat().st_size > 5 << 20:
            print("the page has %d bytes" % page.stat().st_size)
            return 1
        shots = home / "shots"
        code = subprocess.run([str(REPOSITORY / "scripts/report-screenshot"), str(page), str(shots)]).returncode
        missing = [name for name in ("light-1280", "dark-1280", "light-390", "dark-390", "print", "no-script")
                   if not (shots / (name + ".png")).is_file()]
        print("pictures missing: %s" % missing if missing else "six pictures")
        return code or len(missing)


if __name__ == "__main__":
    sys.exit(main())
