#!/usr/bin/env python3
"""Every fault in every phase of a run, on hosts of a network: each time the end must be the same bits (Linux, as root).

    swift build -c release && python3 Benchmarks/chaos.py [--program .build/release/lockstep] [--only worker:kill:*]

A cell is a run of a coordinator and two workers, each a process in a network namespace of its own: veth pairs into one
bridge, the workers' links at 200 and 140 Mbit/s, with CURVE. One fault strikes the role, the coordinator or the first worker, while
the first worker is in the phase. Then the script does what an operator would do, and the run must end within 120 s with
the parameters of an undisturbed run, after every epoch and in the end, and every process must end by itself. All of it
lives in namespaces (network, processes, mounts) that end with this script, however it ends.

Faults:
    kill         SIGKILL; another process is started in its place, a coordinator with --resume.
    terminate    SIGTERM, and the same. Workers that a terminated coordinator has sent home are started again.
    stop         SIGSTOP, and SIGCONT 10 s later.
    cut          the link is down for 10 s.
    half-open    the host loses its power and comes back with the same address at once: its peers' connections are gone
                 on its side, without a FIN or RST; what answers to them is dropped for 10 s. The process is started
                 there again, a coordinator with --resume.
    slow         the link has 20 Mbit/s both ways for 10 s.

Phases, told from outside by the bytes on the first worker's link and by the run's folder:
    joining      its greeting has been sent, and no parameters have come.
    receiving    a part of a step's parameters has come.
    computing    the parameters have come, and nothing is pushed.
    pushing      a part of the gradient is pushed.
    pushed       the gradient is pushed, and the next parameters have not begun to come.
    checkpoint   the coordinator writes a checkpoint: there is a temporary folder.
    evaluating   the parameters after an epoch's last step have come, and the evaluation is not recorded.
Joining is the first of all; the other phases come after the first checkpoint. Where there is none yet, a coordinator is
started anew with its first command. A worker that finds no coordinator within --connect-timeout is started again; one
that is away when the run ends looks for the coordinator until --reconnect-timeout, and that is noted.

Exits with 0 where all cells are equal, with 2 where some were missed, and with 77 where namespaces cannot be made.
"""

import argparse
import collections
import fnmatch
import json
import pathlib
import random
import re
import signal
import subprocess
import sys
import time

import network
from network import Failure, Host, command

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROLES = ["worker", "coordinator"]
FAULTS = ["kill", "terminate", "stop", "cut", "half-open", "slow"]
PHASES = ["joining", "receiving", "computing", "pushing", "pushed", "checkpoint", "evaluating"]
DURATION = 10  # seconds, of faults that pass
LIMIT = 120  # seconds, of a run
STEPS, EPOCHS, BATCH, TEST = 6, 3, 2048, 40_000
FEATURES, HIDDEN, CLASSES = 8, 1024, 10
PARAMETERS = (FEATURES + 1) * HIDDEN + (HIDDEN + 1) * HIDDEN + (HIDDEN + 1) * CLASSES
BURST = 4 * PARAMETERS  # bytes of a step's parameters, and of a gradient
PORT = 5555
ADDRESS = f"tcp://{network.address(1)}:{PORT}"
SLOW = 20
RECONNECT = 20  # seconds that a worker looks for a coordinator that it has lost


class Missed(Exception):
    """The fault came when the phase was over."""


class Watch:
    """In which phase of a step a host's worker is, by the bytes on its link."""

    def __init__(self, host):
        self.host = host
        self.samples = collections.deque()
        self.phase = "starting"
        self.received = 0  # bursts of parameters
        self.sent, self.got = 0, 0  # bytes when the present burst had come, or the next began

    def look(self):
        now = time.monotonic()
        sent, got = self.host.bytes()
        self.samples.append((now, sent, got))
        while self.samples[0][0] < now - 0.02:
            self.samples.popleft()
        still = now - self.samples[0][0] > 0.01
        sends, gets = still and sent - self.samples[0][1] > 3000, still and got - self.samples[0][2] > 3000
        if self.phase == "starting" and sent > 500:
            self.phase = "joining"
        if self.phase != "receiving" and got - self.got > 0.1 * BURST:
            self.phase = "receiving"
        if self.phase == "receiving" and got - self.got >= BURST and still and not gets:
            self.phase = "computing"
            self.received += 1
            self.sent, self.got = sent, got
        if self.phase == "computing" and sent - self.sent > 0.1 * BURST:
            self.phase = "pushing"
        if self.phase in ("pushing", "pushed"):
            self.phase = "pushed" if sent - self.sent >= BURST and still and not sends else "pushing"
        return self.phase

    def is_amid(self):
        """Whether a burst is neither about to begin nor about to end."""
        sent, got = self.host.bytes()
        part = (got - self.got if self.phase == "receiving" else sent - self.sent) / BURST
        return 0.1 < part % 1 < 0.7


class Cell:
    def __init__(self, role, fault, phase, program, folder, data):
        self.role, self.fault, self.phase = role, fault, phase
        self.program, self.folder = program, folder
        self.run = folder / "run"
        self.job = job(data)
        self.keys = network.key_options(data)
        self.notes = []
        self.processes = []
        self.later = []
        self.deadline = time.monotonic() + LIMIT

    def start(self, host, *arguments):
        log = open(self.folder / f"{len(self.processes)}-{arguments[0]}.log", "w")
        process = subprocess.Popen(["ip", "netns", "exec", host.name, self.program, *arguments],
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        process.log = log.name
        log.close()
        self.processes.append(process)
        return process

    def start_coordinator(self):
        if any(self.run.glob("checkpoints/[0-9]*")):
            what = ["--resume", str(self.run)]
        else:
            what = [*self.job, "--output", str(self.run)]
        self.coordinator = self.start(self.hosts[0], "coordinator", "--bind", ADDRESS, "--transport", "zmq",
                                      *self.keys["coordinator"], "--checkpoint-every", "2", *what)

    def start_worker(self, number):
        self.workers[number] = self.start(
            self.hosts[number], "worker", "--connect", ADDRESS, *self.keys["worker"],
            "--reconnect-timeout", str(RECONNECT))

    def work(self):
        """The result. Raises `Failure` or `Missed`."""
        self.hosts = [Host(1, 2000), Host(2, 200), Host(3, 140)]
        self.workers = {}
        try:
            watch = Watch(self.hosts[1])
            self.start_coordinator()
            # The second worker follows the first, so that the first does the first step.
            self.start_worker(1)
            while not self.is_reached(watch):
                self.check("before the fault")
                if 2 not in self.workers and watch.phase not in ("starting", "joining"):
                    self.start_worker(2)
                time.sleep(0.001)
            if 2 not in self.workers:
                self.start_worker(2)
            target = 0 if self.role == "coordinator" else 1
            begun = self.strike(target)
            if not self.is_reached(watch, again=True):
                raise Missed
            self.go_on(begun)
            self.finish()
        finally:
            for process in self.processes:
                process.kill()
                process.wait()
            network.remove_hosts()

    def is_reached(self, watch, again=False):
        """Whether the first worker is in the phase; `again`, just after the fault: whether it was not over before."""
        checkpoints = self.run / "checkpoints"
        if self.phase == "checkpoint":
            watch.look()
            return any(checkpoints.glob("[0-9]*")) and any(checkpoints.glob(".*.tmp"))
        phase = watch.phase if again else watch.look()
        if self.phase == "joining":
            return phase == "joining" and watch.host.bytes()[1] < 0.1 * BURST
        if self.phase == "evaluating":
            return phase == "computing" and watch.received == STEPS + 1 and not self.has_evaluated()
        if watch.received < 4 or phase != self.phase:
            return False
        if phase in ("receiving", "pushing"):
            return watch.is_amid()
        sent, got = watch.host.bytes()
        if phase == "computing":
            return watch.received != STEPS + 1 and sent - watch.sent < 0.05 * BURST
        return got - watch.got < 0.05 * BURST

    def has_evaluated(self):
        metrics = self.run / "metrics.jsonl"
        return metrics.exists() and '"evaluation"' in metrics.read_text()

    def strike(self, target):
        """Begins the fault; gives what is to be done next."""
        host = self.hosts[target]
        process = self.coordinator if target == 0 else self.workers[1]

        def replace():
            if target == 0:
                self.start_coordinator()
            else:
                self.start_worker(1)

        def after(action):
            self.later.append((time.monotonic() + DURATION, action))

        if self.fault in ("kill", "terminate"):
            process.send_signal(signal.SIGKILL if self.fault == "kill" else signal.SIGTERM)

            def begun():
                code = self.wait(process, 30, "it did not end by SIGTERM")
                if code != (-signal.SIGKILL if self.fault == "kill" else 128 + signal.SIGTERM):
                    raise Failure(f"error: it ended with {code}: {last_line(process)}")
                replace()
                if target == 0 and self.fault == "terminate":
                    self.replace_sent_home()
        elif self.fault == "stop":
            process.send_signal(signal.SIGSTOP)

            def begun():
                after(lambda: process.send_signal(signal.SIGCONT))
        elif self.fault == "half-open":
            stages = host.reboot()
            next(stages)
            process.kill()

            def begun():
                process.wait()
                next(stages)
                replace()
                after(lambda: next(stages))
        elif self.fault == "cut":
            command("ip", "link", "set", host.name, "down")

            def begun():
                after(lambda: command("ip", "link", "set", host.name, "up"))
        else:
            host.limit(SLOW)

            def begun():
                after(lambda: host.limit(host.rate))
        return begun

    def replace_sent_home(self):
        """A coordinator that is terminated ends its workers, with an error, so that a supervisor starts them again."""
        for number, worker in list(self.workers.items()):
            try:
                worker.wait(timeout=5)
                if is_sent_home(worker):
                    self.start_worker(number)
            except subprocess.TimeoutExpired:
                pass  # it was no member yet, and looks for a coordinator

    def go_on(self, begun):
        """Plays the operator until the coordinator has ended."""
        begun()
        while self.coordinator.poll() is None or self.later:
            self.check("after the fault")
            for action in [action for due, action in self.later if due <= time.monotonic()]:
                action()
            self.later = [(due, action) for due, action in self.later if due > time.monotonic()]
            time.sleep(0.02)
        if self.coordinator.returncode != 0:
            raise Failure(f"error: the coordinator ended with {self.coordinator.returncode}: "
                          f"{last_line(self.coordinator)}")

    def check(self, when):
        if time.monotonic() > self.deadline:
            raise Failure("hang")
        for number, worker in self.workers.items():
            if worker.poll() in (None, 0):
                continue
            if is_sent_home(worker):
                self.start_worker(number)
                continue
            reason = last_line(worker)
            self.notes.append(f"worker {number} ended {when}: {reason}")
            if self.phase != "joining" or "no coordinator answers" not in reason:
                raise Failure(f"error: {reason}")
            self.start_worker(number)
        if when == "before the fault" and self.coordinator.poll() is not None:
            if self.coordinator.returncode == 0:
                raise Missed
            raise Failure(f"error: the coordinator ended {when}: {last_line(self.coordinator)}")

    def wait(self, process, seconds, message):
        try:
            return process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"hang: {message}") from None

    def finish(self):
        for number, worker in self.workers.items():
            code = self.wait(worker, RECONNECT + 20, f"worker {number} still runs")
            if code != 0 and f"has been gone for {RECONNECT} s" in last_line(worker):
                self.notes.append(f"worker {number} was away when the run ended, and gave up")
            elif code != 0:
                raise Failure(f"error: worker {number} ended with {code}: {last_line(worker)}")


def job(data):
    return ["--data", f"{data}/train.csv", "--test", f"{data}/test.csv", "--model", f"mlp:{HIDDEN},{HIDDEN}",
            "--batch-size", str(BATCH), "--micro-batches", "2", "--epochs", str(EPOCHS)]


def is_sent_home(worker):
    return "has ended the run: interrupted by SIGTERM" in last_line(worker)


def last_line(process):
    lines = pathlib.Path(process.log).read_text().splitlines()
    return lines[-1] if lines else "it said nothing"


def write_data(folder):
    numbers = random.Random(0)
    for name, count in [("train", STEPS * BATCH), ("test", TEST)]:
        rows = (",".join([f"{numbers.random():.2f}" for _ in range(FEATURES)] + [str(row % CLASSES)])
                for row in range(count))
        (folder / f"{name}.csv").write_text("\n".join(rows) + "\n")


def hashes(run):
    """The parameters' digests after every epoch, and in the end."""
    epochs = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    found = {line["epoch"]: line["parameters_sha256"] for line in epochs if line["event"] == "epoch"}
    return [found, json.loads((run / "summary.json").read_text())["parameters_sha256"]]


def try_cell(role, fault, phase, program, folder, expected):
    """What the matrix shows, and what else there is to say."""
    notes = []
    for attempt in range(1, 4):
        place = folder / f"{role}-{fault}-{phase}-{attempt}"
        place.mkdir()
        cell = Cell(role, fault, phase, program, place, folder)
        result = "equal"
        try:
            cell.work()
            if hashes(cell.run) != expected:
                result = "NOT EQUAL"
        except Missed:
            notes.append(f"attempt {attempt}: the phase was missed")
            continue
        except Failure as failure:
            result = str(failure)
        if result != "equal":
            for process in cell.processes:
                text = pathlib.Path(process.log).read_text().rstrip()
                notes += [f"{pathlib.Path(process.log).stem}: {line}" for line in text.splitlines()]
        return result, notes + cell.notes
    return "missed", notes


def run_matrix(program, folder, only):
    def chosen(*names):
        return any(all(fnmatch.fnmatchcase(name, pattern) for name, pattern in zip(names, patterns))
                   for patterns in only)

    network.begin()
    network.make_keys(program, folder)
    write_data(folder)
    undisturbed = folder / "undisturbed"
    command(program, "train", *job(folder), "--workers", "2", "--output", str(undisturbed))
    expected = hashes(undisturbed)
    print(f"undisturbed: parameters_sha256 {expected[1]}\n")
    print(f"{'':24}" + "".join(f"{phase:12}" for phase in PHASES), flush=True)
    counts = collections.Counter()
    for role in ROLES:
        for fault in FAULTS:
            if not any(chosen(role, fault, phase) for phase in PHASES):
                continue
            print(f"{role + ' ' + fault:24}", end="", flush=True)
            notes = []
            start = time.monotonic()
            for phase in PHASES:
                if not chosen(role, fault, phase):
                    print(f"{'':12}", end="", flush=True)
                    continue
                result, more = try_cell(role, fault, phase, program, folder, expected)
                counts[result if result in ("equal", "missed") else "other"] += 1
                print(f"{result if len(result) < 12 else result.split(':')[0]:12}", end="", flush=True)
                notes += [f"  {phase}: {note}" for note in ([result] if result != "equal" else []) + more]
            print(f"{time.monotonic() - start:4.0f} s")
            print("".join(f"{note}\n" for note in notes), end="", flush=True)
    total = sum(counts.values())
    print(f"\n{counts['equal']} of {total} equal, {counts['missed']} missed", flush=True)
    if counts["other"] > 0 or total == 0:
        return 1
    return 2 if counts["missed"] > 0 else 0


def pattern(text):
    parts = text.split(":")
    if len(parts) != 3:
        raise argparse.ArgumentTypeError("ROLE:FAULT:PHASE is needed, each may be *")
    return parts


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default=str(ROOT / ".build/release/lockstep"))
    parser.add_argument("--only", action="append", type=pattern, metavar="ROLE:FAULT:PHASE",
                        help="these cells; each part may have wildcards; repeatable")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if arguments.inside:
        return run_matrix(arguments.program, pathlib.Path(arguments.inside), arguments.only or [["*"] * 3])
    return network.run_inside(__file__)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
