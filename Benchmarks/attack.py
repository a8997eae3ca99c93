#!/usr/bin/env python3
"""A coordinator in the middle of a run, attacked through its address: the end must be the same bits (Linux).

    swift build -c release && python3 Benchmarks/attack.py [--program .build/release/lockstep] [--transport shm ...]
        [--only NAME ...]

A coordinator with keys and two workers train on this machine; an attacker does one of the following for as long as the
run lasts. The median step of each run is held against that of an undisturbed one, and so is the coordinator's peak
memory; what its log says of the attacker is shown. Attacks with a key need the Python package zmq (pyzmq).

Transports:
    zmq          loopback tcp, and all goes over it
    shm          an ipc:// address, and the workers share memory with the coordinator
    shm-tcp      loopback tcp, and the workers may share memory all the same

Attacks:
    bytes        connections that send 64 KiB of random bytes each, one after the other
    slow         200 connections that send a byte of a greeting each second
    connections  10,000 connections that say nothing (as many as this process may open)
    half         a good greeting, half a handshake, and the end
    huge         a good greeting, and a command that announces 1 GB
    plain        workers without keys, again and again
    stranger     workers with a key that is not authorized, again and again
    frames       with a good key: spoiled messages of every kind, of wrong run, session, step, node, chunk and length
    hellos       with a good key: greetings, as many as can be sent
    nan          with a good key: a worker whose gradients are replaced by NaN
    sessions     with a good key: messages in the sessions of others
With a good key, through what a WELCOME says of shared memory; skipped where it says nothing of it:
    foreign      a READY that names memory that is none, or not as it is said to be, and pushes from there
    own          a READY that names the coordinator's own parameters as its gradients, and pushes from there
    places       pushes from vectors and of chunks that do not exist
    poison       pushes of NaN from shared memory, whose metrics say nothing of it
    inbox        a READY whose inbox is another file: the coordinator's, a worker's, one that nobody reads, no pipe
By a process of the same user, through what is open to that alone:
    stolen       a READY that names a worker's gradients as its own, and pushes from there
    records      records in the coordinator's pipe, in the sessions of others
    torn         parts of records in the coordinator's pipe
"""

import argparse
import fcntl
import itertools
import json
import math
import os
import pathlib
import random
import resource
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

import network

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIMIT = 180  # seconds, of a run
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"CURVE".ljust(20, b"\0") + bytes(32)
ATTACKS = ["bytes", "slow", "connections", "half", "huge", "plain", "stranger", "frames", "hellos", "nan", "sessions",
           "foreign", "own", "places", "poison", "inbox", "stolen", "records", "torn"]
SHARED = ATTACKS[ATTACKS.index("sessions"):]  # what is prepared before there are workers
TRANSPORTS = ["zmq", "shm", "shm-tcp"]
HELLO, WELCOME, READY, REFUSE, PARAMETERS, ASSIGN, PUSH, METRICS, PING, PONG, GOODBYE, LOST = range(1, 13)
TRAIN = 1
MICRO_BATCHES, BATCH = 4, 128
LEAF = BATCH // MICRO_BATCHES  # examples
HEADER, RECORD = 72, 256  # bytes
MEMORY = "/memfd:lockstep (deleted)"  # what the system calls memory that processes share
PAGE = 1 << 14  # before the vectors, and what each of them starts at


class Skipped(Exception):
    """Why an attack cannot be tried."""


class Attack:
    def __init__(self, name, address, program, folder):
        self.name, self.address, self.program, self.folder = name, address, program, folder
        self.over = threading.Event()
        self.begun = threading.Event()  # it was tried once, needs workers first, or cannot be tried
        self.count = 0
        self.tries = 0  # of what is prepared
        self.problem = None
        self.processes_of_run = []
        self.thread = threading.Thread(target=self.work, daemon=True)

    def work(self):
        try:
            getattr(self, self.name)()
        except Exception as problem:
            self.problem = problem
        self.begun.set()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def check(self):
        if isinstance(self.problem, Skipped):
            raise self.problem
        if self.problem:
            raise network.Failure(f"{self.name}: the attack itself has failed: {self.problem!r}")

    def connect(self):
        self.count += 1
        if self.address.startswith("tcp://"):
            return socket.create_connection(("127.0.0.1", int(self.address.split(":")[-1])), timeout=5)
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(5)
        try:
            connection.connect(self.address.removeprefix("ipc://"))
        except OSError:
            connection.close()
            raise
        return connection

    def send(self, *parts):
        """One connection that sends `parts`, reading what comes back; a peer that closes it is what is hoped for."""
        try:
            with self.connect() as connection:
                for part in parts:
                    connection.sendall(part)
                    connection.settimeout(0.05)
                    try:
                        connection.recv(4096)
                    except TimeoutError:
                        pass
        except OSError:
            pass

    def bytes(self):
        while not self.over.is_set():
            self.send(random.randbytes(1 << 16))

    def slow(self):
        held = []
        while not self.over.wait(1):
            while len(held) < 200:
                try:
                    held.append([self.connect(), 0])
                except OSError:
                    break
            for entry in list(held):
                try:
                    entry[0].sendall(GREETING[entry[1] % 64:][:1])
                    entry[1] += 1
                except OSError:
                    held.remove(entry)

    def connections(self):
        held = []
        while not self.over.is_set():
            try:
                held.append(self.connect())
            except OSError:
                held = held[len(held) // 10:]
            if len(held) >= 10_000:
                self.over.wait(0.1)
                held = held[100:]

    def half(self):
        while not self.over.is_set():
            self.send(GREETING, b"\x04\xc8\x05HELLO\x01\x00" + bytes(90))

    def huge(self):
        while not self.over.is_set():
            self.send(GREETING, b"\x06" + struct.pack(">Q", 1 << 30) + b"\x05HELLO" + random.randbytes(1 << 16))

    def processes(self, *options):
        while not self.over.is_set():
            self.count += 1
            subprocess.run([self.program, "worker", "--connect", self.address, "--connect-timeout", "0.5",
                            *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def plain(self):
        self.processes()

    def stranger(self):
        self.processes("--key", str(self.folder / "stranger.key"),
                       "--coordinator-key", str(self.folder / "coordinator.key.pub"))

    def dealer(self):
        """A connection with the workers' good key."""
        import zmq
        dealer = zmq.Context.instance().socket(zmq.DEALER)
        dealer.linger, dealer.sndhwm = 0, 1000
        dealer.curve_secretkey, dealer.curve_publickey = keys(self.folder / "worker.key")
        dealer.curve_serverkey = z85((self.folder / "coordinator.key.pub").read_text().split()[0])
        dealer.connect(self.address)
        return dealer

    def push(self, dealer, *frames):
        import zmq
        try:
            dealer.send_multipart(frames, zmq.DONTWAIT)
            self.count += 1
        except zmq.Again:
            time.sleep(0.01)

    def hellos(self):
        dealers = [self.dealer() for _ in range(20)]
        payload = json.dumps({"name": "flood", "threads": 1}).encode()
        while not self.over.is_set():
            self.push(random.choice(dealers), header(HELLO, len(payload)), payload)

    def relay(self, change):
        """Runs a worker until it ends or `change` gives None; what `change` makes of its messages goes on. It is told
        of no shared memory, so that all passes here."""
        import zmq
        front = zmq.Context.instance().socket(zmq.ROUTER)
        front.linger = 0
        address = f"tcp://127.0.0.1:{front.bind_to_random_port('tcp://127.0.0.1')}"
        back = self.dealer()
        worker = subprocess.Popen([self.program, "worker", "--connect", address], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
        peer = None
        try:
            while worker.poll() is None and not self.over.is_set():
                zmq.select([front, back], [], [], 0.1)
                while front.poll(0):
                    peer, *frames = front.recv_multipart()
                    frames = change(frames)
                    if frames is None:
                        return
                    self.push(back, *frames)
                while peer and back.poll(0):
                    frames = back.recv_multipart()
                    if kind(frames) == WELCOME:
                        welcome = json.loads(frames[1])
                        welcome.pop("host", None)
                        payload = json.dumps(welcome).encode()
                        frames = [frames[0][:48] + struct.pack("<Q", len(payload)) + frames[0][56:], payload]
                    front.send_multipart([peer, *frames])
        finally:
            worker.kill()
            worker.wait()
            back.close()
            front.close()

    def nan(self):
        def spoil(frames):
            if kind(frames) == PUSH and len(frames) == 2:
                frames[1] = b"\x00\x00\xc0\x7f" * (len(frames[1]) // 4)
            return frames
        while not self.over.is_set():
            self.relay(spoil)

    def greet(self, dealer, name):
        """The run and session of the WELCOME that answers, whose names are kept as `host`; zeros without an answer."""
        payload = json.dumps({"name": name, "threads": 1}).encode()
        self.push(dealer, header(HELLO, len(payload)), payload)
        if not dealer.poll(2000):
            return 0, 0
        frames = dealer.recv_multipart()
        self.host = json.loads(frames[1]).get("host") if kind(frames) == WELCOME else None
        return struct.unpack_from("<QQ", frames[0], 8)

    def sessions(self):
        reason = json.dumps({"reason": "another says so"}).encode()
        while not self.over.is_set():
            dealer = self.dealer()
            run, session = self.greet(dealer, "impostor")
            for _ in range(50):
                self.tries += 1
                other = random.choice([*range(1, 9), session ^ 1, session ^ (1 << 63), random.getrandbits(64)])
                for what, payload in [(PUSH, []), (METRICS, [metrics()]), (PING, []), (ASSIGN, []),
                                      (GOODBYE, [reason])]:
                    length = sum(map(len, payload))
                    step = random.randrange(100)
                    self.push(dealer, header(what, length, run, other, step, 0, 1, 0, TRAIN), *payload)
            self.begun.set()
            dealer.close()

    def frames(self):
        import zmq
        numbers = [0, 1, 2, 3, 8, 255, 1 << 16, (1 << 31) - 1, (1 << 32) - 1]
        while not self.over.is_set():
            dealer = self.dealer()
            run, session = self.greet(dealer, "spoiler")
            for _ in range(20):
                length = random.choice([0, 8, 48, 1 << 10, 1 << 20])
                frame = header(random.randrange(16), random.choice([length, 1 << 41]),
                               random.choice([run, run, 1]), random.choice([session, session, 5]),
                               random.choice(numbers), random.choice(numbers), random.choice(numbers),
                               random.choice(numbers), random.randrange(4), 0, random.choice([0, LEAF, -1, math.nan]))
                frame = random.choice([frame, frame, frame[:random.randrange(HEADER)], random.randbytes(HEADER)])
                payloads = [random.randbytes(length)] * random.choice([1, 1, 0, 5])
                self.push(dealer, frame, *payloads)
                while dealer.poll(0):
                    dealer.recv_multipart(zmq.DONTWAIT)
            dealer.close()

    # Through shared memory.

    def learn(self):
        """What a worker says of its data and model, which must be so in every READY."""
        found = []

        def change(frames):
            if kind(frames) != READY:
                return frames
            found.append(json.loads(frames[1]))
        self.relay(change)
        if not found:
            raise Skipped("no worker could be made to say READY")
        return found[0]

    def members(self):
        """Greetings of workers, one after the other: dealer, run and session of each. Skips where nothing is shared."""
        self.ready = self.learn()
        while not self.over.is_set():
            dealer = self.dealer()
            run, session = self.greet(dealer, "intruder")
            if session == 0:
                dealer.close()
                continue
            if not self.host:
                raise Skipped("the WELCOME says nothing of shared memory")
            yield dealer, run, session
            reason = json.dumps({"reason": "enough"}).encode()
            self.push(dealer, header(GOODBYE, len(reason), run, session), reason)
            dealer.poll(20)
            dealer.close()

    def join(self, dealer, run, session, vectors, inbox, pipe=None, seconds=0.5):
        """Says READY; the assignment that comes of it over the socket or through `pipe`: step, leaves. None where none
        comes."""
        payload = json.dumps({**self.ready, "host": {"vectors": vectors, "inbox": inbox}}).encode()
        self.push(dealer, header(READY, len(payload), run, session), payload)
        self.tries += 1
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.over.is_set():
            frames = [dealer.recv_multipart()[0]] if dealer.poll(2) else []
            frames += pipe.read() if pipe else []
            for frame in frames:
                what, step, start, stop, task = struct.unpack("<6xH16xQII4xB27x", frame[:HEADER])
                if what == ASSIGN and task == TRAIN:
                    return step, range(start, stop)
                if what in (REFUSE, LOST):
                    return None
                if what == PING:
                    self.push(dealer, header(PONG, 0, run, session))
        return None

    def push_slots(self, dealer, run, session, assignment, slot):
        """Calls each of the leaves done, its gradient being in `slot`."""
        step, leaves = assignment
        for leaf in leaves:
            for chunk in range(-(-self.host["vectors"]["count"] // (1 << 18))):
                self.push(dealer, header(PUSH, 0, run, session, step, leaf, leaf + 1, chunk, TRAIN, slot, LEAF))
            sums = metrics()
            self.push(dealer, header(METRICS, len(sums), run, session, step, leaf, leaf + 1, 0, TRAIN), sums)

    def push_from(self, vectors):
        """Joins again and again as a worker whose gradients are what `vectors` names, if anything, and pushes them."""
        for dealer, run, session in self.members():
            names = vectors()
            with Pipe() as pipe:
                assignment = names and self.join(dealer, run, session, names, pipe.name, pipe)
                if assignment:
                    self.push_slots(dealer, run, session, assignment, random.choice([1, 2]))
            self.begun.set()

    def own(self):
        self.push_from(lambda: self.host["vectors"])

    def stolen(self):
        def vectors():
            workers = self.processes_of_run[1:]
            names = [name for worker in workers for name in gradients(worker, self.host["vectors"])]
            return random.choice(names) if names else None
        self.begun.set()
        self.push_from(vectors)

    def foreign(self):
        variants = self.spoiled_names()
        self.push_from(lambda: next(variants))

    def spoiled_names(self):
        count = self.host["vectors"]["count"]
        good, huge = Memory(count), Memory(count, vectors=1 << 16)
        others = [Memory(count, label="other"), Memory(count, isSealed=False)]
        file = tempfile.TemporaryFile()
        file.truncate(good.size)
        while True:
            yield from (other.name for other in others)
            yield {**good.name, "descriptor": file.fileno()}
            for field, values in {
                "process": [0, -1, 1, (1 << 31) - 1, 1 << 40], "descriptor": [-1, 0, 1 << 20, "1"],
                "token": [good.name["token"] ^ 1, 0, -1], "vectors": [0, -1, 1, 65, 1 << 16, 1 << 62],
                "count": [0, -1, 1, count - 1, count + 1, 1 << 40, 1 << 62],
            }.items():
                yield from ({**good.name, field: value} for value in values)
            for field, value in [("count", count + 1), ("count", 1 << 62), ("vectors", 1 << 17)]:
                yield {**huge.name, field: value}

    def places(self):
        numbers = [0, 65, 1 << 16, (1 << 31) - 1, (1 << 32) + 1, (1 << 63) - 1, 1 << 63, (1 << 63) + 1, (1 << 64) - 1]
        variants = itertools.cycle([(slot, 0) for slot in numbers]
                                   + [(1, chunk) for chunk in [1, 1 << 16, (1 << 31) - 1, 1 << 31, (1 << 32) - 1]])
        for dealer, run, session in self.members():
            with Memory(self.host["vectors"]["count"]) as memory, Pipe() as pipe:
                assignment = self.join(dealer, run, session, memory.name, pipe.name, pipe)
                if assignment:
                    slot, chunk = next(variants)
                    step, leaves = assignment
                    frame = header(PUSH, 0, run, session, step, leaves[0], leaves[0] + 1, chunk, TRAIN, slot,
                                   LEAF)
                    if self.tries % 2:
                        self.push(dealer, frame)
                    else:
                        self.write(frame)
                    dealer.poll(100)  # the goodbye must not overtake a record
            self.begun.set()

    def poison(self):
        for dealer, run, session in self.members():
            with Memory(self.host["vectors"]["count"]) as memory, Pipe() as pipe:
                memory.fill(b"\x00\x00\xc0\x7f", 2)
                assignment = self.join(dealer, run, session, memory.name, pipe.name, pipe)
                if assignment:
                    self.push_slots(dealer, run, session, assignment, 1)
            self.begun.set()

    def inbox(self):
        full, unread, file = Pipe(), Pipe(), tempfile.TemporaryFile()
        full.fill()
        os.close(unread.ends[0])
        number = os.fstat(file.fileno()).st_ino

        def variants():
            while True:
                yield self.host["inbox"]
                for process in self.processes_of_run:
                    yield from pipes(process)
                yield full.name
                yield unread.name
                yield {**full.name, "inode": number, "descriptor": file.fileno()}
                yield {**full.name, "inode": full.name["inode"] + 1}
                yield {**full.name, "descriptor": full.ends[0]}
                yield from ({**full.name, "process": value} for value in [0, -1, 1, (1 << 31) - 1])
        inboxes = variants()
        for dealer, run, session in self.members():
            with Memory(self.host["vectors"]["count"]) as memory:
                self.join(dealer, run, session, memory.name, next(inboxes), seconds=0.05)
            self.begun.set()

    def write(self, *frames):
        """Puts records into the coordinator's pipe, as workers on its machine do; whether there was room."""
        inbox = self.host["inbox"]
        try:
            descriptor = os.open(f"/proc/{inbox['process']}/fd/{inbox['descriptor']}", os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return False  # it has ended
        try:
            for frame in frames:
                os.write(descriptor, frame.ljust(RECORD, b"\0"))
                self.tries += 1
            return True
        except OSError:
            return False
        finally:
            os.close(descriptor)

    def records(self):
        self.begun.set()
        reason = json.dumps({"reason": "another says so"}).encode()
        for dealer, run, session in self.members():
            # Others' sessions are not to be guessed from one's own.
            for other in [*range(1, 9), max(session - 1, 0), min(session + 1, (1 << 64) - 1), random.getrandbits(64)]:
                for what, payload in [(PING, b""), (PUSH, b""), (METRICS, metrics()), (READY, b"{}"), (ASSIGN, b""),
                                      (GOODBYE, reason)]:
                    for step in [0, random.randrange(100)]:
                        self.write(header(what, len(payload), run, other, step, 0, 1, 0, TRAIN, 1, LEAF) + payload)
            self.over.wait(0.1)

    def torn(self):
        self.begun.set()
        for dealer, run, session in self.members():
            inbox = self.host["inbox"]
            try:
                with open(f"/proc/{inbox['process']}/fd/{inbox['descriptor']}", "wb", buffering=0) as pipe:
                    pipe.write(random.randbytes(random.choice([1, HEADER, RECORD - 1, RECORD + 1])))
                    self.tries += 1
            except OSError:
                pass  # it has ended
            self.over.wait(0.1)


class Memory:
    """Vectors that others may map, as a worker keeps its gradients."""

    def __init__(self, count, label="lockstep", isSealed=True, vectors=64):
        self.stride = -(-4 * count // PAGE) * PAGE
        self.size = PAGE + vectors * self.stride
        self.descriptor = os.memfd_create(label, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.truncate(self.descriptor, self.size)
        if isSealed:
            fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
        token = random.randrange(1, 1 << 63)
        os.pwrite(self.descriptor, struct.pack("<Q", token), 0)
        self.name = {"process": os.getpid(), "descriptor": self.descriptor, "token": token, "vectors": vectors,
                     "count": count}

    def fill(self, value, vectors):
        os.pwrite(self.descriptor, value * (vectors * self.stride // len(value)), PAGE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.descriptor)


class Pipe:
    """A pipe that records come through."""

    def __init__(self):
        self.ends = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.name = pipe_name(os.getpid(), self.ends[1])

    def fill(self):
        try:
            while True:
                os.write(self.ends[1], bytes(RECORD))
        except BlockingIOError:
            pass

    def read(self):
        try:
            data = os.read(self.ends[0], 1 << 16)
        except BlockingIOError:
            return []
        return [data[start:start + RECORD] for start in range(0, len(data), RECORD)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for end in self.ends:
            os.close(end)


def pipe_name(process, descriptor):
    return {"process": process, "descriptor": descriptor, "inode": os.stat(f"/proc/{process}/fd/{descriptor}").st_ino}


def descriptors(process):
    """What a process has open: numbers and what the system calls each."""
    try:
        return [(int(path.name), os.readlink(path)) for path in pathlib.Path(f"/proc/{process.pid}/fd").iterdir()]
    except OSError:
        return []  # it has ended, or closed one meanwhile


def pipes(process):
    try:
        return [pipe_name(process.pid, number) for number, what in descriptors(process) if what.startswith("pipe:")]
    except OSError:
        return []


def gradients(process, parameters):
    """The names of memory that a worker has made, of vectors as long as the coordinator's `parameters`."""
    names = []
    for number, what in descriptors(process):
        if what != MEMORY:
            continue
        try:
            with open(f"/proc/{process.pid}/fd/{number}", "rb", buffering=0) as file:
                token, = struct.unpack("<Q", file.read(8))
                size = os.fstat(file.fileno()).st_size
        except OSError:
            continue
        stride = -(-4 * parameters["count"] // PAGE) * PAGE
        if token != parameters["token"]:
            names.append({"process": process.pid, "descriptor": number, "token": token,
                          "vectors": (size - PAGE) // stride, "count": parameters["count"]})
    return names


def header(kind, length, run=0, session=0, step=0, start=0, end=0, chunk=0, task=0, slot=0, weight=0.0):
    return struct.pack("<4sHHQQQIIIBBBBQQd", b"LKST", 12, kind, run, session, step, start, end, chunk, task, 0, 0, 0,
                       length, slot, weight)


def kind(frames):
    return struct.unpack_from("<H", frames[0], 6)[0]


def metrics():
    """What a leaf's metrics may be."""
    return struct.pack("<qddiiIIdd", LEAF, LEAF, 0.001, -1, -1, 2, 0, 70.0, 1.0)


def z85(base64):
    import base64 as codec
    import zmq.utils.z85
    return zmq.utils.z85.encode(codec.b64decode(base64))


def keys(path):
    """A pair as ZeroMQ writes it, secret first."""
    return [z85(text.split()[0]) for text in [path.read_text().splitlines()[-1], path.with_suffix(".key.pub").read_text()]]


def run(program, folder, name, steps, transport):
    """A run, attacked; gives its digest, its median step in seconds, the coordinator's peak bytes, what was said, and
    how often it was attacked."""
    output = folder / f"run-{transport}-{name}"
    options = network.key_options(folder)
    log = open(folder / f"{transport}-{name}.log", "w+")
    bind = f"ipc://{folder}/{name}.socket" if transport == "shm" else "tcp://127.0.0.1:0"
    # A crash is told in a line, without the stack.
    environment = {**os.environ, "SWIFT_BACKTRACE": "enable=no"}
    coordinator = subprocess.Popen(
        [program, "coordinator", "--bind", bind, *(["--transport", "zmq"] if transport == "zmq" else []), "--output",
         str(output), "--data", "digits", "--model", "mlp:512", "--batch-size", str(BATCH), "--micro-batches",
         str(MICRO_BATCHES), "--steps", str(steps), *options["coordinator"]],
        stdout=subprocess.PIPE, stderr=log, env=environment)
    workers, logs, output_parts = [], [], []
    attack = None
    peak = shared = 0
    try:
        address = next(line.split(b"--connect ")[1].split()[0].decode() for line in coordinator.stdout
                       if b"--connect " in line)
        reader = threading.Thread(target=lambda: output_parts.append(coordinator.stdout.read()), daemon=True)
        reader.start()
        if name != "none":
            attack = Attack(name, address, program, folder)
            attack.processes_of_run = [coordinator]
            attack.__enter__()
            attack.begun.wait(20 if name in SHARED else 0.5)
            attack.check()
        for number in range(2):
            logs.append(open(folder / f"{transport}-{name}-{number}.log", "w+"))
            workers.append(subprocess.Popen([program, "worker", "--connect", address, *options["worker"]],
                                            stdout=subprocess.DEVNULL, stderr=logs[-1], env=environment))
        if attack:
            attack.processes_of_run = [coordinator, *workers]
        end = time.monotonic() + LIMIT
        while coordinator.poll() is None:
            if time.monotonic() > end:
                raise network.Failure(f"{name}: the run did not end within {LIMIT} s: {last_lines(log, *logs)}")
            if all(worker.poll() for worker in workers):
                raise network.Failure(f"{name}: both workers have ended: {last_lines(log, *logs)}")
            status = pathlib.Path(f"/proc/{coordinator.pid}/status").read_text()
            peak = max(peak, *[int(line.split()[1]) * 1024 for line in status.splitlines() if "VmHWM" in line] or [0])
            shared = max(shared, sum(what == MEMORY for _, what in descriptors(coordinator)))
            time.sleep(0.02)
        if attack:
            attack.__exit__()
            attack.check()
            if attack.tries == 0 and name in SHARED:
                raise network.Failure(f"{name}: the run was over before it was attacked: give more --steps")
        if coordinator.returncode != 0:
            raise network.Failure(f"{name}: the coordinator ended with {coordinator.returncode}: "
                                  f"{last_lines(log, *logs)}")
        reader.join()
        if b"LKST" in output_parts[0]:
            raise network.Failure(f"{name}: the coordinator has written records to its standard output")
        if name == "none" and transport == "shm" and shared < 1 + len(workers):
            raise network.Failure("the workers do not share memory with the coordinator")
        log.seek(0)
        said = log.read().splitlines()
        for worker, worker_log in zip(workers, logs):
            try:
                if worker.wait(timeout=10) != 0:
                    said.insert(0, f"a worker ended with {worker.returncode}: {last_lines(worker_log)}")
            except subprocess.TimeoutExpired:
                raise network.Failure(f"{name}: a worker still runs: {last_lines(*logs)}") from None
    finally:
        if attack:
            attack.over.set()
        for process in [coordinator, *workers]:
            process.kill()
            process.wait()
        if attack:
            attack.__exit__()
    lines = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    seconds = statistics.median(line["seconds"] for line in lines if line["event"] == "step")
    digest = json.loads((output / "summary.json").read_text())["parameters_sha256"]
    return digest, seconds, peak, said, (attack.tries or attack.count) if attack else 0


def last_lines(*logs):
    """The ends of what processes have said."""
    lines = []
    for log in logs:
        log.seek(0)
        lines += log.read().splitlines()[-4:]
    return "\n             ".join(["", *(lines or ["they said nothing"])])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default=str(ROOT / ".build/release/lockstep"))
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--transport", nargs="+", choices=TRANSPORTS, default=TRANSPORTS)
    parser.add_argument("--only", nargs="+", choices=ATTACKS, default=ATTACKS)
    options = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    failures = 0
    digest = None
    for transport in options.transport:
        with tempfile.TemporaryDirectory(prefix="lockstep-attack-") as name:
            folder = pathlib.Path(name)
            network.make_keys(options.program, folder)
            network.command(options.program, "keygen", str(folder / "stranger.key"))
            found, seconds, peak, *_ = run(options.program, folder, "none", options.steps, transport)
            digest = digest or found
            print(f"{transport}, undisturbed: {seconds * 1e3:.2f} ms a step, {peak >> 20} MiB"
                  + ("" if found == digest else ", NOT EQUAL to the other transport"), flush=True)
            failures += found != digest
            for name in options.only:
                try:
                    found, slower, more, said, count = run(options.program, folder, name, options.steps, transport)
                except Skipped as why:
                    print(f"{name:12} skipped: {why}", flush=True)
                    continue
                except network.Failure as failure:
                    print(failure, flush=True)
                    failures += 1
                    continue
                equal = "equal" if found == digest else "NOT EQUAL"
                failures += found != digest
                print(f"{name:12} {slower * 1e3:6.2f} ms a step ({slower / seconds:.2f} times), {more >> 20} MiB, "
                      f"{count:,} attempts, {equal}", flush=True)
                for line in said[:4]:
                    print(f"             {line}", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
