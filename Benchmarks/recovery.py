#!/usr/bin/env python3
"""What a death costs, on one machine over tcp: a worker's, and the coordinator's.

    swift build -c release && python3 Benchmarks/recovery.py [--runs 5]

A worker is killed, or stopped, in the middle of a run with two: the cost is the longest step's time. The coordinator is
killed and resumed: the time from its `listening on` to the end of the first epoch of 12 steps.
"""

import argparse
import json
import pathlib
import signal
import statistics
import subprocess
import tempfile
import time

LOCKSTEP = pathlib.Path(__file__).resolve().parent.parent / ".build/release/lockstep"
JOB = ["--model", "mlp:64", "--epochs", "100000"]


def start(*arguments):
    return subprocess.Popen([LOCKSTEP, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def wait_for(process, text):
    for line in process.stdout:
        if text in line:
            return line
    raise SystemExit(f"the process ended without saying '{text}'")


def coordinate(*arguments):
    coordinator = start("coordinator", *arguments)
    return coordinator, wait_for(coordinator, "listening on ").split()[2].rstrip(";")


def cost_of_a_worker(number, *options):
    with tempfile.TemporaryDirectory() as folder:
        coordinator, address = coordinate("--bind", "tcp://127.0.0.1:0", "--output", folder, *JOB, *options)
        workers = [start("worker", "--connect", address) for _ in range(2)]
        wait_for(coordinator, "epoch    100/")
        workers[0].send_signal(number)
        died = time.monotonic()
        while time.monotonic() - died < 8:
            wait_for(coordinator, "epoch ")
        coordinator.terminate()
        coordinator.communicate()
        for worker in workers:
            worker.kill()
            worker.communicate()
        steps = [json.loads(line) for line in open(f"{folder}/metrics.jsonl")]
        return max(step["seconds"] for step in steps if step["event"] in ["step", "steps"] and step["step"] > 1000)


def rejoining():
    with tempfile.TemporaryDirectory() as folder:
        coordinator, address = coordinate(
            "--bind", "tcp://127.0.0.1:0", "--output", folder, "--checkpoint-every", "100", *JOB)
        workers = [start("worker", "--connect", address) for _ in range(2)]
        wait_for(coordinator, "epoch    100/")
        coordinator.kill()
        coordinator.communicate()
        time.sleep(2)  # so that the workers try in vain
        coordinator, _ = coordinate("--bind", address, "--resume", folder)
        up = time.monotonic()
        wait_for(coordinator, "epoch ")
        seconds = time.monotonic() - up
        coordinator.terminate()
        coordinator.communicate()
        for worker in workers:
            worker.kill()
            worker.communicate()
        return seconds


def show(what, seconds):
    print(f"{what}: {statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    runs = range(parser.parse_args().runs)
    show("a worker is killed: longest step", [cost_of_a_worker(signal.SIGKILL) for _ in runs])
    show("a worker is stopped: longest step", [cost_of_a_worker(signal.SIGSTOP) for _ in runs])
    show(
        "the same, --silence-limit 1",
        [cost_of_a_worker(signal.SIGSTOP, "--silence-limit", "1") for _ in runs],
    )
    show("the coordinator is killed and resumed: first epoch", [rejoining() for _ in runs])
