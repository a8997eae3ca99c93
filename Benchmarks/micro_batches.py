#!/usr/bin/env python3
"""What many micro-batches cost: step time with 16 over step time with 2, two workers, 784-1024-1024-10, batch 256.

    swift build -c release && python3 Benchmarks/micro_batches.py [--runs 5]
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile

LOCKSTEP = pathlib.Path(__file__).resolve().parent.parent / ".build/release/lockstep"


def step_milliseconds(micro_batches):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [LOCKSTEP, "train", "--data", "fashion-mnist", "--model", "mlp:1024,1024", "--steps", "150"]
            + ["--batch-size", "256", "--micro-batches", str(micro_batches), "--workers", "2", "--output", folder],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        lines = [json.loads(line) for line in pathlib.Path(folder, "metrics.jsonl").read_text().splitlines()]
        return 1000 * statistics.median(line["seconds"] for line in lines if line["event"] == "step")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    ratios = []
    for _ in range(parser.parse_args().runs):
        few, many = step_milliseconds(2), step_milliseconds(16)
        ratios.append(many / few)
        print(f"2 micro-batches {few:.1f} ms, 16 micro-batches {many:.1f} ms", flush=True)
    print(f"ratio, median (min–max): {statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})")


if __name__ == "__main__":
    main()
