#!/usr/bin/env python3
"""A coordinator and workers on hosts of a slow network, with CURVE (Linux, as root): the bits, the bytes, the time.

    swift build -c release && python3 Benchmarks/hosts.py [--program .build/release/lockstep] [--workers 3] [--rate 100]

Each process is in a network namespace of its own, on a link of --rate Mbit/s both ways. All runs must end with the bits
of a run on one machine: one whose bytes on the coordinator's link are held against what the protocol says it needs; with
--links, some whose bytes on every link are; and one in which the first worker's link is cut for 10 s. To workers that hardly pay, as all do where the network is slow, the
coordinator gives little to do; so what it needs is counted by its messages: 4 bytes for each value of a chunk of
parameters or of a node that a worker pushes. Exits with 77 where namespaces cannot be made.
"""

import json
import statistics
import subprocess
import sys
import time

import network
from network import Failure, Host, command

ADDRESS = f"tcp://{network.address(1)}:5555"
CUT = 10  # seconds
LIMIT = 120  # seconds, of a run
FEATURES, HIDDEN, CLASSES = 8, 256, 10
PARAMETERS = (FEATURES + 1) * HIDDEN + (HIDDEN + 1) * HIDDEN + (HIDDEN + 1) * CLASSES
CHUNK = 4096  # parameters of a chunk, for so small a model between machines
EXAMPLES, TEST, STEPS = 3840, 100, 60
JOINING_STEPS = 200  # in which workers take their places one after the other
COUNTED_STEPS = 200  # by which a run on which links are counted is longer than another
STEPS_WITH_CUT = 400  # many more than the network carries in the time of the cut
# Of a message: the header, twice what ZeroMQ puts around an encrypted frame.
MESSAGE = 64 + 2 * 42
TOLERANCE = 0.05


def write_data(folder):
    for name, count in [("train", EXAMPLES), ("test", TEST)]:
        rows = (",".join([str((row * (column + 3)) % 17) for column in range(FEATURES)] + [str(row % CLASSES)])
                for row in range(count))
        (folder / f"{name}.csv").write_text("\n".join(rows) + "\n")


def share(relay):
    """The part of all parameters that is in the chunks of one of a mesh's three relays."""
    return sum(min(CHUNK, PARAMETERS - start) for start in range(relay * CHUNK, PARAMETERS, 3 * CHUNK)) / PARAMETERS


# What passes each host's link in a step of three workers, in vectors (the parameters, or a sum of gradients): received, and
# sent, first by the coordinator. In a mesh, each worker gets its share of the other two's gradients and all parameters. It
# sends the others' shares of its gradient, its own share of the sum, and that of the parameters to each of the others. In a
# chain, the second and third worker's micro-batches, from the coordinator on, are no node of the tree: two sums pass the
# second one's link.
VECTORS = {
    "mesh": [(1, 1)] + [(1 + 2 * share(relay), 1 + 2 * share(relay)) for relay in range(3)],
    "chain": [(1, 1), (3, 2), (2, 3), (1, 1)],
}


class Run:
    def __init__(self, program, folder, name, workers, rate, steps, topology="star"):
        self.program, self.folder, self.output = program, folder, folder / name
        self.keys = network.key_options(folder)
        self.hosts = [Host(number, rate) for number in range(1, workers + 2)]
        self.logs = []
        self.timeline = folder / f"{name}-timeline.json"
        self.coordinator = self.start(0, "coordinator", "--bind", ADDRESS, "--output", str(self.output),
                                      "--timeline", str(self.timeline), "--transport", "zmq", "--use-all-workers", "--topology", topology,
                                      *job(folder, workers, steps),
                                      *self.keys["coordinator"])
        self.workers = []
        for number in range(1, workers + 1):
            relay = ["--bind", f"tcp://{network.address(number + 1)}:5556", "--authorized-keys", f"{folder}/worker.key.pub"]
            self.workers.append(self.start(number, "worker", "--connect", ADDRESS, *self.keys["worker"],
                                           *(relay if topology != "star" else [])))
            if topology != "star":
                self.wait_for_step(3 * number)  # so that they take their places in this order

    def start(self, number, *arguments):
        path = self.folder / f"{self.output.name}-{number}.log"
        self.logs.append(path)
        with open(path, "w") as log:
            return subprocess.Popen(["ip", "netns", "exec", self.hosts[number].name, self.program, *arguments],
                                    stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def steps(self):
        path = self.output / "metrics.jsonl"
        lines = path.read_text().split("\n")[:-1] if path.exists() else []
        return [line for line in map(json.loads, lines) if line["event"] == "step"]

    def wait_for_step(self, step):
        limit = time.monotonic() + LIMIT
        while len(self.steps()) < step:
            if time.monotonic() > limit or self.coordinator.poll() is not None:
                raise Failure(f"step {step} did not come:\n{self.said()}")
            time.sleep(0.02)

    def finish(self):
        try:
            for process in [self.coordinator, *self.workers]:
                if process.wait(timeout=LIMIT) != 0:
                    raise Failure(f"a process failed:\n{self.said()}")
        except subprocess.TimeoutExpired:
            raise Failure(f"the run did not end within {LIMIT} s:\n{self.said()}") from None

    def said(self):
        return "\n".join(f"{path.name}: {line}" for path in self.logs for line in path.read_text().splitlines())

    def end(self):
        for process in [self.coordinator, *self.workers]:
            process.kill()
            process.wait()
        network.remove_hosts()


def job(folder, workers, steps):
    return ["--data", f"{folder}/train.csv", "--test", f"{folder}/test.csv", "--model", f"mlp:{HIDDEN},{HIDDEN}",
            "--batch-size", "64", "--micro-batches", str(workers), "--steps", str(steps)]


def check_equal(program, local, other):
    result = subprocess.run([program, "diff", str(local), str(other)], capture_output=True, text=True)
    if result.returncode != 0:
        raise Failure(f"{other.name}: not the bits of the local run: {result.stdout}{result.stderr}")


def train_here(program, folder, workers, steps):
    """The same job on one machine."""
    output = folder / f"local-{steps}"
    if not output.exists():
        command(program, "train", "--output", str(output), *job(folder, workers, steps))
    return output


def measure(program, folder, workers, rate):
    """An undisturbed run: its bytes and its time."""
    run = Run(program, folder, "undisturbed", workers, rate, STEPS)
    try:
        run.finish()
        sent, received = run.hosts[0].bytes()
        steps = run.steps()
    finally:
        run.end()
    check_equal(program, train_here(program, folder, workers, STEPS), run.output)
    events = json.loads(run.timeline.read_text())
    for name, kind, found in [("parameters", "send", sent), ("gradients", "receive", received)]:
        chunks = [event["args"]["chunk"] for event in events
                  if event["ph"] == "X" and event["name"] == kind and "chunk" in event["args"]]
        needed = sum(4 * min(CHUNK, PARAMETERS - chunk * CHUNK) + MESSAGE for chunk in chunks)
        print(f"{name}: {found:,} bytes on the coordinator's link, {needed:,} in {len(chunks)} messages: "
              f"{found / needed:.3f}")
        if abs(found / needed - 1) > TOLERANCE:
            raise Failure(f"{name}: more than {TOLERANCE:.0%} away from what the protocol needs")
    workers = statistics.mean(len(line["compute_seconds"]) for line in steps)
    seconds = statistics.median(line["seconds"] for line in steps)
    print(f"a step: {seconds * 1000:.1f} ms, {workers:.1f} workers a step, {rate} Mbit/s, {PARAMETERS:,} parameters")


def count_links(program, folder, topology, rate, steps):
    """The bytes that each host has sent and received in a run."""
    run = Run(program, folder, f"{topology}-{steps}", 3, rate, steps, topology)
    try:
        run.finish()
        counts = [host.payload_bytes() for host in run.hosts]
    finally:
        run.end()
    check_equal(program, train_here(program, folder, 3, steps), run.output)
    # Workers may join in another order than they are started in.
    return counts[:1] + sorted(counts[1:], key=lambda counts: counts[1], reverse=True)


def measure_links(program, folder, topology, rate):
    """Holds the bytes of a step on each link, by which a longer run has more than a shorter one, against VECTORS."""
    before, after = (count_links(program, folder, topology, rate, steps)
                     for steps in [JOINING_STEPS, JOINING_STEPS + COUNTED_STEPS])
    found = [[(last - first) / COUNTED_STEPS for first, last in zip(*counts)] for counts in zip(before, after)]
    vector = 4 * PARAMETERS + -(-PARAMETERS // CHUNK) * MESSAGE
    for number, (vectors, counts) in enumerate(zip(VECTORS[topology], found)):
        for name, count, bytes in [("received", vectors[0], counts[1]), ("sent", vectors[1], counts[0])]:
            host = "the coordinator" if number == 0 else f"worker {number}"
            ratio = bytes / (count * vector)
            print(f"{topology}: {host} {name} {bytes:,.0f} bytes a step, {count * vector:,.0f} needed: {ratio:.3f}")
            if abs(ratio - 1) > TOLERANCE:
                raise Failure(f"{topology}: more than {TOLERANCE:.0%} away from what the protocol needs")


def cut(program, folder, workers, rate):
    """A run in which the first worker's link is down for a while."""
    run = Run(program, folder, "cut", workers, rate, STEPS_WITH_CUT)
    try:
        run.wait_for_step(10)
        command("ip", "link", "set", run.hosts[1].name, "down")
        time.sleep(CUT)
        command("ip", "link", "set", run.hosts[1].name, "up")
        if run.coordinator.poll() is not None:
            raise Failure(f"the run has ended before the link is back:\n{run.said()}")
        run.finish()
    finally:
        run.end()
    check_equal(program, train_here(program, folder, workers, STEPS_WITH_CUT), run.output)
    print(f"the first worker's link cut for {CUT} s: equal, bit for bit")


def add_options(parser):
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--rate", type=int, default=100, help="Mbit/s")
    parser.add_argument("--links", nargs="+", default=[], choices=list(VECTORS),
                        help="hold the bytes on every link against the protocol, in these topologies of three workers")


def check(options, folder):
    network.begin()
    network.make_keys(options.program, folder)
    write_data(folder)
    measure(options.program, folder, options.workers, options.rate)
    for topology in options.links:
        measure_links(options.program, folder, topology, options.rate)
    cut(options.program, folder, options.workers, options.rate)


if __name__ == "__main__":
    sys.exit(network.main(__file__, __doc__, check, add_options))
