#!/usr/bin/env python3
"""Step time against workers and bandwidth, on hosts of a network with CURVE (Linux, as root), beside the formula.

    swift build -c release && python3 Benchmarks/scaling.py [--program .build/release/lockstep] [--precision bf16]

Each process is in a network namespace of its own, on a link of so many Mbit/s both ways. With S the seconds in which a
link carries the parameters (4·P bytes, or 2·P in bf16), and C those in which one worker computes the batch, W workers make
a step in about

    C / W + (W + 1) · S

as the coordinator's link sends the parameters W times, and the last worker's gradient comes back after that. Compute here
is C / min(W, cores). Prints a table of what was measured and of the formula, each with the number of workers that the
coordinator chose to use. Exits with 77 where namespaces cannot be made.
"""

import json
import os
import statistics
import subprocess
import sys

import network
from network import Failure, Host

ADDRESS = f"tcp://{network.address(1)}:5555"
SIZES = [784, 1024, 1024, 10]
PARAMETERS = sum((inputs + 1) * outputs for inputs, outputs in zip(SIZES, SIZES[1:]))
LIMIT = 300  # seconds, of a run
LEARNING = 4  # steps in which the coordinator learns how fast workers are


def run(program, folder, name, workers, rate, job):
    keys = network.key_options(folder)
    hosts = [Host(number, rate) for number in range(1, workers + 2)]
    output = folder / name
    commands = [["coordinator", "--bind", ADDRESS, "--output", str(output), "--transport", "zmq", *job, *keys["coordinator"]]]
    commands += [["worker", "--connect", ADDRESS, *keys["worker"]] for _ in range(workers)]
    processes = []
    try:
        for host, command in zip(hosts, commands):
            processes.append(subprocess.Popen(
                ["ip", "netns", "exec", host.name, program, *command], stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        for process in processes:
            said = process.communicate(timeout=LIMIT)[0]
            if process.returncode != 0:
                raise Failure(f"{name}: a process failed:\n{said}")
    except subprocess.TimeoutExpired:
        for process in processes:
            process.kill()
        said = "\n".join(process.communicate()[0] for process in processes)
        raise Failure(f"{name}: did not end within {LIMIT} s:\n{said}") from None
    finally:
        for process in processes:
            process.kill()
            process.wait()
        network.remove_hosts()
    lines = map(json.loads, (output / "metrics.jsonl").read_text().splitlines())
    steps = [line for line in lines if line["event"] == "step"][LEARNING:]
    seconds = statistics.median(line["seconds"] for line in steps)
    used = statistics.mean(len(line["compute_seconds"]) for line in steps)
    compute = statistics.median(max(line["compute_seconds"].values()) for line in steps)
    return seconds, used, compute


def measure(options, folder):
    network.begin()
    network.make_keys(options.program, folder)
    cores = len(os.sched_getaffinity(0))
    job = ["--data", "fashion-mnist", "--model", "mlp:1024,1024", "--batch-size", str(options.batch_size),
           "--micro-batches", "16", "--steps", str(options.steps + LEARNING), "--precision", options.precision]
    size = {"float32": 4, "bf16": 2}[options.precision]
    print(f"{PARAMETERS:,} parameters in {options.precision}, batch {options.batch_size}, {cores} cores, CURVE\n")
    print("| Mbit/s | workers | measured | workers used | of those, formula | measured / formula |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for rate in options.rates:
        whole = None
        for workers in options.workers:
            seconds, used, compute = run(options.program, folder, f"{rate}-{workers}", workers, rate, job)
            whole = whole or compute
            formula = whole / min(used, cores) + (used + 1) * size * PARAMETERS * 8 / (rate * 1e6)
            print(f"| {rate} | {workers} | {seconds:.2f} s | {used:.1f} | {formula:.2f} s | {seconds / formula:.2f} |", flush=True)


def add_options(parser):
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=8192)
    parser.add_argument("--precision", choices=["float32", "bf16"], default="float32")
    parser.add_argument("--rates", type=int, nargs="+", default=[100, 1000], help="Mbit/s")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 3, 4])


if __name__ == "__main__":
    sys.exit(network.main(__file__, __doc__, measure, add_options))
