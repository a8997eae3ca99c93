#!/usr/bin/env python3
"""What local steps cost in test loss, and save in bytes, beside the synchronous run.

    swift build -c release --product lockstep && python3 Benchmarks/local_steps.py [--program .build/release/lockstep]
        [--jobs digits fashion-mnist] [--seeds 0 1]

Each job is trained for a fixed number of steps: synchronously, and with K replicas of H local steps, without and with an
outer Nesterov step (DiLoCo), with adam. Each row takes the learning rate with the smallest mean test loss over the seeds
for itself, as a larger H or K may want another one; the loss at the synchronous run's best rate is shown beside it. The
results are the same bits on any machine and for any number of workers.

Bytes are those of a worker's connection, both ways, a step: counted by a proxy between it and the coordinator, in a run of
one worker over tcp, of the whole length, with its evaluation. With more workers each has as many, as long as its leaves are
one node; how leaves are cut depends on how fast the workers are.
"""

import argparse
import itertools
import json
import pathlib
import re
import socket
import statistics
import subprocess
import tempfile
import threading

JOBS = {
    "digits": ["--data", "digits", "--epochs", "20", "--batch-size", "64", "--evaluate-every", "1000000"],
    "fashion-mnist": ["--data", "fashion-mnist", "--epochs", "3", "--batch-size", "256", "--evaluate-every", "1000000"],
}
RATES = [0.0005, 0.001, 0.002, 0.004]
OUTER = ["--outer-learning-rate", "0.7", "--outer-momentum", "0.9"]


def local(steps, replicas):
    return ["--local-steps", str(steps), "--replicas", str(replicas)]


ROWS = {"synchronous": []}
ROWS |= {f"K = {k}, H = {h}": local(h, k) for k, h in itertools.product([2, 4, 8], [4, 16, 64])}
ROWS |= {f"K = 4, H = {h}, outer": local(h, 4) + OUTER for h in [4, 16, 64]}
ROWS |= {"synchronous, bf16": ["--precision", "bf16"], "K = 4, H = 16, bf16": [*local(16, 4), "--precision", "bf16"]}


class CountingProxy:
    """Passes connections on to a port of this machine, and counts their bytes."""

    def __init__(self, port):
        self.target, self.count, self.lock = port, 0, threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            for pair in [(client, server), (server, client)]:
                threading.Thread(target=self.pump, args=pair, daemon=True).start()

    def pump(self, source, target):
        try:
            while data := source.recv(1 << 16):
                with self.lock:
                    self.count += len(data)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the other side has closed


def bytes_a_step(program, options):
    """Of a worker's connection, both ways."""
    with tempfile.TemporaryDirectory() as folder:
        command = [program, "coordinator", *options, "--output", f"{folder}/run", "--bind", "tcp://127.0.0.1:0"]
        command += ["--transport", "zmq"]  # not by shared memory
        coordinator = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = next(line for line in coordinator.stdout if line.startswith("listening on "))
        port = int(re.search(r"tcp://[^ ;]*:(\d+)", line)[1])
        proxy = CountingProxy(port)
        worker = subprocess.Popen(
            [program, "worker", "--connect", f"tcp://127.0.0.1:{proxy.port}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        coordinator.stdout.read()
        if coordinator.wait() != 0 or worker.wait() != 0:
            raise SystemExit(f"{' '.join(command)} has failed")
        proxy.listener.close()
        return proxy.count / json.loads(pathlib.Path(folder, "run/summary.json").read_text())["steps"]


def test_loss(program, options, rate, seed):
    """Infinite for a run that diverges."""
    with tempfile.TemporaryDirectory() as folder:
        command = [program, "train", *options, "--learning-rate", str(rate), "--seed", str(seed), "--workers", "2"]
        run = subprocess.run([*command, "--output", f"{folder}/run"], capture_output=True, text=True)
        summary = json.loads(pathlib.Path(folder, "run/summary.json").read_text())
        if summary["status"] != "completed":
            if "finite" not in run.stderr:
                raise SystemExit(run.stderr)
            return float("inf"), 0.0
        return summary["test_loss"], summary["test_accuracy"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=".build/release/lockstep")
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    arguments = parser.parse_args()
    for job in arguments.jobs:
        print(f"\n{job}: lockstep train {' '.join(JOBS[job])}\n")
        print("| run | bytes a step | share | best rate | test loss | accuracy | loss at the synchronous rate |")
        print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
        first = None
        for name, row in ROWS.items():
            options = JOBS[job] + row
            results = {
                rate: [test_loss(arguments.program, options, rate, seed) for seed in arguments.seeds] for rate in RATES
            }
            loss, accuracy = (
                {rate: statistics.fmean(result[index] for result in results[rate]) for rate in RATES} for index in (0, 1)
            )
            best = min(RATES, key=loss.get)
            count = bytes_a_step(arguments.program, options)
            first = first or (count, best)
            cells = [
                *[name, f"{count:,.0f}", f"{count / first[0]:.3f}", f"{best:g}", f"{loss[best]:.4f}"],
                *[f"{accuracy[best]:.4f}", f"{loss[first[1]]:.4f}"],
            ]
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
