#!/usr/bin/env python3
"""Workers that are killed when the coordinator has a node's gradient and not its statistics: no bit may change.

    python3 Tests/EndToEndTests/kill_between.py --program .build/release/lockstep

A worker pushes a node's gradient first and its statistics after it, always. Three workers reach the coordinator through
links that read the messages. A link holds one PUSH of statistics back, kills its worker, and breaks the connection:

- the first worker is alone, and dies at its first statistics, with the gradient of the whole step pushed;
- the second and the third share their steps. The second dies at its fifth statistics or soon after, with a part of the
  step; the third computes that part again, and dies at the same place.

A fourth worker, without a link, finishes the run.
"""

import argparse
import collections
import json
import pathlib
import queue
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
LIMIT = 60  # seconds for anything that is waited for
MICRO_BATCHES = 8
EPOCHS = 3
JOB = ["--model", "resnet:1,1", "--channels", "8,16", "--norm", "batch", "--batch-size", "100", "--micro-batches",
       str(MICRO_BATCHES), "--epochs", str(EPOCHS)]

# ZMTP 3: a greeting, then frames of flags, size and body. Commands are ZeroMQ's own.
GREETING = 64
MORE, LONG, COMMAND = 1, 2, 4

# The header that starts each message, as the guide's page Protocol has it.
LAYOUT = struct.Struct("<4sHHQQQIIIBBBBQQd")
Header = collections.namedtuple("Header", "magic version kind run session step start end chunk task vector element "
                                          "reserved length slot weight")
READY, PUSH, PING, PONG = 3, 7, 9, 10
STATISTICS = 1


class Failure(Exception):
    pass


class Program:
    """A process, and what it has said so far."""

    def __init__(self, *command):
        self.process = subprocess.Popen(command, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        self.said = ""
        self.has_ended = False
        self.changed = threading.Condition()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            with self.changed:
                self.said += line
                self.changed.notify_all()
        with self.changed:
            self.has_ended = True
            self.changed.notify_all()

    def wait_for(self, pattern):
        """Waits until a line matches."""
        def find():
            return re.search(pattern, self.said, re.MULTILINE)

        with self.changed:
            self.changed.wait_for(lambda: find() or self.has_ended, LIMIT)
            if found := find():
                return found
        raise Failure(f"'{pattern}' was not said:\n{self.said}")

    def finish(self):
        try:
            code = self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.process.args} did not end:\n{self.said}") from None
        self.reader.join(LIMIT)
        if code != 0:
            raise Failure(f"{self.process.args} ended with {code}:\n{self.said}")


def read_exactly(source, count):
    data = source.recv(count, socket.MSG_WAITALL)
    if len(data) < count:
        raise EOFError("the connection has ended")
    return data


def carry_greeting(source, target):
    """Passes it on as it comes, since each side waits for the other's first bytes before it sends the rest."""
    left = GREETING
    while left > 0:
        data = source.recv(left)
        if not data:
            raise EOFError("the connection has ended in the greeting")
        target.sendall(data)
        left -= len(data)


def frames(source):
    """Each frame's bytes as they were sent, and the header if the frame is one."""
    starts_message = True
    while True:
        flags = read_exactly(source, 1)
        size = read_exactly(source, 8 if flags[0] & LONG else 1)
        body = read_exactly(source, int.from_bytes(size, "big"))
        header = None
        if not flags[0] & COMMAND:
            if starts_message:
                header = Header(*LAYOUT.unpack(body))
                if header.magic != b"LKST":
                    raise Failure(f"a message starts with {body[:8]}")
            starts_message = not flags[0] & MORE
        yield flags + size + body, header


def overlap(push, other):
    return push.step == other.step and push.start < other.end and other.start < push.end


class Link:
    """Brings messages from one worker to the coordinator and back, until `holds` says so of a PUSH of statistics."""

    # What one link decides depends on what others have let through.
    deciding = threading.Lock()

    def __init__(self, port, holds, gate=None):
        """`gate` is a barrier that a worker's READY waits at."""
        self.coordinator_port, self.holds, self.gate = port, holds, gate
        self.gradients = []
        self.passed = []
        self.held = None
        self.pings = self.pongs = 0
        self.answered = threading.Condition()
        self.result = queue.Queue()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def serve(self, worker):
        self.worker = worker
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        try:
            self.near = self.listener.accept()[0]
            self.far = socket.create_connection(("127.0.0.1", self.coordinator_port))
            # Frames go out one by one and must not wait for each other.
            for end in [self.near, self.far]:
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.carry_back, daemon=True).start()
            carry_greeting(self.near, self.far)
            self.carry()
            self.result.put(None)
        except Exception as error:
            self.result.put(error)

    def carry(self):
        for data, header in frames(self.near):
            if header and header.kind == READY and self.gate:
                self.gate.wait(LIMIT)
            elif header and header.kind == PING:
                self.pings += 1
            elif header and header.kind == PUSH and header.vector != STATISTICS:
                self.gradients.append(header)
            elif header and header.kind == PUSH and self.is_held(header):
                self.cut(header)
                return
            self.far.sendall(data)

    def is_held(self, push):
        with Link.deciding:
            if self.holds(push):
                self.held = push
            else:
                self.passed.append(push)
            return self.held is not None

    def cut(self, push):
        """Kills the worker, and breaks the connection when the coordinator has handled all that came before."""
        if not any((push.step, push.start, push.end) == (it.step, it.start, it.end) for it in self.gradients):
            raise Failure(f"the statistics came before the gradient: {push}")
        self.worker.kill()
        self.worker.wait(LIMIT)
        # The coordinator takes a worker's messages in order, so an answered PING means that it has the gradient.
        ping = Header(push.magic, push.version, PING, push.run, push.session, *[0] * 10, 0.0)
        self.far.sendall(bytes([0, LAYOUT.size]) + LAYOUT.pack(*ping))
        with self.answered:
            if not self.answered.wait_for(lambda: self.pongs == self.pings + 1, LIMIT):
                raise Failure(f"of {self.pings + 1} PINGs {self.pongs} were answered")
        for end in [self.near, self.far]:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # The dead worker's system may have done it already.
            end.close()

    def carry_back(self):
        try:
            carry_greeting(self.far, self.near)
            for data, header in frames(self.far):
                if header and header.kind == PONG:
                    with self.answered:
                        self.pongs += 1
                        self.answered.notify_all()
                try:
                    self.near.sendall(data)
                except OSError:
                    pass  # The worker is dead, and answers for the link may still come.
        except (OSError, EOFError):
            pass  # The other direction says what has happened.

    def wait_for_kill(self):
        try:
            error = self.result.get(timeout=LIMIT)
        except queue.Empty:
            raise Failure(f"no statistics were held back; {len(self.passed)} were let through") from None
        if error:
            raise Failure(f"no worker was killed: {error!r}; {len(self.passed)} statistics were let through")


def show_kill(link, coordinator):
    link.wait_for_kill()
    if link.worker.returncode != -signal.SIGKILL:
        raise Failure(f"the worker ended with {link.worker.returncode} before it was killed")
    held = link.held
    print(f"step {held.step + 1}, leaves {held.start} to {held.end - 1}: the coordinator has the gradient; the "
          f"{held.length} bytes of statistics were held back, {len(link.passed)} before them let through")
    print(coordinator.wait_for(rf"^.*worker \d+ \([^)]*/{link.worker.pid}\) has left.*$")[0])


def run(program, folder, programs):
    def start(*arguments):
        programs.append(Program(program, *arguments))
        return programs[-1]

    def digests(name):
        """Of the parameters and the statistics behind them, after each epoch and in the end."""
        lines = [json.loads(line) for line in (folder / name / "metrics.jsonl").read_text().splitlines()]
        summary = json.loads((folder / name / "summary.json").read_text())
        return [line["parameters_sha256"] for line in [*lines, summary] if "parameters_sha256" in line]

    start("train", *JOB, "--workers", "2", "--output", str(folder / "undisturbed")).finish()
    coordinator = start("coordinator", "--bind", "tcp://127.0.0.1:0", "--transport", "zmq", "--use-all-workers", "--silence-limit", "30",
                        *JOB, "--output", str(folder / "disturbed"))
    port = int(coordinator.wait_for(r"listening on tcp://127\.0\.0\.1:(\d+)")[1])

    def start_behind(link):
        link.serve(start("worker", "--connect", f"tcp://127.0.0.1:{link.port}", "--silence-limit", "30").process)

    alone = Link(port, lambda push: True)
    start_behind(alone)
    show_kill(alone, coordinator)

    # Both join before the step goes on. A worker that is idle may take over leaves of one that is late: once it has
    # pushed their statistics, holding back those of the late one would show nothing.
    gate = threading.Barrier(2)
    second = Link(port, lambda push: len(second.passed) >= 4 and push.end - push.start < MICRO_BATCHES
                  and not any(overlap(push, other) for other in third.passed), gate)
    third = Link(port, lambda push: second.held is not None and overlap(push, second.held), gate)
    for link in [second, third]:
        start_behind(link)
    for link in [second, third]:
        show_kill(link, coordinator)

    start("worker", "--connect", f"tcp://127.0.0.1:{port}").finish()
    coordinator.finish()
    # Running averages forget: after many steps, little that was wrong in one of them may have been rounded away. So the
    # digests after the earlier epochs count too.
    found, expected = digests("disturbed"), digests("undisturbed")
    if len(expected) != EPOCHS + 1:
        raise Failure(f"{EPOCHS} epochs have the digests {expected}")
    if found != expected:
        raise Failure(f"not the same bits: the digests are {found}, and undisturbed {expected}")
    print(f"another worker has finished the run, with the bits of an undisturbed one after each epoch: {found[-1]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default=str(ROOT / ".build/release/lockstep"))
    options = parser.parse_args()
    programs = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            run(options.program, pathlib.Path(folder), programs)
        except Failure as failure:
            print(f"error: {failure}")
            return 1
        finally:
            for program in programs:
                program.process.kill()
                program.process.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
