#!/usr/bin/env python3
"""Steps a second with one and with two workers, alternately, and the ratio; Fashion-MNIST, Adam, batch 128 a worker.

    swift build -c release && python3 Benchmarks/steps.py [--runs 5]

Weak scaling: two workers have twice the batch. The ratio of steps a second is then the parallel efficiency, 1 at best.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile

LOCKSTEP = pathlib.Path(__file__).resolve().parent.parent / ".build/release/lockstep"
MODELS = [("mlp:64", 3000), ("mlp:256,128", 1500), ("mlp:1024,1024", 200), ("mlp:4096,4096", 15)]


def steps_per_second(model, steps, workers):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [LOCKSTEP, "train", "--data", "fashion-mnist", "--model", model, "--steps", str(steps)]
            + ["--batch-size", str(128 * workers), "--micro-batches", str(workers), "--workers", str(workers)]
            + ["--output", folder],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return json.loads(pathlib.Path(folder, "summary.json").read_text())["steps_per_second"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    print("| model | 1 worker, steps/s | 2 workers, steps/s | ratio, median (min–max) |\n| --- | ---: | ---: | ---: |")
    for model, steps in MODELS:
        pairs = [(steps_per_second(model, steps, 1), steps_per_second(model, steps, 2)) for _ in range(runs)]
        ratios = sorted(two / one for one, two in pairs)
        print(
            f"| {model} | {statistics.median(one for one, _ in pairs):.1f} "
            f"| {statistics.median(two for _, two in pairs):.1f} "
            f"| {statistics.median(ratios):.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f}) |",
            flush=True,
        )


if __name__ == "__main__":
    main()
