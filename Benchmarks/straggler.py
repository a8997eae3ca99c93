#!/usr/bin/env python3
"""What a third worker costs that runs a tenth of the time: step time with it over step time without it.

    swift build -c release && python3 Benchmarks/straggler.py [--runs 5]

Two workers run freely; the third is stopped (SIGSTOP) for 90 of each 100 ms. 24 micro-batches a step.
"""

import argparse
import json
import pathlib
import re
import signal
import statistics
import subprocess
import tempfile
import threading
import time

LOCKSTEP = pathlib.Path(__file__).resolve().parent.parent / ".build/release/lockstep"
JOB = ["--data", "fashion-mnist", "--model", "mlp:1024,1024", "--batch-size", "384", "--micro-batches", "24"]


def slow_down(process, done):
    while not done.is_set():
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.09)
        process.send_signal(signal.SIGCONT)
        time.sleep(0.01)


def summary(steps, slow_workers):
    with tempfile.TemporaryDirectory() as folder:
        command = [LOCKSTEP, "coordinator", "--bind", f"ipc://{folder}/socket", "--output", f"{folder}/run"]
        coordinator = subprocess.Popen(
            command + JOB + ["--steps", str(steps)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for line in coordinator.stdout:
            if re.search(r"ipc://", line):
                break
        threading.Thread(target=coordinator.stdout.read, daemon=True).start()
        worker = [LOCKSTEP, "worker", "--connect", f"ipc://{folder}/socket"]
        workers = [subprocess.Popen(worker, stdout=subprocess.DEVNULL) for _ in range(2 + slow_workers)]
        done = threading.Event()
        threads = [threading.Thread(target=slow_down, args=(process, done)) for process in workers[2:]]
        for thread in threads:
            thread.start()
        errors = coordinator.stderr.read()
        done.set()
        for thread in threads:
            thread.join()
        for process in workers:
            process.kill()
            process.wait()
        if coordinator.wait() != 0:
            raise SystemExit(errors)
        return json.loads(pathlib.Path(folder, "run/summary.json").read_text())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=200)
    arguments = parser.parse_args()
    ratios = []
    for _ in range(arguments.runs):
        alone, with_slow = summary(arguments.steps, 0), summary(arguments.steps, 1)
        assert alone["parameters_sha256"] == with_slow["parameters_sha256"], "the parameters differ"
        ratios.append(alone["steps_per_second"] / with_slow["steps_per_second"])
        print(f"{alone['steps_per_second']:.1f} and {with_slow['steps_per_second']:.1f} steps/s", flush=True)
    print(f"step time with the slow worker over without, median (min–max): {statistics.median(ratios):.2f} "
          f"({min(ratios):.2f}–{max(ratios):.2f})")


if __name__ == "__main__":
    main()
