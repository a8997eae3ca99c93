#!/usr/bin/env python3
"""A coordinator in the middle of a run, attacked through its port: the end must be the same bits (Linux).

    swift build -c release && python3 Benchmarks/attack.py [--program .build/release/lockstep] [--only NAME ...]

A coordinator with keys and two workers train on loopback tcp; an attacker does one of the following for as long as the run
lasts. The median step of each run is held against that of an undisturbed one, and so is the coordinator's peak memory;
what its log says of the attacker is shown. Attacks with a key need the Python package zmq (pyzmq).

    bytes        connections that send 64 KiB of random bytes each, one after the other
    slow         200 connections that send a byte of a greeting each second
    connections  10,000 connections that say nothing (as many as this process may open)
    half         a good greeting, half a handshake, and the end
    huge         a good greeting, and a command that announces 1 GB
    plain        workers without keys, again and again
    stranger     workers with a key that is not authorized, again and again
    frames       with a good key: spoiled messages of every kind, and of wrong run, session, step, node, chunk and length
    hellos       with a good key: greetings, as many as can be sent
    nan          with a good key: a worker whose gradients are replaced by NaN
"""

import argparse
import json
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
ATTACKS = ["bytes", "slow", "connections", "half", "huge", "plain", "stranger", "frames", "hellos", "nan"]


class Attack:
    def __init__(self, name, port, program, folder):
        self.name, self.port, self.program, self.folder = name, port, program, folder
        self.over = threading.Event()
        self.count = 0
        self.thread = threading.Thread(target=getattr(self, name), daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def connect(self):
        self.count += 1
        return socket.create_connection(("127.0.0.1", self.port), timeout=5)

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
                held.append([self.connect(), 0])
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
            subprocess.run([self.program, "worker", "--connect", f"tcp://127.0.0.1:{self.port}", "--connect-timeout",
                            "0.5", *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

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
        dealer.connect(f"tcp://127.0.0.1:{self.port}")
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
            self.push(random.choice(dealers), header(1, len(payload)), payload)

    def nan(self):
        import zmq
        front = zmq.Context.instance().socket(zmq.ROUTER)
        front.linger = 0
        address = f"tcp://127.0.0.1:{front.bind_to_random_port('tcp://127.0.0.1')}"
        while not self.over.is_set():
            back = self.dealer()
            worker = subprocess.Popen([self.program, "worker", "--connect", address], stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL)
            peer = None
            while worker.poll() is None and not self.over.is_set():
                zmq.select([front, back], [], [], 0.1)
                while front.poll(0):
                    peer, *frames = front.recv_multipart()
                    if frames[0][6:8] == b"\x07\x00" and len(frames) == 2:
                        frames[1] = b"\x00\x00\xc0\x7f" * (len(frames[1]) // 4)
                    self.push(back, *frames)
                while peer and back.poll(0):
                    front.send_multipart([peer, *back.recv_multipart()])
            worker.kill()
            worker.wait()
            back.close()

    def frames(self):
        import zmq
        numbers = [0, 1, 2, 3, 8, 255, 1 << 16, (1 << 31) - 1, (1 << 32) - 1]
        while not self.over.is_set():
            dealer = self.dealer()
            hello = json.dumps({"name": "spoiler", "threads": 1}).encode()
            self.push(dealer, header(1, len(hello)), hello)
            run = session = 0
            if dealer.poll(2000):
                run, session = struct.unpack_from("<QQ", dealer.recv_multipart()[0], 8)
            for _ in range(20):
                length = random.choice([0, 8, 48, 1 << 10, 1 << 20])
                frame = header(random.randrange(16), random.choice([length, 1 << 40]),
                               random.choice([run, run, 1]), random.choice([session, session, 5]),
                               random.choice(numbers), random.choice(numbers), random.choice(numbers),
                               random.choice(numbers), random.randrange(4))
                frame = random.choice([frame, frame, frame[:random.randrange(64)], random.randbytes(64)])
                payloads = [random.randbytes(length)] * random.choice([1, 1, 0, 5])
                self.push(dealer, frame, *payloads)
                while dealer.poll(0):
                    dealer.recv_multipart(zmq.DONTWAIT)
            dealer.close()


def header(kind, length, run=0, session=0, step=0, start=0, end=0, chunk=0, task=0):
    return struct.pack("<4sHHQQQIIIIQQ", b"LKST", 4, kind, run, session, step, start, end, chunk, task, length, 0)


def z85(base64):
    import base64 as codec
    import zmq.utils.z85
    return zmq.utils.z85.encode(codec.b64decode(base64))


def keys(path):
    """A pair as ZeroMQ writes it, secret first."""
    return [z85(text.split()[0]) for text in [path.read_text().splitlines()[-1], path.with_suffix(".key.pub").read_text()]]


def run(program, folder, name, steps):
    """A run, attacked; gives its digest, its median step in seconds, the coordinator's peak bytes and its log."""
    output = folder / f"run-{name}"
    options = network.key_options(folder)
    log = open(folder / f"{name}.log", "w+")
    coordinator = subprocess.Popen(
        [program, "coordinator", "--bind", "tcp://127.0.0.1:0", "--transport", "zmq", "--output", str(output), "--data",
         "digits", "--model", "mlp:512", "--batch-size", "128", "--micro-batches", "4", "--steps", str(steps),
         *options["coordinator"]], stdout=subprocess.PIPE, stderr=log, text=True)
    workers = []
    peak = 0
    try:
        address = next(line.split("--connect ")[1].split()[0] for line in coordinator.stdout if "--connect " in line)
        threading.Thread(target=coordinator.stdout.read, daemon=True).start()
        attack = Attack(name, int(address.split(":")[-1]), program, folder) if name != "none" else None
        if attack:
            attack.__enter__()
            time.sleep(0.5)
        workers = [subprocess.Popen([program, "worker", "--connect", address, *options["worker"]],
                                    stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for _ in range(2)]
        end = time.monotonic() + LIMIT
        while coordinator.poll() is None:
            if time.monotonic() > end:
                raise network.Failure(f"{name}: the run did not end within {LIMIT} s")
            status = pathlib.Path(f"/proc/{coordinator.pid}/status").read_text()
            peak = max(peak, *[int(line.split()[1]) * 1024 for line in status.splitlines() if "VmHWM" in line] or [0])
            time.sleep(0.1)
        if attack:
            attack.__exit__()
        log.seek(0)
        said = log.read()
        if coordinator.returncode != 0:
            raise network.Failure(f"{name}: the coordinator ended with {coordinator.returncode}: {said}")
    finally:
        for process in [coordinator, *workers]:
            process.kill()
            process.wait()
    lines = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    seconds = statistics.median(line["seconds"] for line in lines if line["event"] == "step")
    digest = json.loads((output / "summary.json").read_text())["parameters_sha256"]
    return digest, seconds, peak, said, attack.count if attack else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default=str(ROOT / ".build/release/lockstep"))
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--only", nargs="+", choices=ATTACKS, default=ATTACKS)
    options = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    failures = 0
    with tempfile.TemporaryDirectory(prefix="lockstep-attack-") as name:
        folder = pathlib.Path(name)
        network.make_keys(options.program, folder)
        network.command(options.program, "keygen", str(folder / "stranger.key"))
        digest, seconds, peak, *_ = run(options.program, folder, "none", options.steps)
        print(f"{'undisturbed':12} {seconds * 1e3:6.2f} ms a step, {peak >> 20} MiB")
        for name in options.only:
            try:
                found, slower, more, said, count = run(options.program, folder, name, options.steps)
            except network.Failure as failure:
                print(failure)
                failures += 1
                continue
            equal = "equal" if found == digest else "NOT EQUAL"
            failures += found != digest
            print(f"{name:12} {slower * 1e3:6.2f} ms a step ({slower / seconds:.2f} times), {more >> 20} MiB, "
                  f"{count:,} attempts, {equal}")
            for line in said.splitlines()[:4]:
                print(f"             {line}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
