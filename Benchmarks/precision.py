#!/usr/bin/env python3
"""What --precision bf16 does to the loss, or with --speed to the time of a step, beside float32.

    swift build -c release && python3 Benchmarks/precision.py [--program .build/release/lockstep] [--speed]

Each job is trained in float32 and in bf16, one after the other, by one worker that shares memory with its coordinator.
Prints the test loss of each run, in the order of the seeds, and the means. With --speed, prints the ratio of the steps a
second, bf16 over float32, and of the time that a step computes, each the median of five alternating rounds: what rounding
costs, where nothing is saved by sending less. The transformer learns a text that Debian has.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

IMAGES = "--data fashion-mnist"
TRANSFORMER = "--data text:/usr/share/common-licenses/GPL-3 --model transformer --batch-size 32"
LOSSES = [
    "--data digits --scale standard --epochs 10",
    f"{IMAGES} --epochs 1",
    f"{IMAGES} --model mlp:1024,1024 --epochs 1",
    f"{IMAGES} --model cnn --epochs 1",
    f"{TRANSFORMER} --steps 300",
]
SPEEDS = [
    f"{IMAGES} --model mlp:64 --batch-size 32 --steps 2000",
    f"{IMAGES} --steps 600",
    f"{IMAGES} --model mlp:1024,1024 --steps 100",
    f"{IMAGES} --model mlp:1024,1024 --batch-size 1024 --steps 20",
    f"{IMAGES} --model cnn --steps 40",
    f"{TRANSFORMER} --steps 12",
]
PRECISIONS = ["float32", "bf16"]


def train(program, folder, job, precision, seed=0):
    """The run's test loss, and the seconds and the computing seconds of its median step."""
    command = [program, "train", *job.split(), "--seed", str(seed), "--precision", precision, "--workers", "1",
               "--output", folder, "--overwrite"]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)}:\n{result.stderr}")
    lines = map(json.loads, pathlib.Path(folder, "metrics.jsonl").read_text().splitlines())
    steps = [line for line in lines if line["event"] == "step"]
    return (json.loads(pathlib.Path(folder, "summary.json").read_text())["test_loss"],
            statistics.median(step["seconds"] for step in steps),
            statistics.median(sum(step["compute_seconds"].values()) for step in steps))


def compare_losses(program, folder, seeds):
    print("| job | float32 | mean | bf16 | mean |\n| --- | --- | ---: | --- | ---: |")
    for job in LOSSES:
        cells = []
        for precision in PRECISIONS:
            losses = [train(program, folder, job, precision, seed)[0] for seed in range(seeds)]
            cells += [", ".join(f"{loss:.4f}" for loss in losses), f"{statistics.mean(losses):.4f}"]
        print(f"| `{job}` | {' | '.join(cells)} |", flush=True)


def compare_speeds(program, folder):
    print("| job | steps a second, bf16 over float32 (min–max) | time computing |\n| --- | ---: | ---: |")
    for job in SPEEDS:
        rounds = [[train(program, folder, job, precision)[1:] for precision in PRECISIONS] for _ in range(5)]
        speeds = [plain[0] / rounded[0] for plain, rounded in rounds]
        computing = [rounded[1] / plain[1] for plain, rounded in rounds]
        print(f"| `{job}` | {statistics.median(speeds):.2f} ({min(speeds):.2f}–{max(speeds):.2f}) "
              f"| {statistics.median(computing):.2f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = pathlib.Path(__file__).resolve().parent.parent / ".build/release/lockstep"
    parser.add_argument("--program", default=str(default))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--speed", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.speed:
            compare_speeds(options.program, folder)
        else:
            compare_losses(options.program, folder, options.seeds)


if __name__ == "__main__":
    main()
