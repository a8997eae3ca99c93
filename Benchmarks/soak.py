#!/usr/bin/env python3
"""Random kills for an hour: the same bits, flat memory, no descriptor, process or file left (Linux).

    swift build -c release && python3 Benchmarks/soak.py [--minutes 60] [--seed 1]

A coordinator and three workers on this host's loopback. Every 5 s in the mean (exponentially) one of the second and
third worker is killed (SIGKILL, SIGTERM; another is started) or stopped for up to 10 s (SIGSTOP, SIGCONT); in the first
quarter of the time one time in ten it is the coordinator that is killed or terminated, and resumed. The first worker
and, from then on, the coordinator live to the end: their memory and descriptors are sampled every second. The run's
length is set by how fast the undisturbed run's steps are, so the time is met roughly. Exits with 0 where all holds.
"""

import argparse
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

LOCKSTEP = pathlib.Path(__file__).resolve().parent.parent / ".build/release/lockstep"
JOB = ["--data", "digits", "--model", "mlp:256,256", "--batch-size", "256", "--micro-batches", "8"]
MEAN_INTERVAL = 5.0
GROWTH = 0.2  # MB a minute, and
SLACK = 5.0  # MB in all, that memory may grow by after the warm-up: allocators settle for a while


class Soak:
    def __init__(self, folder, minutes, seed):
        self.folder, self.seconds = folder, 60 * minutes
        self.random = random.Random(seed)
        self.run = folder / "run"
        self.address = f"ipc://{folder}/socket"
        self.faults = {}
        self.samples = {"coordinator": [], "worker 1": []}
        self.started = []
        self.stopped = {}
        self.sent_home_until = 0

    def start(self, *arguments):
        with open(self.folder / f"{arguments[0]}.log", "a") as log:
            process = subprocess.Popen([LOCKSTEP, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.started.append(process)
        return process

    def start_worker(self, number):
        self.workers[number] = self.start("worker", "--connect", self.address)

    def start_coordinator(self, *what):
        self.coordinator = self.start(
            "coordinator", "--bind", self.address, "--checkpoint-every", "10s", *what)
        self.samples["coordinator"].clear()

    def resume(self):
        saved = any(self.run.glob("checkpoints/[0-9]*"))
        self.start_coordinator(*(["--resume", str(self.run)] if saved else self.first))

    def strike(self, elapsed):
        if elapsed < self.seconds / 4 and self.random.random() < 0.1:
            fault = self.random.choice(["SIGKILL", "SIGTERM"])
            self.count(f"coordinator {fault}")
            self.coordinator.send_signal(signal.Signals[fault])
            self.coordinator.wait(timeout=30)
            if fault == "SIGTERM":
                self.sent_home_until = elapsed + 30  # with an error, so that a supervisor starts them again
            self.resume()
            return
        number = self.random.choice([2, 3])
        fault = self.random.choice(["SIGKILL", "SIGTERM", "SIGSTOP"])
        worker = self.workers[number]
        if number in self.stopped or worker.poll() is not None:
            return
        self.count(f"worker {fault}")
        worker.send_signal(signal.Signals[fault])
        if fault == "SIGSTOP":
            self.stopped[number] = time.monotonic() + self.random.uniform(0, 10)
        else:
            worker.wait(timeout=30)
            self.start_worker(number)

    def count(self, fault):
        self.faults[fault] = self.faults.get(fault, 0) + 1

    def sample(self, name, process, elapsed):
        try:
            status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
            memory = next(int(line.split()[1]) / 1000 for line in status.splitlines() if line.startswith("VmRSS"))
            descriptors = len(os.listdir(f"/proc/{process.pid}/fd"))
        except (StopIteration, OSError):
            return  # it is ending
        self.samples[name].append((elapsed, memory, descriptors))

    def work(self, steps):
        """Runs to the end; what went wrong, a sentence each."""
        self.first = [*JOB, "--steps", str(steps), "--output", str(self.run), "--overwrite"]
        self.start_coordinator(*self.first)
        self.workers = {}
        for number in (1, 2, 3):
            self.start_worker(number)
        begin = time.monotonic()
        next_fault, next_sample, ended, problems = 0.0, 0.0, {}, []
        while self.coordinator.poll() is None:
            elapsed = time.monotonic() - begin
            if elapsed > 5 * self.seconds + 120:
                return [f"the run has not ended after {elapsed:.0f} s"]
            for number, due in list(self.stopped.items()):
                if time.monotonic() >= due:
                    self.workers[number].send_signal(signal.SIGCONT)
                    del self.stopped[number]
            if elapsed >= next_fault:
                if next_fault > 0:
                    self.strike(elapsed)
                next_fault = elapsed + self.random.expovariate(1 / MEAN_INTERVAL)
            if elapsed >= next_sample:
                self.sample("coordinator", self.coordinator, elapsed)
                self.sample("worker 1", self.workers[1], elapsed)
                next_sample = elapsed + 1
            for number, worker in self.workers.items():
                if worker.poll() is None:
                    continue
                if worker.returncode != 0 and elapsed > self.sent_home_until:
                    problems.append(f"worker {number} ended with {worker.returncode}")
                # A terminated coordinator sends its workers home; one that is at its end does as well.
                since = ended.setdefault(number, elapsed)
                if elapsed - since > 2:
                    del ended[number]
                    if number == 1:
                        self.samples["worker 1"].clear()
                    self.start_worker(number)
            time.sleep(0.02)
        self.seconds = time.monotonic() - begin
        if self.coordinator.returncode != 0:
            problems.append(f"the coordinator ended with {self.coordinator.returncode}")
        for number, worker in self.workers.items():
            worker.send_signal(signal.SIGCONT)
            try:
                worker.wait(timeout=20)
            except subprocess.TimeoutExpired:
                problems.append(f"worker {number} still runs 20 s after the end")
        return problems

    def table(self):
        """Prints what the long-lived processes hold; what is not flat."""
        problems = []
        print(f"{'':12}{'samples':>8}{'RSS after':>11}{'at the end':>11}{'growth':>14}{'descriptors':>22}")
        for name, samples in self.samples.items():
            # The first quarter of what is there is warm-up.
            kept = samples[len(samples) // 4:]
            if len(kept) < 30:
                problems.append(f"{name}: only {len(kept)} samples, too few to judge")
                continue
            growth = 60 * slope([(elapsed, memory) for elapsed, memory, _ in kept])
            grown = growth * (kept[-1][0] - kept[0][0]) / 60
            quarters = [kept[len(kept) * part // 4:len(kept) * (part + 1) // 4] for part in range(4)]
            descriptors = [min(count for _, _, count in quarter) for quarter in quarters]
            print(f"{name:12}{len(kept):8}{kept[0][1]:8.1f} MB{kept[-1][1]:8.1f} MB{growth:+8.2f} MB/min"
                  f"{' '.join(str(count) for count in descriptors):>22}")
            if growth > GROWTH and grown > SLACK:
                problems.append(f"{name}: its memory has grown by {grown:.1f} MB, {growth:.2f} MB a minute")
            if descriptors[-1] > descriptors[0]:
                problems.append(f"{name}: it holds {descriptors[-1] - descriptors[0]} more descriptors in the end")
        print("(after the warm-up; descriptors: the least in each quarter of the time)")
        return problems

    def leftovers(self):
        running = [process.pid for process in self.started if process.poll() is None]
        files = [str(path) for path in self.run.rglob("*") if path.name.startswith(".")]
        files += [str(path) for path in self.folder.iterdir()
                  if path.name not in ("run", "timing", "undisturbed", "coordinator.log", "worker.log")]
        kept = list(self.run.glob("checkpoints/[0-9]*"))
        problems = [f"process {pid} still runs" for pid in running] + [f"{path} is left behind" for path in files]
        return problems + ([f"{len(kept)} checkpoints are kept"] if len(kept) > 4 else [])


def slope(points):
    """By least squares."""
    x = sum(point[0] for point in points) / len(points)
    y = sum(point[1] for point in points) / len(points)
    return sum((a - x) * (b - y) for a, b in points) / sum((a - x) ** 2 for a, _ in points)


def undisturbed(folder, steps):
    """The summary and the epochs' digests of a run of so many steps."""
    subprocess.run([LOCKSTEP, "train", *JOB, "--steps", str(steps), "--workers", "3", "--output", str(folder)],
                   check=True, stdout=subprocess.DEVNULL)
    return result(folder)


def result(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    epochs = {line["epoch"]: line["parameters_sha256"] for line in lines if line["event"] == "epoch"}
    return json.loads((folder / "summary.json").read_text()), epochs


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory(prefix="lockstep-soak-") as name:
        folder = pathlib.Path(name)
        rate = undisturbed(folder / "timing", 2000)[0]["steps_per_second"]
        steps = int(60 * arguments.minutes * rate)
        soak = Soak(folder, arguments.minutes, arguments.seed)
        try:
            problems = soak.work(steps)
            problems += soak.leftovers()
        finally:
            for process in soak.started:
                process.kill()
                process.wait()
        faults = ", ".join(f"{count} {fault}" for fault, count in sorted(soak.faults.items()))
        print(f"{steps} steps in {soak.seconds / 60:.1f} min; faults: {faults}")
        problems += soak.table()
        summary, epochs = undisturbed(folder / "undisturbed", steps)
        if soak.coordinator.returncode == 0:
            found = result(soak.run)
            equal = (found[0]["parameters_sha256"], found[1]) == (summary["parameters_sha256"], epochs)
            print(f"bits after {len(epochs)} epochs: {'equal' if equal else 'NOT EQUAL'}")
            problems += [] if equal else ["the parameters are not those of an undisturbed run"]
        for problem in problems:
            print(f"problem: {problem}")
        if problems:
            for log in ("coordinator.log", "worker.log"):
                lines = (folder / log).read_text().splitlines()[-20:]
                print("".join(f"{log}: {line}\n" for line in lines), end="")
        print("all holds" if not problems else f"{len(problems)} problems")
        return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
