"""Prints a Markdown table of the runs in a folder: kNN before and after, mean and spread over seeds."""

import json
import re
import statistics
import sys
from pathlib import Path


def main(folder: str) -> None:
    runs: dict[str, list[dict]] = {}
    for path in sorted(Path(folder).glob("*-seed*/results.json")):
        runs.setdefault(re.sub(r"-seed\d+$", "", path.parent.name), []).append(json.loads(path.read_text()))
    print("| preset | seeds | untrained kNN % | final kNN % | gain | forgetting | training seconds |")
    print("|---|---|---|---|---|---|---|")
    for name, results in runs.items():
        def over(values):
            values = list(values)
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            return f"{statistics.mean(values):.2f} ± {spread:.2f}"

        found = [r["readouts"]["knn"] for r in results]
        before = [f["untrained"]["accuracy"] for f in found]
        after = [f["final"]["accuracy"] for f in found]
        print(f"| {name} | {len(results)} | {over(before)} | {over(after)} "
              f"| {over(a - b for a, b in zip(after, before))} | {over(f['forgetting'] for f in found)} "
              f"| {over(r['training_seconds'] for r in results)} |")


if __name__ == "__main__":
    main(sys.argv[1])
