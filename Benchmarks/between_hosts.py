#!/usr/bin/env python3
"""Seconds a step between hosts of a limited network, beside PyTorch DistributedDataParallel (gloo) on the same hosts.

    swift build -c release && python3 Benchmarks/between_hosts.py --torch PYTHON [--rates 100 1000] [--hosts 2 4 8]

Hosts are network namespaces with links of so many Mbit/s each way (Linux, as root); all share this machine's cores. A
perceptron of 1,863,690 parameters learns Fashion-MNIST, Adam, 1,024 examples a step. Lockstep's coordinator is on a host
of its own, or with --beside on the first worker's; connections use CURVE unless --insecure is given, and DDP does not encrypt.
`star` sends everything to the coordinator, in `mesh` the workers are each other's relays, in `chain` and `tree:K` each adds
what up to so many others compute. PYTHON is one with PyTorch; without
it, only Lockstep is measured. Sides alternate; figures are medians over --rounds of each run's median step, with the least
and the most. A run in which a worker computes less than half of its even share is marked with *.
Exits with 77 where namespaces cannot be made.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys

import network
from network import Failure, Host

WARM_UP = 4  # steps
HIDDEN = [1024, 1024]
MICRO_BATCHES = 16
LIMIT = 280  # seconds, of a run
DDP = '''
import gzip, json, os, sys, time
import numpy as np, torch, torch.distributed as dist
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import bf16_compress_hook

rank, world, master, batch, steps, warm_up, hidden, precision = sys.argv[1:]
rank, world, batch, steps, warm_up = int(rank), int(world), int(batch), int(steps), int(warm_up)
torch.set_num_threads(1)
torch.manual_seed(1)
folder = "/usr/share/datasets/fashion-mnist/train-"
x = np.frombuffer(gzip.open(folder + "images-idx3-ubyte.gz").read(), np.uint8, offset=16).reshape(-1, 784)
x = torch.from_numpy(x.astype(np.float32) / 255)
y = torch.from_numpy(np.frombuffer(gzip.open(folder + "labels-idx1-ubyte.gz").read(), np.uint8, offset=8).astype(np.int64))
layers, size = [], 784
for width in map(int, hidden.split(",")):
    layers += [torch.nn.Linear(size, width), torch.nn.ReLU()]
    size = width
net = torch.nn.Sequential(*layers, torch.nn.Linear(size, 10))
if world > 1:
    dist.init_process_group("gloo", init_method=f"tcp://{master}:29511", rank=rank, world_size=world)
    net = torch.nn.parallel.DistributedDataParallel(net, gradient_as_bucket_view=True, static_graph=True)
    if precision == "bf16":
        net.register_comm_hook(None, bf16_compress_hook)
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)
order = torch.randperm(len(x), generator=torch.Generator().manual_seed(7))
seconds = []
for step in range(warm_up + steps):
    start = time.perf_counter()
    rows = order[(step * world + rank) * batch:][:batch]
    optimizer.zero_grad(set_to_none=True)
    torch.nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
    optimizer.step()
    seconds.append(time.perf_counter() - start)
if rank == 0:
    print(json.dumps(seconds[warm_up:]), flush=True)
os._exit(0)  # gloo's processes may abort while they take leave of each other
'''


def start(host, words, log):
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "eth0", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(["ip", "netns", "exec", host.name, *map(str, words)], stdin=subprocess.DEVNULL,
                            stdout=log, stderr=subprocess.STDOUT, env=environment)


def finish(processes, logs, what):
    """Waits for all processes; gives what each has written."""
    try:
        for process in processes:
            if process.wait(timeout=LIMIT) != 0:
                raise Failure(f"{what}: a process failed:\n" + "\n".join(log.read_text()[-2000:] for log in logs))
    except subprocess.TimeoutExpired:
        raise Failure(f"{what}: it has not ended after {LIMIT} s") from None
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return [log.read_text() for log in logs]


def run(commands, folder, what):
    """Runs a command on each host; gives what each has written."""
    logs = [folder / f"{number}.log" for number in range(len(commands))]
    processes = []
    for (host, words), path in zip(commands, logs):
        with open(path, "w") as log:
            processes.append(start(host, words, log))
    return finish(processes, logs, what)


class Lockstep:
    def __init__(self, topology, precision):
        self.topology, self.precision = topology, precision
        self.name = f"{topology}, {precision}"

    def measure(self, options, folder, hosts, workers):
        """The seconds of each step, and whether each worker computed at least half of its even share."""
        keys = network.key_options(folder)
        output = folder / "run"
        subprocess.run(["rm", "-rf", str(output)], check=True)
        security = {"coordinator": ["--insecure"], "worker": ["--insecure"]} if options.insecure else keys
        address = f"tcp://{network.address(hosts[0].number)}:5555"
        job = ["--data", "fashion-mnist", "--model", "mlp:" + ",".join(map(str, HIDDEN)), "--batch-size", options.batch,
               "--micro-batches", MICRO_BATCHES, "--steps", WARM_UP + options.steps, "--use-all-workers",
               "--topology", self.topology]
        if self.precision != "float32":
            job += ["--precision", self.precision]
        commands = [(hosts[0], [options.program, "coordinator", "--bind", address, "--transport", "zmq", "--output", output,
                                *job, *security["coordinator"]])]
        for host in hosts[0 if options.beside else 1:][:workers]:
            words = [options.program, "worker", "--connect", address, *security["worker"]]
            if self.topology != "star":
                words += ["--bind", f"tcp://{network.address(host.number)}:5556"]
                if not options.insecure:
                    words += ["--authorized-keys", f"{folder}/worker.key.pub"]
            commands.append((host, words))
        run(commands, folder, self.name)
        lines = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
        steps = [line for line in lines if line["event"] == "step"][WARM_UP:]
        shares = {}
        for step in steps:
            for worker, seconds in step["compute_seconds"].items():
                shares[worker] = shares.get(worker, 0) + seconds
        least = min(shares.values()) if len(shares) == workers else 0
        return [step["seconds"] for step in steps], least >= sum(shares.values()) / workers / 2


class DistributedDataParallel:
    topology = "ring"

    def __init__(self, precision):
        self.precision = precision
        self.name = f"DDP, {precision}"

    def measure(self, options, folder, hosts, workers):
        script = folder / "ddp.py"
        script.write_text(DDP)
        commands = [(host, [options.torch, script, rank, workers, network.address(hosts[0].number),
                            options.batch // workers, options.steps, WARM_UP, ",".join(map(str, HIDDEN)), self.precision])
                    for rank, host in enumerate(hosts[:workers])]
        said = run(commands, folder, self.name)
        return json.loads(next(line for line in said[0].splitlines() if line.startswith("[0") or line.startswith("[1"))), True


def measure(options, folder):
    network.begin()
    network.make_keys(options.program, folder)
    sides = [Lockstep(topology, precision) for precision in options.precisions for topology in options.topologies]
    if options.torch:
        sides += [DistributedDataParallel(precision) for precision in ["float32", "bf16"]]
    print(f"{len(os.sched_getaffinity(0))} cores; coordinator {'beside the first worker' if options.beside else 'apart'}; "
          f"{'no encryption' if options.insecure else 'CURVE'}; seconds a step: median (least to most)")
    for rate in options.rates:
        for workers in options.hosts:
            figures = {side.name: [] for side in sides}
            marks = set()
            for number in range(options.rounds):
                for side in sides[number % len(sides):] + sides[:number % len(sides)]:
                    if isinstance(side, Lockstep) and side.topology != "star" and workers < 2:
                        continue
                    hosts = [Host(host, rate) for host in range(1, workers + (1 if options.beside else 2))]
                    try:
                        seconds, is_even = side.measure(options, folder, hosts, workers)
                    finally:
                        network.remove_hosts()
                    figures[side.name].append(statistics.median(seconds))
                    if not is_even:
                        marks.add(side.name)
            for name, values in figures.items():
                if values:
                    print(f"{rate:5} Mbit/s {workers:2} hosts  {name:16} {statistics.median(values):7.3f} "
                          f"({min(values):.3f} to {max(values):.3f}){' *' if name in marks else ''}", flush=True)


def add_options(parser):
    parser.add_argument("--torch", help="a Python with PyTorch")
    parser.add_argument("--rates", type=int, nargs="+", default=[100, 1000], help="Mbit/s")
    parser.add_argument("--hosts", type=int, nargs="+", default=[1, 2, 4, 8], help="workers, one a host")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--topologies", nargs="+", default=["star", "mesh"])
    parser.add_argument("--precisions", nargs="+", default=["float32"])
    parser.add_argument("--beside", action="store_true", help="the coordinator on the first worker's host")
    parser.add_argument("--insecure", action="store_true", help="without CURVE, as DDP")


if __name__ == "__main__":
    sys.exit(network.main(__file__, __doc__, measure, add_options))
