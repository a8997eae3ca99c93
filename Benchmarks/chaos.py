#!/usr/bin/env python3
"""Every fault in every phase of a run, in shared memory, on hosts of a network and behind a relay: each time the end must
be the same bits (Linux, as root).

    swift build -c release && python3 Benchmarks/chaos.py [--program .build/release/lockstep] [--transport shm]
        [--only worker:kill:*]

A cell is a run of a coordinator and two workers. One fault strikes the role, which is the coordinator, the first worker
or the relay, while the first worker is in the phase. Then the script does what an operator would do, and the run must end within 120 s with
the parameters of an undisturbed run, after every epoch and in the end, and every process must end by itself. All of it
lives in namespaces (network, processes, mounts) that end with this script, however it ends.

Transports:
    shm          processes of one host, at an ipc:// address: they map each other's memory, and small records go through
                 pipes. In the end nothing may be left in /dev/shm, in the socket's folder, as a hidden file of the run,
                 or as a process.
    zmq          each process in a network namespace of its own: veth pairs into one bridge, the workers' links at 200
                 and 140 Mbit/s, with CURVE.
    relay        the same, and both workers join by a relay on a host of its own, which may be struck too.

Faults:
    kill         SIGKILL; another process is started in its place, a coordinator with --resume.
    terminate    SIGTERM, and the same. Workers that a terminated coordinator has sent home are started again.
    stop         SIGSTOP, and SIGCONT 10 s later. In shared memory a run whose worker is stopped has more epochs, so
                 that it still goes on when the worker comes back.
  of a network:
    cut          the link is down for 10 s.
    half-open    the host loses its power and comes back with the same address at once: its peers' connections are gone
                 on its side, without a FIN or RST; what answers to them is dropped for 10 s. The process is started
                 there again, a coordinator with --resume.
    slow         the link has 20 Mbit/s both ways for 10 s.

Phases in shared memory, told from outside by what the processes have mapped and by what changes there:
    joining      it is connected, and the coordinator has not opened its memory.
    computing    a step's parameters are whole, and its gradient has not begun to change.
    pushed       its gradient is there, all its threads sleep, and the next parameters have not begun to change: another
                 has the rest of the step. Pushing is but some records in a pipe: what is over in microseconds cannot be
                 told from outside, so it is no phase of its own.
    updating     a part of the next parameters is written.
    checkpoint, evaluating as below.

Phases on a network, told from outside by the bytes on the first worker's link and by the run's folder:
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
import functools
import itertools
import json
import mmap
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import network
from network import Failure, Host, command

ROOT = pathlib.Path(__file__).resolve().parent.parent
DURATION = 10  # seconds, of faults that pass
LIMIT = 120  # seconds, of a run
STEPS, EPOCHS, BATCH, TEST = 6, 3, 2048, 40_000
LONG = 12  # epochs that take longer than a fault that passes
FEATURES, HIDDEN, CLASSES = 8, 1024, 10
PARAMETERS = (FEATURES + 1) * HIDDEN + (HIDDEN + 1) * HIDDEN + (HIDDEN + 1) * CLASSES
BURST = 4 * PARAMETERS  # bytes of a step's parameters, and of a gradient
PORT = 5555
SLOW = 20
RECONNECT = 20  # seconds that a worker looks for a coordinator that it has lost
MEMORY = "/memfd:lockstep (deleted)"  # what the system calls memory that processes share


class Missed(Exception):
    """The fault came when the phase was over."""


class LinkWatch:
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


class MemoryWatch:
    """In which phase of a step a worker is, by the memory that it and its coordinator share."""

    # As `SharedVectors` lays them out: a page with a token, then vectors, each from a page's start.
    PAGE = 1 << 14
    STRIDE = -(-4 * PARAMETERS // PAGE) * PAGE
    LOOK = 64  # bytes at a vector's start and end, which every step changes

    def __init__(self, coordinator, worker, socket):
        self.coordinator, self.worker, self.socket = coordinator, worker, socket
        self.phase = "starting"
        self.parameters, self.gradients = None, None
        self.updates = 0
        self.since = 0  # when the present parameters were whole

    def look(self):
        if self.phase == "starting" and self.is_connected():
            self.phase = "joining"
        if self.phase == "joining":
            self.join()
        elif self.phase != "starting":
            starts, ends, gradients = self.parts()
            if ends != self.ends:
                self.updates += 1
                self.begin()
            elif starts != self.starts:
                self.phase = "updating"
            elif gradients != self.pushed and self.is_asleep():
                self.phase = "pushed"
        return self.phase

    def is_still(self):
        """Whether the phase that was seen is not over."""
        starts, ends, gradients = self.parts()
        if self.phase == "updating":
            return starts != self.starts and ends == self.ends
        return (starts, ends) == (self.starts, self.ends) and (self.phase == "pushed" or gradients == self.pushed)

    def has_company(self):
        """Whether the coordinator has opened another worker's memory too, beside this one's and its own."""
        return len(open_memory(self.coordinator)) > 2

    def is_connected(self):
        lines = pathlib.Path("/proc/net/unix").read_text().splitlines()
        # An accepted socket has the path too, and is connected (state 3).
        return any(line.split()[5] == "03" for line in lines if line.endswith(f" {self.socket}"))

    def join(self):
        """Maps what the two share, once the coordinator has opened what the worker shares."""
        names = shared_names(self.worker)
        opened = open_memory(self.coordinator)
        if len(names) == 2 and all(number in opened for number in names.values()):
            self.parameters, self.gradients = mapped(opened[names["r"]]), mapped(opened[names["w"]])
            self.begin()

    def begin(self):
        self.starts, self.ends, self.pushed = self.parts()
        self.since = time.monotonic()
        self.phase = "computing"

    def parts(self):
        """The starts and ends of the parameters, and the gradients' starts: the first layer's are computed last."""
        def parts(view, offset):
            return [view[start:start + self.LOOK] for start in range(self.PAGE + offset, len(view), self.STRIDE)]
        return (parts(self.parameters, 0), parts(self.parameters, 4 * PARAMETERS - self.LOOK),
                parts(self.gradients, 0))

    def is_asleep(self):
        """Whether none of the worker's threads runs or waits for a core."""
        try:
            return all(path.read_text().rsplit(") ", 1)[1][0] == "S"
                       for path in pathlib.Path(f"/proc/{self.worker.pid}/task").glob("*/stat"))
        except OSError:
            return False

    def close(self):
        for view in [self.parameters, self.gradients]:
            if view:
                view.close()


def shared_names(worker):
    """The numbers in the system of the memory that a worker may only read, the parameters, and of its gradients'."""
    try:
        lines = pathlib.Path(f"/proc/{worker.pid}/maps").read_text().splitlines()
    except OSError:
        return {}
    parts = [line.split(maxsplit=5) for line in lines if line.endswith(MEMORY)]
    return {"w" if "w" in part[1] else "r": int(part[4]) for part in parts}


def open_memory(process):
    """The shared memory that a process holds: paths by the memories' numbers in the system."""
    found = {}
    try:
        for path in pathlib.Path(f"/proc/{process.pid}/fd").iterdir():
            if os.readlink(path) == MEMORY:
                found[path.stat().st_ino] = path
    except OSError:
        pass  # it has ended, or closed one meanwhile
    return found


def mapped(path):
    with open(path, "rb") as file:
        return mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)


class Cell:
    """What the transports have in common. A subclass has its faults, and its phases, which its watch tells."""

    def __init__(self, role, fault, phase, program, folder, data):
        self.role, self.fault, self.phase = role, fault, phase
        self.program, self.folder, self.data = program, folder, data
        self.run = folder / "run"
        self.notes = []
        self.processes = []
        self.later = []
        self.deadline = time.monotonic() + LIMIT

    ROLES = ["worker", "coordinator"]

    def start(self, number, *arguments):
        log = open(self.folder / f"{len(self.processes)}-{arguments[0]}.log", "w")
        process = subprocess.Popen([*self.prefix(number), self.program, *arguments],
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        process.log = log.name
        log.close()
        self.processes.append(process)
        return process

    def is_saved(self):
        return any(self.run.glob("checkpoints/[0-9]*"))

    def start_coordinator(self):
        if self.is_saved():
            what = ["--resume", str(self.run)]
        else:
            what = [*job(self.data, self.MICRO_BATCHES, self.epochs()), "--output", str(self.run)]
        self.coordinator = self.start(0, "coordinator", "--bind", self.address(), *self.options("coordinator"),
                                      "--checkpoint-every", "2", *what)

    def start_worker(self, number):
        self.workers[number] = self.start(number, "worker", "--connect", self.meeting(), *self.options("worker"),
                                          "--reconnect-timeout", str(RECONNECT))

    def meeting(self):
        """Where workers connect."""
        return self.address()

    def epochs(self):
        return EPOCHS

    def work(self):
        """The result. Raises `Failure` or `Missed`."""
        self.workers = {}
        try:
            self.prepare()
            self.start_coordinator()
            # The second worker follows the first, so that the first does the first step.
            self.start_worker(1)
            watch = self.watch()
            while not self.is_reached(watch):
                self.check("before the fault")
                if 2 not in self.workers and watch.phase not in ("starting", "joining"):
                    self.start_worker(2)
                time.sleep(self.PAUSE)
            if 2 not in self.workers:
                self.start_worker(2)
            target = self.target()
            begun = self.strike(target)
            if not self.is_reached(watch, again=True):
                raise Missed
            self.go_on(begun)
            self.finish()
        finally:
            for process in self.processes:
                process.kill()
                process.wait()
            self.clean()

    def target(self):
        """The host that is struck."""
        return 0 if self.role == "coordinator" else 1

    def struck(self, target):
        """The process there."""
        return self.coordinator if target == 0 else self.workers[1]

    def prepare(self):
        """What there must be before the first process."""

    def clean(self):
        """Removes what was prepared."""

    def is_reached(self, watch, again=False):
        """Whether the first worker is in the phase; `again`, just after the fault: whether it was not over before."""
        if self.phase == "checkpoint":
            watch.look()
            return self.is_saved() and any(self.run.glob("checkpoints/.*.tmp"))
        return self.is_in(watch, watch.phase if again else watch.look(), again)

    def evaluations(self):
        metrics = self.run / "metrics.jsonl"
        return metrics.read_text().count('"evaluation"') if metrics.exists() else 0

    def replace(self, target):
        if target == 0:
            self.start_coordinator()
        else:
            self.start_worker(1)

    def after(self, action):
        self.later.append((time.monotonic() + DURATION, action))

    def strike(self, target):
        """Begins the fault; gives what is to be done next."""
        process = self.struck(target)
        if self.fault in ("kill", "terminate"):
            process.send_signal(signal.SIGKILL if self.fault == "kill" else signal.SIGTERM)

            def begun():
                code = self.wait(process, 30, "it did not end by SIGTERM")
                if code != (-signal.SIGKILL if self.fault == "kill" else 128 + signal.SIGTERM):
                    raise Failure(f"error: it ended with {code}: {last_line(process)}")
                self.replace(target)
                if target == 0 and self.fault == "terminate":
                    self.replace_sent_home()
        elif self.fault == "stop":
            process.send_signal(signal.SIGSTOP)

            def begun():
                self.after(lambda: process.send_signal(signal.SIGCONT))
        else:
            begun = self.strike_host(target, process)
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
            if not self.is_unanswered(worker):
                raise Failure(f"error: {reason}")
            self.start_worker(number)
        if when == "before the fault" and self.coordinator.poll() is not None:
            if self.coordinator.returncode == 0:
                raise Missed
            raise Failure(f"error: the coordinator ended {when}: {last_line(self.coordinator)}")

    def is_unanswered(self, worker):
        """Whether it has given up because no coordinator had answered yet, as may be where the fault comes so early."""
        return self.phase == "joining" and "no coordinator answers" in last_line(worker)

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
            elif code != 0 and self.is_unanswered(worker):
                self.notes.append(f"worker {number} had no answer when the run ended, and gave up")
            elif code != 0:
                raise Failure(f"error: worker {number} ended with {code}: {last_line(worker)}")


class MemoryCell(Cell):
    """Processes of one host, which share memory."""

    TRANSPORT = "shm"
    FAULTS = ["kill", "terminate", "stop"]
    PHASES = ["joining", "computing", "pushed", "updating", "checkpoint", "evaluating"]
    # One worker has two of a step's three, and the other waits for it.
    MICRO_BATCHES = 3
    PAUSE = 0.0002  # seconds between looks: an update is over in a millisecond or two

    def prefix(self, number):
        return []

    def options(self, command):
        return []

    def address(self):
        return f"ipc://{self.socket}"

    def epochs(self):
        return LONG if (self.role, self.fault) == ("worker", "stop") else EPOCHS

    def prepare(self):
        self.socket = self.folder / "sockets" / "socket"
        self.socket.parent.mkdir()
        self.memory = None

    def watch(self):
        self.memory = MemoryWatch(self.coordinator, self.workers[1], self.socket)
        return self.memory

    def clean(self):
        if self.memory:
            self.memory.close()

    def is_in(self, watch, phase, again):
        if phase in ("starting", "joining") or self.phase == "joining":
            return phase == self.phase == "joining" and not (again and watch.look() != phase)
        if again:
            return watch.is_still()
        evaluates = watch.updates % STEPS == 0
        if watch.updates == 0 or evaluates != (self.phase == "evaluating"):
            return False
        if phase != ("computing" if evaluates else self.phase) or not watch.has_company() or not self.is_saved():
            return False
        if phase == "computing" and time.monotonic() < watch.since + 0.01:
            return False
        return not evaluates or self.evaluations() < watch.updates // STEPS

    def finish(self):
        super().finish()
        left = [f"{path} is left" for folder in [pathlib.Path("/dev/shm"), self.socket.parent]
                for path in folder.iterdir()]
        left += [f"{path} is left" for path in self.run.rglob(".*")]
        left += [f"process {process} is left" for process in running(self.program)]
        if left:
            raise Failure(f"error: {'; '.join(left)}")


class NetworkCell(Cell):
    """Each process on a host of its own."""

    TRANSPORT = "zmq"
    FAULTS = ["kill", "terminate", "stop", "cut", "half-open", "slow"]
    PHASES = ["joining", "receiving", "computing", "pushing", "pushed", "checkpoint", "evaluating"]
    MICRO_BATCHES = 2
    PAUSE = 0.001  # seconds between looks

    def prefix(self, number):
        return ["ip", "netns", "exec", self.hosts[number].name]

    def options(self, command):
        return network.key_options(self.data)[command] + (
            ["--transport", "zmq", "--use-all-workers"] if command == "coordinator" else [])

    def address(self):
        return f"tcp://{network.address(1)}:{PORT}"

    def prepare(self):
        self.hosts = [Host(1, 2000), Host(2, 200), Host(3, 140)]

    def watch(self):
        return LinkWatch(self.hosts[1])

    def clean(self):
        network.remove_hosts()

    def is_in(self, watch, phase, again):
        if self.phase == "joining":
            return phase == "joining" and watch.host.bytes()[1] < 0.1 * BURST
        if self.phase == "evaluating":
            return phase == "computing" and watch.received == STEPS + 1 and self.evaluations() == 0
        if watch.received < 4 or phase != self.phase:
            return False
        if phase in ("receiving", "pushing"):
            return watch.is_amid()
        sent, got = watch.host.bytes()
        if phase == "computing":
            return watch.received != STEPS + 1 and sent - watch.sent < 0.05 * BURST
        return got - watch.got < 0.05 * BURST

    def strike_host(self, target, process):
        host = self.hosts[target]
        if self.fault == "half-open":
            stages = host.reboot()
            next(stages)
            process.kill()

            def begun():
                process.wait()
                next(stages)
                self.replace(target)
                self.after(lambda: next(stages))
        elif self.fault == "cut":
            command("ip", "link", "set", host.name, "down")

            def begun():
                self.after(lambda: command("ip", "link", "set", host.name, "up"))
        else:
            host.limit(SLOW)

            def begun():
                self.after(lambda: host.limit(host.rate))
        return begun


class RelayCell(NetworkCell):
    """The same with both workers behind a relay."""

    TRANSPORT = "relay"
    ROLES = ["relay", "worker", "coordinator"]
    HOST = 3  # the relay's

    def prepare(self):
        super().prepare()
        self.hosts.append(Host(self.HOST + 1, 400))

    def meeting(self):
        return f"tcp://{network.address(self.HOST + 1)}:{PORT}"

    def options(self, command):
        if command == "worker":  # which takes the relay for the coordinator
            return ["--key", f"{self.data}/worker.key", "--coordinator-key", f"{self.data}/worker.key.pub"]
        return super().options(command)

    def start_coordinator(self):
        is_first = not self.processes
        super().start_coordinator()
        if is_first:
            self.start_relay()

    def start_relay(self):
        self.relay = self.start(self.HOST, "relay", "--connect", self.address(), "--bind", self.meeting(),
                                *network.key_options(self.data)["worker"], "--authorized-keys",
                                f"{self.data}/worker.key.pub", "--reconnect-timeout", str(RECONNECT))

    def target(self):
        return self.HOST if self.role == "relay" else super().target()

    def struck(self, target):
        return self.relay if target == self.HOST else super().struck(target)

    def replace(self, target):
        if target == self.HOST:
            self.start_relay()
        else:
            super().replace(target)

    def check(self, when):
        super().check(when)
        # One that is struck is replaced after the fault.
        if self.relay.poll() in (None, 0) or self.role == "relay" and self.fault in ("kill", "terminate", "half-open"):
            return
        if not is_sent_home(self.relay) and not self.is_unanswered(self.relay):
            raise Failure(f"error: the relay ended {when}: {last_line(self.relay)}")
        self.notes.append(f"the relay ended {when}: {last_line(self.relay)}")
        self.start_relay()

    def finish(self):
        super().finish()
        code = self.wait(self.relay, RECONNECT + 20, "the relay still runs")
        if code != 0 and f"has been gone for {RECONNECT} s" in last_line(self.relay):
            self.notes.append("the relay was away when the run ended, and gave up")
        elif code != 0 and self.is_unanswered(self.relay):
            self.notes.append("the relay had no answer when the run ended, and gave up")
        elif code != 0:
            raise Failure(f"error: the relay ended with {code}: {last_line(self.relay)}")


def job(data, micro_batches, epochs):
    return ["--data", f"{data}/train.csv", "--test", f"{data}/test.csv", "--model", f"mlp:{HIDDEN},{HIDDEN}",
            "--batch-size", str(BATCH), "--micro-batches", str(micro_batches), "--epochs", str(epochs)]


def running(program):
    """The processes of `program`, of all that there are in this script's namespace."""
    found = []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if os.path.samefile(folder / "exe", program):
                found.append(folder.name)
        except OSError:
            pass  # one that has ended, or of the kernel's own
    return found


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


def try_cell(kind, role, fault, phase, program, folder, expected):
    """What the matrix shows, and what else there is to say."""
    notes = []
    for attempt in range(1, 4):
        place = folder / f"{kind.TRANSPORT}-{role}-{fault}-{phase}-{attempt}"
        place.mkdir()
        cell = kind(role, fault, phase, program, place, folder)
        result = "equal"
        try:
            cell.work()
            if hashes(cell.run) != expected(cell):
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


KINDS = [MemoryCell, NetworkCell, RelayCell]


def run_matrix(program, folder, kinds, only):
    def chosen(*names):
        return any(all(fnmatch.fnmatchcase(name, pattern) for name, pattern in zip(names, patterns))
                   for patterns in only)

    @functools.cache
    def undisturbed(*job_of_cell):
        run = folder / f"undisturbed-{'-'.join(map(str, job_of_cell))}"
        command(program, "train", *job(folder, *job_of_cell), "--workers", "2", "--output", str(run))
        return hashes(run)

    def expected(cell):
        return undisturbed(cell.MICRO_BATCHES, cell.epochs())

    network.begin()
    # Empty, and this script's alone, so that what is left there is a run's.
    command("mount", "-t", "tmpfs", "tmpfs", "/dev/shm")
    network.make_keys(program, folder)
    write_data(folder)
    counts = collections.Counter()
    for kind in kinds:
        if not any(chosen(*names) for names in itertools.product(kind.ROLES, kind.FAULTS, kind.PHASES)):
            continue
        print(f"{kind.TRANSPORT}, undisturbed: parameters_sha256 {undisturbed(kind.MICRO_BATCHES, EPOCHS)[1]}\n")
        print(f"{'':24}" + "".join(f"{phase:12}" for phase in kind.PHASES), flush=True)
        for role, fault in itertools.product(kind.ROLES, kind.FAULTS):
            if not any(chosen(role, fault, phase) for phase in kind.PHASES):
                continue
            print(f"{role + ' ' + fault:24}", end="", flush=True)
            notes = []
            start = time.monotonic()
            for phase in kind.PHASES:
                if not chosen(role, fault, phase):
                    print(f"{'':12}", end="", flush=True)
                    continue
                result, more = try_cell(kind, role, fault, phase, program, folder, expected)
                counts[result if result in ("equal", "missed") else "other"] += 1
                print(f"{result if len(result) < 12 else result.split(':')[0]:12}", end="", flush=True)
                notes += [f"  {phase}: {note}" for note in ([result] if result != "equal" else []) + more]
            print(f"{time.monotonic() - start:4.0f} s")
            print("".join(f"{note}\n" for note in notes), end="", flush=True)
        print()
    total = sum(counts.values())
    print(f"{counts['equal']} of {total} equal, {counts['missed']} missed", flush=True)
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
    parser.add_argument("--transport", action="append", choices=[kind.TRANSPORT for kind in KINDS],
                        help="this transport's cells; repeatable, both where it is not given")
    parser.add_argument("--only", action="append", type=pattern, metavar="ROLE:FAULT:PHASE",
                        help="these cells; each part may have wildcards; repeatable")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if arguments.inside:
        kinds = [kind for kind in KINDS if not arguments.transport or kind.TRANSPORT in arguments.transport]
        return run_matrix(arguments.program, pathlib.Path(arguments.inside), kinds, arguments.only or [["*"] * 3])
    return network.run_inside(__file__)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
