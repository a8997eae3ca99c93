#!/usr/bin/env python3
"""Step time against workers and bandwidth, on hosts of a network with CURVE (Linux, as root), beside `lockstep plan`.

    swift build -c release && python3 Benchmarks/scaling.py [--program .build/release/lockstep] [--precision bf16]

Each process is in a network namespace of its own, on a link of so many Mbit/s both ways. In a star, workers exchange all
with the coordinator; in a mesh they are each other's relays. All share this machine's cores, so `plan` is told the
examples a second of one worker where so many compute at once. Prints a table of what was measured and of what
`plan` expects, each with the number of workers that the coordinator chose to use. Exits with 77 where namespaces cannot be
made.
"""

import json
import os
import re
import statistics
import subprocess
import sys

import network
from network import Failure, Host

ADDRESS = f"tcp://{network.address(1)}:5555"
SIZES = [784, 1024, 1024, 10]
PARAMETERS = sum((inputs + 1) * outputs for inputs, outputs in zip(SIZES, SIZES[1:]))
MICRO_BATCHES = 16
LIMIT = 300  # seconds, of a run
LEARNING = 4  # steps in which the coordinator learns how fast workers are


def expected(options, workers, rate, whole, cores):
    """What `plan` expects of a step, where one worker alone computes the batch in `whole` seconds."""
    examples = options.batch_size * min(workers, cores) / (whole * workers)
    said = network.command(
        options.program, "plan", "--parameters", str(PARAMETERS), "--batch", str(options.batch_size), "--micro-batches",
        str(MICRO_BATCHES), "--hosts", str(workers), "--bandwidth", str(rate), "--examples-per-second", f"{examples:.3f}",
        "--precision", options.precision, *options.job.split())
    row = next(line for line in said.splitlines() if line.startswith(f"{options.topology}, "))
    return float(re.split("  +", row)[-2])


def run(program, folder, name, workers, rate, topology, job):
    keys = network.key_options(folder)
    hosts = [Host(number, rate) for number in range(1, workers + 2)]
    output = folder / name
    commands = [["coordinator", "--bind", ADDRESS, "--output", str(output), "--transport", "zmq", "--use-all-workers", "--topology", topology, *job, *keys["coordinator"]]]
    for host in hosts[1:]:
        relay = ["--bind", f"tcp://{network.address(host.number)}:5556", "--authorized-keys", f"{folder}/worker.key.pub"]
        commands.append(["worker", "--connect", ADDRESS, *keys["worker"], *(relay if topology != "star" else [])])
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
           "--micro-batches", str(MICRO_BATCHES), "--steps", str(options.steps + LEARNING), "--precision",
           options.precision, *options.job.split()]
    print(f"{options.topology}, {PARAMETERS:,} parameters in {options.precision}, batch {options.batch_size}, {cores} cores, "
          f"CURVE {options.job}\n")
    print("| Mbit/s | workers | measured | workers used | of those, expected | measured / expected |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for rate in options.rates:
        whole = None
        for workers in options.workers:
            name = f"{rate}-{workers}"
            seconds, used, compute = run(options.program, folder, name, workers, rate, options.topology, job)
            whole = whole or compute * used
            formula = expected(options, max(round(used), 1), rate, whole, cores)
            print(f"| {rate} | {workers} | {seconds:.2f} s | {used:.1f} | {formula:.2f} s | {seconds / formula:.2f} |", flush=True)


def add_options(parser):
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=8192)
    parser.add_argument("--precision", choices=["float32", "bf16"], default="float32")
    parser.add_argument("--topology", choices=["star", "mesh", "chain", "tree:2"], default="star")
    parser.add_argument("--job", default="", help="further options of the job, such as '--clip-norm 1'")
    parser.add_argument("--rates", type=int, nargs="+", default=[100, 1000], help="Mbit/s")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 3, 4])


if __name__ == "__main__":
    sys.exit(network.main(__file__, __doc__, measure, add_options))
