#!/usr/bin/env python3
"""Steps without computing: what the messages, the sums and the update cost, by size, workers and transport (Linux).

    swift build -c release && python3 Benchmarks/transport.py [--runs 3] [--seconds 3]

Each worker pushes a vector of zeros for one micro-batch, the coordinator sums and updates by SGD and gives the
parameters back: a round trip. Bytes count both ways, whether they are sent or read where they are. Medians; memory is
the coordinator's largest resident size over the runs. CPU seconds are those of all processes; of the coordinator's threads
that send, receive and encrypt (ZeroMQ's I/O threads), the table has the part of a core that each uses.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import threading
import time

import network

PROGRAM = pathlib.Path(__file__).resolve().parent.parent / ".build/release/transport-benchmark"
SIZES = [1_000, 51_000, 1_860_000, 20_000_000]
WORKERS = [1, 2, 8, 32]
TRANSPORTS = ["shared memory", "ipc", "tcp", "tcp, CURVE"]


def resident(pid):
    """Resident bytes, now and at most, of a process that lives."""
    fields = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    return [int(fields[name].split()[0]) * 1024 for name in ["VmRSS", "VmHWM"]]


def cpu_seconds(pid):
    """CPU seconds of a process that lives, and of each of its I/O threads."""
    total, threads = 0, {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        name, fields = (task / "stat").read_text().rsplit(") ", 1)
        used = sum(map(int, fields.split()[11:13])) / os.sysconf("SC_CLK_TCK")
        total += used
        if "/IO/" in name:
            threads[task.name] = used
    return total, threads


def run(program, size, workers, transport, seconds):
    """Steps a second, the coordinator's peak resident bytes, CPU seconds a GB, and the parts of a core of its I/O threads."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        address = "tcp://127.0.0.1:0" if transport.startswith("tcp") else f"ipc://{folder}/socket"
        # Long epochs: each ends with a hash of all parameters.
        data = folder / "data.csv"
        data.write_text("x,y\n" + "0,0\n1,1\n" * 50_000)
        job = ["--data", str(data), "--test-fraction", "0", "--model", f"messages:{size}", "--optimizer", "sgd",
               "--steps", "1000000000", "--batch-size", str(workers), "--micro-batches", str(workers),
               "--output", str(folder / "run"), "--bind", address, "--checkpoint-every", "24h",
               "--transport", "auto" if transport == "shared memory" else "zmq", "--use-all-workers"]
        keys = {"coordinator": [], "worker": []}
        if transport == "tcp, CURVE":
            network.make_keys(program, folder)
            keys = network.key_options(folder)
        with subprocess.Popen([program, "coordinator", *job, *keys["coordinator"]], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True) as coordinator:
            others = []
            try:
                address = None
                for line in coordinator.stdout:
                    if "--connect " in line:
                        address = line.split("--connect ")[1].split()[0]
                        break
                assert address, coordinator.stderr.read()
                threading.Thread(target=coordinator.stdout.read, daemon=True).start()
                threading.Thread(target=coordinator.stderr.read, daemon=True).start()
                worker = [program, "worker", "--connect", address, *keys["worker"]]
                others = [subprocess.Popen(worker, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                          for _ in range(workers)]
                metrics = folder / "run/metrics.jsonl"
                begin = wait_for_all(metrics, workers)
                before = [cpu_seconds(process.pid) for process in [coordinator, *others]]
                start = time.monotonic()
                time.sleep(seconds)
                after = [cpu_seconds(process.pid) for process in [coordinator, *others]]
                taken = time.monotonic() - start
                peak = resident(coordinator.pid)[1]
                coordinator.terminate()
                coordinator.wait(timeout=60)
            finally:
                for process in [coordinator, *others]:
                    process.kill()
                    process.wait()
        # From step 8,193 on, a line is of several steps.
        lines = [line for line in read(metrics) if line["event"] in ["step", "steps"]]
        lines = [line for line in lines if line.get("first", line["step"]) > begin]
        count = sum(line["step"] - line.get("first", line["step"]) + 1 for line in lines)
        rate = count / sum(line["seconds"] for line in lines)
        used = sum(total for total, _ in after) - sum(total for total, _ in before)
        threads = sorted((after[0][1][task] - before[0][1][task]) / taken for task in before[0][1])
        return rate, peak, used / (rate * taken * 8 * size * workers / 1e9), threads


def read(metrics):
    lines = metrics.read_text().split("\n") if metrics.exists() else []
    return [json.loads(line) for line in lines[:-1]]


def wait_for_all(metrics, workers):
    """The step from which on all workers take part."""
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        steps = [line for line in read(metrics) if line["event"] == "step"]
        if steps and len(steps[-1]["compute_seconds"]) == workers:
            return steps[-1]["step"]
        time.sleep(0.1)
    raise SystemExit(f"error: {workers} workers did not take part within a minute")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--workers", type=int, nargs="+", default=WORKERS)
    parser.add_argument("--transports", nargs="+", default=TRANSPORTS, choices=TRANSPORTS)
    parser.add_argument("--program", default=PROGRAM)
    options = parser.parse_args()
    print("| parameters | transport | workers | round trips/s | ms a round trip and worker | GB/s "
          "| CPU s/GB | I/O threads, % of a core | coordinator, MB |\n"
          "| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for size in options.sizes:
        for transport in options.transports:
            for workers in options.workers:
                runs = [run(options.program, size, workers, transport, options.seconds) for _ in range(options.runs)]
                rate = statistics.median(run[0] for run in runs)
                peak = max(run[1] for run in runs)
                cpu = statistics.median(run[2] for run in runs)
                # Of the run in the middle.
                threads = sorted(runs, key=lambda run: run[0])[len(runs) // 2][3]
                shares = " + ".join(f"{100 * share:.0f}" for share in threads)
                print(f"| {size:,} | {transport} | {workers} | {rate:,.1f} | {1000 / rate / workers:.3f} "
                      f"| {rate * 8 * size * workers / 1e9:.2f} | {cpu:.2f} | {shares} | {peak / 1e6:.0f} |", flush=True)


if __name__ == "__main__":
    main()
