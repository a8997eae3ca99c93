#!/usr/bin/env python3
"""Steps a second and memory beside PyTorch DistributedDataParallel (gloo) on this machine's CPU; Adam, float32.

    swift build -c release && python3 Benchmarks/against_pytorch.py [--rounds 5] [--models lenet transformer]
    python3 Benchmarks/against_pytorch.py --memory

Perceptrons, convolutional and residual networks learn Fashion-MNIST; a transformer learns the bytes of a text.

Each round runs every side once, in an order that moves on from round to round; ratios are taken within a round. The
first steps of each run are not counted. Both sides compute with one thread a process (Lockstep's coordinator sums and
updates with threads of its own), except where it says two. PyTorch trains the modules of the guide's page PyTorch, into
which Lockstep's files load. It holds the data as one tensor, standardised once, and reads no value out of its loop; DDP
runs with gradient_as_bucket_view and static_graph (without the latter no difference could be measured). A Python
environment with PyTorch is made where there is none. Prints tables; leaves against_pytorch.json (every figure) and
against_pytorch.svg in --output.

With --memory, only the growth of a worker's peak resident memory is measured, from before the first step to after the
third, with one process a side; against_pytorch_memory.json has its figures.
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
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
import typing

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOCKSTEP = ROOT / ".build/release/lockstep"
DATA = pathlib.Path("/usr/share/datasets/fashion-mnist")
GUIDE = ROOT / "Sources/Lockstep/Lockstep.docc/PyTorch.md"
TIME_LIMIT = 600  # seconds a run


class Model(typing.NamedTuple):
    data: list  # options of `lockstep train`
    options: list  # the others
    module: str  # PyTorch's: an expression of the guide's functions
    batch: int  # examples a worker
    steps: int  # counted ones
    warm_up: int  # steps before them

    @property
    def source(self):
        return self.data[self.data.index("--data") + 1]


def perceptron(hidden, batch, steps, warm_up):
    options = ["--model", "mlp:" + ",".join(map(str, hidden))]
    return Model(TABLE, options, f"mlp(784, {hidden}, 10)", batch, steps, warm_up)


TABLE = ["--data", "fashion-mnist", "--scale", "standard"]
IMAGES = ["--data", "fashion-mnist"]
CONTEXT = 64
TEXT = ["--data", "text:{text}", "--context", str(CONTEXT)]
CNN = ["--model", "cnn", "--channels", "32,64", "--hidden", "128"]
RESNET = ["--model", "resnet", "--blocks", "1,1,1", "--channels", "16,32,64", "--norm", "group"]
TRANSFORMER = ["--model", "transformer", "--layers", "4", "--heads", "4", "--width", "128", "--tied", "no"]

MODELS = {
    "784-64-10": perceptron([64], 32, 20000, 500),
    "784-256-128-10": perceptron([256, 128], 128, 5000, 100),
    "784-1024-1024-10": perceptron([1024, 1024], 128, 150, 10),
    "784-4096-4096-10": perceptron([4096, 4096], 128, 16, 3),
    "lenet": Model(IMAGES, ["--model", "lenet"], "lenet(1, 10)", 64, 2500, 50),
    "cnn": Model(IMAGES, CNN, "cnn(1, [32, 64], [128], 10, 28)", 64, 400, 10),
    "resnet": Model(IMAGES, RESNET, "ResNet(1, [1, 1, 1], [16, 32, 64], 10)", 64, 180, 5),
    "transformer": Model(TEXT, TRANSFORMER, f"Transformer(4, 4, 128, {CONTEXT})", 12, 160, 5),
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


def peak_bytes(pid, field="VmHWM"):
    """The process's peak resident memory, or another field of its status; 0 where it has ended."""
    with contextlib.suppress(OSError):
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(field):
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
        *model.data,
        *model.options,
        *["--optimizer", "adam", "--learning-rate", "0.001", "--steps", str(model.warm_up + model.steps)],
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


def pytorch(model, processes, growth=False):
    with tempfile.TemporaryDirectory() as name:
        folder, peaks = pathlib.Path(name), {}
        options = {"processes": processes, "store": f"{folder}/store", "growth": growth, **model._asdict()}
        options = json.dumps(options)
        commands = [[sys.executable, __file__, "pytorch", options, str(rank)] for rank in range(processes)]
        with started(commands, folder) as ranks:
            wait(ranks, folder, peaks)
        figures = json.loads((folder / "0.out").read_text())
        return {**figures, "counted_steps": model.steps, "peak_bytes_worker": max(peaks.values())}


def make_module(torch, model):
    """The guide's module, where it can be made faster with the same parameters and outputs: made faster.

    Measured with PyTorch 2.15 on an EPYC of family 25, model 17, by processor time: the transformer makes 1.05 times as
    many steps with `attention` as with PyTorch's own. With weights whose channels are last in memory, LeNet makes 1.15
    times as many, the convolutional network 1.4 times (with AVX2 alone 1.6 and 1.5 times), the residual one 1.02 times.
    The images have one channel, so they are the same bytes in both orders.
    """
    functional = torch.nn.functional

    def attention(self, x, *_, **__):
        heads = functional.linear(x, self.in_proj_weight, self.in_proj_bias)
        heads = heads.view(*x.shape[:2], 3, self.num_heads, self.head_dim)
        queries, keys, values = heads.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(queries, keys, values, is_causal=True)
        return [self.out_proj(mixed.transpose(1, 2).reshape(x.shape))]

    modules = {}
    for block in re.findall(r"<!-- modules -->\n```python\n(.*?)```", GUIDE.read_text(), re.S):
        exec(block, modules)
    torch.nn.MultiheadAttention.forward = attention
    order = torch.contiguous_format if os.environ.get("CHANNELS_FIRST") else torch.channels_last
    return eval(model.module, modules).to(memory_format=order)


def run_pytorch(options, rank):
    """One process of PyTorch's side; prints its figures."""
    import torch
    import torch.distributed as dist

    torch.set_num_threads(1)
    torch.manual_seed(0)
    model, processes = Model(**{key: options[key] for key in Model._fields}), options["processes"]
    inputs, targets = read_training_part(torch, model)
    network = make_module(torch, model)
    if processes > 1:
        dist.init_process_group("gloo", init_method=f"file://{options['store']}", rank=rank, world_size=processes)
        network = torch.nn.parallel.DistributedDataParallel(network, gradient_as_bucket_view=True, static_graph=True)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.001, fused=True)
    batches = len(targets) // (model.batch * processes)
    order = torch.randperm(len(targets))  # the same in every process
    if options["growth"]:
        # Reading the data took more memory than is held now; that peak would hide growth.
        pathlib.Path("/proc/self/clear_refs").write_text("5")
    before, libraries = peak_bytes("self"), peak_bytes("self", "RssFile")

    for step in range(model.warm_up + model.steps):
        if step == model.warm_up:
            if processes > 1:
                dist.barrier()
            start = time.perf_counter()
        if step > 0 and step % batches == 0:
            order = torch.randperm(len(targets))
        position = (step % batches * processes + rank) * model.batch
        chosen = order[position : position + model.batch]
        optimizer.zero_grad(set_to_none=True)
        outputs = network(inputs[chosen]).flatten(0, -2)
        loss = torch.nn.functional.cross_entropy(outputs, targets[chosen].flatten())
        loss.backward()
        optimizer.step()
    if processes > 1:
        dist.barrier()
    seconds = time.perf_counter() - start
    figures = {"steps_per_second": model.steps / seconds, "last_loss": loss.item()}
    if options["growth"]:
        figures["growth_bytes"] = peak_bytes("self") - before
        figures["library_bytes"] = peak_bytes("self", "RssFile") - libraries
    print(json.dumps(figures))
    if processes > 1:
        dist.destroy_process_group()


def read_training_part(torch, model):
    """Inputs and targets, an example a row. A text's rows overlap in memory. Of images, each pixel (with `--scale
    standard`) or all pixels together have mean 0 and variance 1."""
    import numpy

    if model.source.startswith("text:"):
        text = pathlib.Path(model.source.removeprefix("text:")).read_bytes()
        values = torch.from_numpy(numpy.frombuffer(text[: len(text) * 9 // 10], numpy.uint8).astype(numpy.int64))
        return values[:-1].unfold(0, CONTEXT, 1), values[1:].unfold(0, CONTEXT, 1)

    def read(name, header):
        contents = gzip.decompress((DATA / name).read_bytes())
        return torch.from_numpy(numpy.frombuffer(contents, numpy.uint8, offset=header).copy())

    features = read("train-images-idx3-ubyte.gz", 16).reshape(-1, 784).float()
    by_column = "--scale" in model.data
    deviations, means = torch.std_mean(features, dim=0 if by_column else None, correction=0)
    features.sub_(means).div_(deviations)
    labels = read("train-labels-idx1-ubyte.gz", 8).long()
    return features if by_column else features.view(-1, 1, 28, 28), labels


# Memory


def growth(model):
    """How much a worker's peak grows from before the first step to after the third, its coordinator's, and PyTorch's.

    A worker computes a gradient before its first step, to show that it has the bits of the others. What it holds before
    any gradient is therefore taken from a run whose model and batch are as small as can be: program and data.
    """
    tiny = ["--model", "linear"]
    if model.source.startswith("text:"):
        tiny = ["--model", "transformer", "--layers", "1", "--heads", "1", "--width", "1"]
    before = peaks_after_three_steps(model._replace(options=tiny, batch=1))
    after = peaks_after_three_steps(model)
    of_pytorch = pytorch(model._replace(steps=3, warm_up=0), processes=1, growth=True)
    return {
        "worker": after[0] - before[0],
        "coordinator": after[1] - before[1],
        "pytorch": of_pytorch["growth_bytes"],
        "pytorch_libraries": of_pytorch["library_bytes"],
    }


def peaks_after_three_steps(model):
    """The peaks of the one worker and of its coordinator after the third step; the run is then ended. All pages that a
    process has mapped count, those that belong to the other one too."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        command = [LOCKSTEP, "train", "--workers", "1", *job(model._replace(steps=10**6), 1, 1, folder / "run")]
        metrics, limit = folder / "run/metrics.jsonl", time.monotonic() + TIME_LIMIT
        with started([command], folder) as [process]:
            while not metrics.exists() or metrics.read_text().count('"event":"step"') < 3:
                if process.poll() is not None or time.monotonic() > limit:
                    fail(process, "has not made three steps", folder)
                time.sleep(0.002)
            [worker] = children(process.pid)
            peaks = peak_bytes(worker), peak_bytes(process.pid)
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=30)
            return peaks


def memory_table(growths):
    def spread(values, form):
        return f"{statistics.median(values):{form}} ({min(values):{form}}–{max(values):{form}})"

    def cells(rounds):
        def megabytes(key):
            return spread([one[key] / 1e6 for one in rounds], ".1f")

        ratio = spread([one["worker"] / one["pytorch"] for one in rounds], ".2f")
        others = [megabytes("pytorch_libraries"), megabytes("coordinator")]
        return [megabytes("worker"), megabytes("pytorch"), ratio, *others]

    yield "Growth of a worker's peak from before the first step to after the third, MB, median (min–max):\n"
    yield table(
        ["model", "worker", "PyTorch, 1 process", "worker / PyTorch", "PyTorch's own code, of its growth",
         "our coordinator, which has the moments"],
        [[name, *cells(rounds)] for name, rounds in growths.items()],
    )


# Results


def ratios_of(runs):
    """The names of the ratios both of whose sides were run."""
    return [name for name, sides in RATIOS.items() if all(side in runs for side in sides)]


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
    sides = list(next(iter(results.values()))["runs"])
    names = ratios_of(sides)
    memory = {name: (side, key) for name, (side, key) in memory.items() if side in sides}
    yield "Steps a second, median:\n"
    sizes = [[name, f"{result['parameters']:,}", str(result["batch"])] for name, result in results.items()]
    rates = rows(lambda runs: [rate(runs[side]) for side in sides])
    yield table(["model", "parameters", "batch a worker", *sides], [one + two[1:] for one, two in zip(sizes, rates)])
    if names:
        yield "Ratios of steps a second, median (min–max):\n"
        yield table(["model", *names], rows(lambda runs: [ratio(ratios(runs, name)) for name in names]))
    if memory:
        yield "Peak resident memory, MB (pages that processes share count in each):\n"
        yield table(
            ["model", *memory], rows(lambda runs: [megabytes(runs[side], key) for side, key in memory.values()])
        )


def plot(results, path):
    """Draws the ratios to PyTorch; returns whether any of them was measured."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.fonttype": "path", "svg.hashsalt": "lockstep", "font.size": 9})
    import matplotlib.pyplot as pyplot

    bars = {
        "2 workers / DDP": ("#1f4e79", ""),
        "2 workers, tcp / DDP": ("#7fb2dd", ""),
        "1 worker / PyTorch, 1 process": ("#d9d9d9", "///"),
    }
    names = ratios_of(next(iter(results.values()))["runs"])
    bars = {name: look for name, look in bars.items() if name in names}
    if not bars:
        return False
    figure, axes = pyplot.subplots(figsize=(max(7.2, 1.4 * len(results)), 3.8), layout="constrained")
    for place, (name, (colour, hatch)) in enumerate(bars.items()):
        values = [ratios(result["runs"], name) for result in results.values()]
        medians = [statistics.median(value) for value in values]
        at = [number + (place - (len(bars) - 1) / 2) * 0.27 for number in range(len(values))]
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
    labels = [f"{name}\n{r['parameters']:,} parameters\nbatch {r['batch']} a worker" for name, r in results.items()]
    axes.set_xticks(range(len(results)), labels, fontsize=8)
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="y", color="#cccccc", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_ylabel("steps/s over PyTorch's (log scale)")
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    figure.savefig(path, metadata={"Date": None})
    return True


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
        "channels": "first" if os.environ.get("CHANNELS_FIRST") else "last",
        "vector_width": os.environ.get("LOCKSTEP_VECTOR_WIDTH", "the processor's own"),
    }


def parameter_count(model):
    import torch

    return sum(parameter.numel() for parameter in make_module(torch, model).parameters())


def write_text(path):
    """About 1.1 MB of sentences without sense, the same ones each time."""
    words = """the of and to in a is that for it was on as with he be at by this had not are but from or have an they
        which one you were all her she there would their we him been has when who will no more if out so up said what
        its about than into them can only other time new some could these two may first then do any like my now over
        such our man me even most made after also well before must through years where much your way down should
        because each people those state world still between life being under water house night morning river garden
        window letter winter summer mountain village children evening silence question answer journey"""
    words, chance = words.split(), random.Random(0)
    weights = [1 / (rank + 2) for rank in range(len(words))]
    sentences, size = [], 0
    while size < 1_100_000:
        chosen = chance.choices(words, weights, k=chance.randint(4, 16))
        ends = chance.choices([". ", "? ", ".\n\n"], [8, 1, 2])[0]
        sentences.append(" ".join(chosen).capitalize() + ends)
        size += len(sentences[-1])
    path.write_text("".join(sentences))


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
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES), metavar="SIDE",
                        help=f"default: all of them: {', '.join(map(repr, SIDES))}")
    parser.add_argument("--memory", action="store_true", help="measure only how a worker's peak memory grows")
    parser.add_argument("--text", type=pathlib.Path, metavar="FILE",
                        help="what the transformer learns (default: 1.1 MB of generated sentences)")
    parser.add_argument("--channels-first", action="store_true",
                        help="let PyTorch keep its usual order of a weight's axes, with which it is slower")
    parser.add_argument("--vector-width", choices=["8", "16"], metavar="FLOATS",
                        help="8 computes with AVX2 on both sides, 16 with AVX-512 (default: the processor's own)")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "runs/against-pytorch", metavar="FOLDER",
                        help="where the JSON and the plot go (default: runs/against-pytorch)")
    parser.add_argument("--python", type=pathlib.Path, default=ROOT / ".venv-torch", metavar="FOLDER",
                        help="a virtual environment, made where there is none (default: .venv-torch)")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error(f"--rounds is {arguments.rounds}, and must be at least 1")
    if not LOCKSTEP.exists():
        sys.exit(f"error: there is no {LOCKSTEP}: run `swift build -c release` first")
    models = {name: MODELS[name] for name in arguments.models}
    sources = [model.source for model in models.values()]
    if "fashion-mnist" in sources and not (DATA / "train-images-idx3-ubyte.gz").exists():
        sys.exit(f"error: fashion-mnist is not installed in {DATA}: run deploy/install-dependencies.sh")
    if arguments.text and not arguments.text.is_file():
        sys.exit(f"error: there is no file {arguments.text}")
    run_under(arguments.python)
    arguments.output.mkdir(parents=True, exist_ok=True)
    if arguments.channels_first:
        os.environ["CHANNELS_FIRST"] = "1"
    if arguments.vector_width:
        os.environ["LOCKSTEP_VECTOR_WIDTH"] = arguments.vector_width
    if arguments.vector_width == "8":
        os.environ.update({"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"})
    text = (arguments.text or arguments.output / "text.txt").resolve()
    if not arguments.text and any(source.startswith("text:") for source in sources):
        write_text(text)
    models = {
        name: model._replace(data=[option.replace("{text}", str(text)) for option in model.data])
        for name, model in models.items()
    }

    results, report = {}, {"machine": machine(), "rounds": arguments.rounds}
    described = ", ".join(f"{key} {value}" for key, value in report["machine"].items()) + "\n"
    if arguments.memory:
        return measure_memory(models, report, described, arguments.output)
    for name, model in models.items():
        sides = [side for side in SIDES if side in arguments.sides]
        runs = {side: [] for side in sides}
        results[name] = {**model._asdict(), "parameters": parameter_count(model), "runs": runs}
        for number in range(arguments.rounds):
            first = number % len(sides)
            for side in sides[first:] + sides[:first]:
                load = os.getloadavg()[0]
                runs[side].append({**SIDES[side](model), "load_average_before": load})
                rate = runs[side][-1]["steps_per_second"]
                print(f"{name}, round {number + 1}: {side}: {rate:.1f} steps/s", file=sys.stderr, flush=True)
        results[name]["ratios"] = {ratio: ratios(runs, ratio) for ratio in ratios_of(runs)}
        (arguments.output / "against_pytorch.json").write_text(json.dumps({**report, "models": results}, indent=1))
    print(described)
    print("\n".join(tables(results)))
    drawn = plot(results, arguments.output / "against_pytorch.svg")
    print(f"{arguments.output}/against_pytorch.json" + (" and .svg" if drawn else ""))


def measure_memory(models, report, described, output):
    growths = {name: [] for name in models}
    for name, model in models.items():
        for number in range(report["rounds"]):
            growths[name].append(growth(model))
            worker, of_pytorch = (growths[name][-1][key] / 1e6 for key in ["worker", "pytorch"])
            line = f"{name}, round {number + 1}: {worker:.1f} MB, PyTorch {of_pytorch:.1f} MB"
            print(line, file=sys.stderr, flush=True)
    (output / "against_pytorch_memory.json").write_text(json.dumps({**report, "growth_bytes": growths}, indent=1))
    print(described)
    print("\n".join(memory_table(growths)))
    print(f"{output}/against_pytorch_memory.json")


if __name__ == "__main__":
    main()
