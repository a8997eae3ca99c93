#!/usr/bin/env python3
"""Steps a second beside PyTorch DistributedDataParallel (gloo) on this machine's CPU; Fashion-MNIST, Adam, float32.

    swift build -c release && python3 Benchmarks/against_pytorch.py [--rounds 5]

Each round runs every side once, in an order that moves on from round to round; ratios are taken within a round. The
first steps of each run are not counted. Both sides compute with one thread a process (Lockstep's coordinator sums and
updates with threads of its own), except where it says two. PyTorch holds the data as one tensor, standardised once, and
reads no value out of its loop; DDP runs with gradient_as_bucket_view and static_graph (without the latter no difference
could be measured). A Python environment with PyTorch is made where there is none. Prints tables; leaves
against_pytorch.json (every figure) and against_pytorch.svg in --output.
"""

import argparse
import contextlib
import datetime
import gzip
import importlib.util
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import typing

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOCKSTEP = ROOT / ".build/release/lockstep"
DATA = pathlib.Path("/usr/share/datasets/fashion-mnist")
TIME_LIMIT = 600  # seconds a run


class Model(typing.NamedTuple):
    hidden: list
    batch: int  # examples a worker
    steps: int  # counted ones
    warm_up: int  # steps before them

    @property
    def sizes(self):
        return [784, *self.hidden, 10]

    @property
    def parameters(self):
        return sum(inputs * outputs + outputs for inputs, outputs in zip(self.sizes, self.sizes[1:]))


MODELS = {
    "784-64-10": Model([64], 32, 20000, 500),
    "784-256-128-10": Model([256, 128], 128, 5000, 100),
    "784-1024-1024-10": Model([1024, 1024], 128, 150, 10),
    "784-4096-4096-10": Model([4096, 4096], 128, 16, 3),
}

SIDES = {
    "1 worker": lambda model: train(model, workers=1, threads=1),
    "1 worker, 2 threads": lambda model: train(model, workers=1, threads=2),
    "2 workers": lambda model: train(model, workers=2, threads=1),
    "2 workers, tcp": lambda model: train_over_tcp(model),
    "PyTorch, 1 process": lambda model: pytorch(model, processes=1),
    "PyTorch DDP, 2 processes": lambda model: pytorch(model, processes=2),
}

RATIOS = {
    "2 workers / DDP": ("2 workers", "PyTorch DDP, 2 processes"),
    "2 workers, tcp / DDP": ("2 workers, tcp", "PyTorch DDP, 2 processes"),
    "1 worker / PyTorch, 1 process": ("1 worker", "PyTorch, 1 process"),
    "2 workers / 1 worker": ("2 workers", "1 worker"),
    "DDP / PyTorch, 1 process": ("PyTorch DDP, 2 processes", "PyTorch, 1 process"),
    "1 worker, 2 threads / 2 workers": ("1 worker, 2 threads", "2 workers"),
}


# Running processes


def peak_bytes(pid):
    """The process's peak resident memory (VmHWM), or 0 where it has ended."""
    with contextlib.suppress(OSError):
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    return 0


def children(pid):
    with contextlib.suppress(OSError):
        return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


@contextlib.contextmanager
def started(commands, folder):
    """Starts the commands, each with its output in the folder; kills what is left of them in the end."""
    processes = []
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    try:
        for number, command in enumerate(commands):
            with open(folder / f"{number}.out", "wb") as out, open(folder / f"{number}.err", "wb") as err:
                processes.append(subprocess.Popen(command, stdout=out, stderr=err, env=environment))
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def fail(process, why, folder):
    errors = "".join(path.read_text(errors="replace") for path in sorted(folder.rglob("*.err"))).strip()
    sys.exit(f"error: `{' '.join(map(str, process.args))}` {why}:\n{errors or '(it printed no error)'}")


def wait(processes, folder, peaks):
    """Waits for all of them; keeps in `peaks` the peak memory of each process and of its children."""
    limit = time.monotonic() + TIME_LIMIT
    left = list(processes)
    while left:
        for process in processes:
            for pid in [process.pid, *children(process.pid)]:
                peaks[pid] = max(peaks.get(pid, 0), peak_bytes(pid))
        with contextlib.suppress(subprocess.TimeoutExpired):
            left[0].wait(timeout=0.1)
        for process in left:
            if process.poll() not in (None, 0):
                fail(process, f"ended with {process.returncode}", folder)
        left = [process for process in left if process.returncode is None]
        if time.monotonic() > limit:
            fail(left[0], f"has not ended after {TIME_LIMIT} s", folder)


# The two sides


def job(model, workers, threads, output):
    micro_batches = workers * threads
    return [
        *["--data", "fashion-mnist", "--scale", "standard", "--optimizer", "adam", "--learning-rate", "0.001"],
        *["--model", "mlp:" + ",".join(map(str, model.hidden)), "--steps", str(model.warm_up + model.steps)],
        *["--batch-size", str(model.batch * micro_batches), "--micro-batches", str(micro_batches)],
        *["--output", str(output)],
    ]


def run_figures(model, workers, output, peaks, coordinator):
    """What a run of Lockstep did, from its folder; the warm-up starts with the last worker's first step."""
    lines = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    steps = [line for line in lines if line["event"] == "step"]
    first = {}
    for number, step in enumerate(steps):
        for worker in step["compute_seconds"]:
            first.setdefault(worker, number)
    counted = steps[max(first.values()) + model.warm_up :]
    if len(first) < workers or len(counted) < model.steps / 10:
        sys.exit(f"error: {len(first)} of {workers} workers took part, the last from step {max(first.values()) + 1} of "
                 f"{len(steps)} on: too few steps are left to count; is the machine busy?")
    summary = json.loads((output / "summary.json").read_text())
    return {
        "steps_per_second": len(counted) / sum(step["seconds"] for step in counted),
        "counted_steps": len(counted),
        "steps_per_second_with_warm_up": summary["steps_per_second"],
        "last_loss": steps[-1]["loss"],
        "peak_bytes": peaks.pop(coordinator),
        "peak_bytes_worker": max(peaks.values()),
    }


def train(model, workers, threads):
    with tempfile.TemporaryDirectory() as name:
        folder, peaks = pathlib.Path(name), {}
        command = [LOCKSTEP, "train", "--workers", str(workers), "--threads", str(threads)]
        with started([command + job(model, workers, threads, folder / "run")], folder) as processes:
            wait(processes, folder, peaks)
        return run_figures(model, workers, folder / "run", peaks, processes[0].pid)


def train_over_tcp(model):
    with tempfile.TemporaryDirectory() as name:
        folder, peaks = pathlib.Path(name), {}
        command = [LOCKSTEP, "coordinator", "--bind", "tcp://127.0.0.1:0"]
        # Where bytes could go through shared memory, they are sent.
        if "--transport" in subprocess.run([LOCKSTEP, "coordinator", "--help"], capture_output=True, text=True).stdout:
            command += ["--transport", "zmq"]
        with started([command + job(model, 2, 1, folder / "run")], folder) as coordinators:
            worker = [LOCKSTEP, "worker", "--connect", listening_address(coordinators[0], folder)]
            (folder / "workers").mkdir()
            with started([worker, worker], folder / "workers") as workers:
                wait(coordinators + workers, folder, peaks)
        return run_figures(model, 2, folder / "run", peaks, coordinators[0].pid)


def listening_address(coordinator, folder):
    limit = time.monotonic() + 60
    while time.monotonic() < limit and coordinator.poll() is None:
        words = (folder / "0.out").read_text().split()
        if "--connect" in words[:-1]:
            return words[words.index("--connect") + 1]
        time.sleep(0.01)
    fail(coordinator, "named no address to connect to", folder)


def pytorch(model, processes):
    with tempfile.TemporaryDirectory() as name:
        folder, peaks = pathlib.Path(name), {}
        options = json.dumps({"processes": processes, "store": f"{folder}/store", **model._asdict()})
        commands = [[sys.executable, __file__, "pytorch", options, str(rank)] for rank in range(processes)]
        with started(commands, folder) as ranks:
            wait(ranks, folder, peaks)
        figures = json.loads((folder / "0.out").read_text())
        return {**figures, "counted_steps": model.steps, "peak_bytes_worker": max(peaks.values())}


def run_pytorch(options, rank):
    """One process of PyTorch's side; prints its figures."""
    import torch
    import torch.distributed as dist

    torch.set_num_threads(1)
    torch.manual_seed(0)
    model, processes = Model(**{key: options[key] for key in Model._fields}), options["processes"]
    features, labels = read_training_part(torch)
    layers = []
    for inputs, outputs in zip(model.sizes, model.sizes[1:]):
        layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
    network = torch.nn.Sequential(*layers[:-1])
    if processes > 1:
        dist.init_process_group("gloo", init_method=f"file://{options['store']}", rank=rank, world_size=processes)
        network = torch.nn.parallel.DistributedDataParallel(network, gradient_as_bucket_view=True, static_graph=True)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.001, fused=True)
    batches = len(labels) // (model.batch * processes)

    for step in range(model.warm_up + model.steps):
        if step == model.warm_up:
            if processes > 1:
                dist.barrier()
            start = time.perf_counter()
        if step % batches == 0:
            order = torch.randperm(len(labels))  # the same in every process
        position = (step % batches * processes + rank) * model.batch
        chosen = order[position : position + model.batch]
        optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.cross_entropy(network(features[chosen]), labels[chosen])
        loss.backward()
        optimizer.step()
    if processes > 1:
        dist.barrier()
    seconds = time.perf_counter() - start
    print(json.dumps({"steps_per_second": model.steps / seconds, "last_loss": loss.item()}))
    if processes > 1:
        dist.destroy_process_group()


def read_training_part(torch):
    """Features [60,000, 784], each column with mean 0 and variance 1, and labels."""
    import numpy

    def read(name, header):
        contents = gzip.decompress((DATA / name).read_bytes())
        return torch.from_numpy(numpy.frombuffer(contents, numpy.uint8, offset=header).copy())

    features = read("train-images-idx3-ubyte.gz", 16).reshape(-1, 784).float()
    deviations, means = torch.std_mean(features, dim=0, correction=0)
    return features.sub_(means).div_(deviations), read("train-labels-idx1-ubyte.gz", 8).long()


# Results


def ratios(runs, name):
    above, below = RATIOS[name]
    return sorted(
        one["steps_per_second"] / other["steps_per_second"] for one, other in zip(runs[above], runs[below])
    )


def table(head, rows):
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def tables(results):
    def rows(cells):
        return [[name, *cells(result["runs"])] for name, result in results.items()]

    def rate(runs):
        median = statistics.median(run["steps_per_second"] for run in runs)
        return f"{median:,.0f}" if median >= 100 else f"{median:.1f}" if median >= 10 else f"{median:.2f}"

    def ratio(values):
        return f"{statistics.median(values):.2f} ({values[0]:.2f}–{values[-1]:.2f})"

    def megabytes(runs, key):
        return f"{max(run[key] for run in runs) / 1e6:.0f}"

    memory = {
        "coordinator": ("2 workers", "peak_bytes"),
        "each worker": ("2 workers", "peak_bytes_worker"),
        "coordinator, tcp": ("2 workers, tcp", "peak_bytes"),
        "each worker, tcp": ("2 workers, tcp", "peak_bytes_worker"),
        "each process of DDP": ("PyTorch DDP, 2 processes", "peak_bytes_worker"),
    }
    yield "Steps a second, median:\n"
    sizes = [[name, f"{result['parameters']:,}", str(result["batch"])] for name, result in results.items()]
    rates = rows(lambda runs: [rate(runs[side]) for side in SIDES])
    yield table(["model", "parameters", "batch a worker", *SIDES], [one + two[1:] for one, two in zip(sizes, rates)])
    yield "Ratios of steps a second, median (min–max):\n"
    yield table(["model", *RATIOS], rows(lambda runs: [ratio(ratios(runs, name)) for name in RATIOS]))
    yield "Peak resident memory, MB (pages that processes share count in each):\n"
    yield table(
        ["model", *memory], rows(lambda runs: [megabytes(runs[side], key) for side, key in memory.values()])
    )


def plot(results, path):
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.fonttype": "path", "svg.hashsalt": "lockstep", "font.size": 9})
    import matplotlib.pyplot as pyplot

    bars = {
        "2 workers / DDP": ("#1f4e79", ""),
        "2 workers, tcp / DDP": ("#7fb2dd", ""),
        "1 worker / PyTorch, 1 process": ("#d9d9d9", "///"),
    }
    figure, axes = pyplot.subplots(figsize=(7.2, 3.8), layout="constrained")
    for place, (name, (colour, hatch)) in enumerate(bars.items()):
        values = [ratios(result["runs"], name) for result in results.values()]
        medians = [statistics.median(value) for value in values]
        at = [number + (place - 1) * 0.27 for number in range(len(values))]
        axes.bar(
            at, [median - 1 for median in medians], width=0.25, bottom=1, color=colour, hatch=hatch, label=name,
            edgecolor="#333333", linewidth=0.6,
        )
        spread = [[m - v[0] for m, v in zip(medians, values)], [v[-1] - m for m, v in zip(medians, values)]]
        axes.errorbar(at, medians, yerr=spread, fmt="none", ecolor="#333333", elinewidth=1, capsize=2.5)
        for x, median, value in zip(at, medians, values):
            faster = median >= 1
            axes.annotate(
                f"{median:.2f}", (x, value[-1] if faster else value[0]), xytext=(0, 3 if faster else -3),
                textcoords="offset points", ha="center", va="bottom" if faster else "top", fontsize=8,
            )
    everything = [value for result in results.values() for name in bars for value in ratios(result["runs"], name)]
    low, high = min(0.8, *everything), max(1.25, *everything)
    axes.set_yscale("log", base=2)
    axes.set_ylim(low / 1.15, high * 1.15)
    ticks = [1 / 16, 1 / 8, 1 / 4, 1 / 2, 0.7, 1, 1.4, 2, 3, 4, 6, 8, 12, 16, 24, 32]
    shown = [tick for tick in ticks if low / 1.15 <= tick <= high * 1.15]
    axes.set_yticks(shown, [f"{tick:.2g}×" for tick in shown])
    axes.minorticks_off()
    axes.axhline(1, color="black", linewidth=1)
    names = [f"{name}\n{r['parameters']:,} parameters\nbatch {r['batch']} a worker" for name, r in results.items()]
    axes.set_xticks(range(len(results)), names, fontsize=8)
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="y", color="#cccccc", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_ylabel("steps/s over PyTorch's (log scale)")
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    figure.savefig(path, metadata={"Date": None})


def machine():
    import numpy
    import torch

    cpu = "unknown"
    with contextlib.suppress(OSError):
        fields = [line.partition(":") for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()]
        found = {key.strip(): value.strip() for key, _, value in reversed(fields)}
        cpu = f"{found.get('model name', cpu)}, family {found.get('cpu family', '?')}, model {found.get('model', '?')}"
    commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True)
    return {
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "lockstep_commit": commit.stdout.strip() or "unknown",
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
    }


def run_under(environment):
    """Goes on under the environment's Python; makes the environment, or what of it is missing, first."""
    python = environment / "bin/python"
    if pathlib.Path(sys.prefix).resolve() != environment.resolve():
        if not (environment / "pyvenv.cfg").exists():
            if environment.exists():
                sys.exit(f"error: {environment} is no virtual environment: give one, or a new path")
            print(f"making a Python environment in {environment}", file=sys.stderr)
            if subprocess.run([sys.executable, "-m", "venv", environment]).returncode != 0:
                sys.exit(f"error: {sys.executable} could not make a virtual environment in {environment}: see above")
        os.execv(python, [python, __file__, *sys.argv[1:]])
    if all(importlib.util.find_spec(name) for name in ["torch", "numpy", "matplotlib"]):
        return
    print("installing PyTorch, NumPy and Matplotlib (some minutes)", file=sys.stderr)
    pip = [python, "-m", "pip", "install", "--quiet"]
    if not importlib.util.find_spec("torch"):
        # PyPI's own PyTorch brings gigabytes of CUDA; it is what remains where the first command fails.
        index = ["--retries", "1", "--timeout", "20", "--index-url", "https://download.pytorch.org/whl/cpu"]
        subprocess.run(pip + ["--no-deps"] + index + ["torch"], stderr=subprocess.DEVNULL)
    if subprocess.run(pip + ["torch", "numpy", "matplotlib"]).returncode != 0:
        sys.exit(f"error: pip could not install torch, numpy and matplotlib into {environment}: see above; or give a "
                 "virtual environment that has them by --python")
    os.execv(python, [python, __file__, *sys.argv[1:]])


def main():
    if sys.argv[1:2] == ["pytorch"]:
        return run_pytorch(json.loads(sys.argv[2]), int(sys.argv[3]))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="how often every side is run (default: 5)")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS), help="default: all of them")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "runs/against-pytorch", metavar="FOLDER",
                        help="where the JSON and the plot go (default: runs/against-pytorch)")
    parser.add_argument("--python", type=pathlib.Path, default=ROOT / ".venv-torch", metavar="FOLDER",
                        help="a virtual environment, made where there is none (default: .venv-torch)")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error(f"--rounds is {arguments.rounds}, and must be at least 1")
    if not LOCKSTEP.exists():
        sys.exit(f"error: there is no {LOCKSTEP}: run `swift build -c release` first")
    if not (DATA / "train-images-idx3-ubyte.gz").exists():
        sys.exit(f"error: fashion-mnist is not installed in {DATA}: run deploy/install-dependencies.sh")
    run_under(arguments.python)
    arguments.output.mkdir(parents=True, exist_ok=True)

    results, report = {}, {"machine": machine(), "rounds": arguments.rounds}
    for name in arguments.models:
        model = MODELS[name]
        runs = {side: [] for side in SIDES}
        results[name] = {**model._asdict(), "parameters": model.parameters, "runs": runs}
        for number in range(arguments.rounds):
            sides = list(SIDES)
            first = number % len(sides)
            for side in sides[first:] + sides[:first]:
                load = os.getloadavg()[0]
                runs[side].append({**SIDES[side](model), "load_average_before": load})
                rate = runs[side][-1]["steps_per_second"]
                print(f"{name}, round {number + 1}: {side}: {rate:.1f} steps/s", file=sys.stderr, flush=True)
        results[name]["ratios"] = {ratio: ratios(runs, ratio) for ratio in RATIOS}
        (arguments.output / "against_pytorch.json").write_text(json.dumps({**report, "models": results}, indent=1))
    print(", ".join(f"{key} {value}" for key, value in report["machine"].items()) + "\n")
    print("\n".join(tables(results)))
    plot(results, arguments.output / "against_pytorch.svg")
    print(f"{arguments.output}/against_pytorch.json and .svg")


if __name__ == "__main__":
    main()
