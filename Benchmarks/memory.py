#!/usr/bin/env python3
"""The coordinator's peak memory with two workers at 20 million parameters, against its bound (Linux).

    swift build -c release && python3 Benchmarks/memory.py

The bound: 4·P·(1 + slots + 3) bytes + 100 MB for P parameters. Exits with 1 where it is exceeded. Memory that a process
has mapped of another counts with the one that made it.
"""

import pathlib
import re
import subprocess
import sys
import tempfile
import time

LOCKSTEP = pathlib.Path(__file__).resolve().parent.parent / ".build/release/lockstep"
PARAMETERS = 784 * 4096 + 4096 + 4096 * 4096 + 4096 + 4096 * 10 + 10


def resident(process, own):
    """The bytes that a process has in memory, without what it has mapped of others; 0 where it has ended. `own` picks
    the one that it has made from all that it shares, by their sizes."""
    try:
        smaps = pathlib.Path(f"/proc/{process.pid}/smaps").read_text()
        links = pathlib.Path(f"/proc/{process.pid}/fd").iterdir()
        shared = [link.stat() for link in links if "memfd:lockstep" in str(link.readlink())]
    except OSError:
        return 0
    inode = str(own(shared, key=lambda status: status.st_size).st_ino) if shared else None
    total, counts = 0, True
    for line in smaps.splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            counts = "memfd:lockstep" not in line or line.split()[4] == inode
        elif line.startswith("Rss:") and counts:
            total += int(line.split()[1]) * 1024
    return total


def measure(optimizer, slots):
    bound = 4 * PARAMETERS * (1 + slots + 3) + 100_000_000
    with tempfile.TemporaryDirectory() as folder:
        address = f"ipc://{folder}/socket"
        coordinator = subprocess.Popen(
            [LOCKSTEP, "coordinator", "--bind", address, "--data", "fashion-mnist", "--model", "mlp:4096,4096"]
            + ["--optimizer", optimizer, "--steps", "60", "--batch-size", "256", "--micro-batches", "8"]
            + ["--output", f"{folder}/run"],
            stdout=subprocess.DEVNULL,
        )
        workers = [
            subprocess.Popen([LOCKSTEP, "worker", "--connect", address, "--connect-timeout", "60"], stdout=subprocess.DEVNULL)
            for _ in range(2)
        ]
        highest, of_workers = 0, [0, 0]
        while coordinator.poll() is None:
            highest = max(highest, resident(coordinator, own=min))
            # A worker's has room for more vectors than the coordinator's.
            of_workers = [max(old, resident(worker, own=max)) for old, worker in zip(of_workers, workers)]
            time.sleep(0.05)
        for worker in workers:
            worker.wait()
        if coordinator.returncode != 0:
            sys.exit(f"the coordinator failed with {coordinator.returncode}")
    print(
        f"{optimizer}: coordinator {highest / 1e6:.0f} MB of at most {bound / 1e6:.0f} MB; "
        f"workers {of_workers[0] / 1e6:.0f} and {of_workers[1] / 1e6:.0f} MB",
        flush=True,
    )
    return highest <= bound


if __name__ == "__main__":
    sys.exit(0 if all([measure("adam", 2), measure("rmsprop", 1)]) else 1)
