#!/usr/bin/env python3
"""Kills a run at every system call by which it writes a checkpoint; each time a good checkpoint must be left (Linux).

    swift build && python3 Benchmarks/kill_writer.py [.build/debug/lockstep]

Needs strace. A run with one checkpoint goes on by a few steps. While it writes the second, and removes the first, strace
kills it at the n-th call of one kind that touches the folder of checkpoints, n = 1, 2, … until a run gets through.
After each kill the newest good checkpoint is looked up, and the run is resumed: it must end with the bits of an
undisturbed one. Exits with 1 where it does not.
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOCKSTEP = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / ".build/debug/lockstep")
CALLS = ["mkdir", "openat", "write", "fsync", "rename", "unlinkat,unlink,rmdir", "close"]
FILES = ["model.safetensors", "training.safetensors", "optimizer.safetensors", "state.json", "SHA256SUMS"]


def train(*arguments):
    return subprocess.run([LOCKSTEP, "train", "--workers", "1", *arguments], capture_output=True, text=True)


def sha(result):
    assert result.returncode == 0, result.stderr
    return result.stdout.split("parameters_sha256: ")[1].strip()


def killed(run, calls, number, arguments):
    """Resumes `run` under strace; whether it was killed, and after how many system calls in all."""
    # The names hold the process's number, so it must be known before: the shell waits for strace.
    shell = subprocess.Popen(
        ["sh", "-c", 'read line; exec "$0" "$@"', LOCKSTEP, "train", "--workers", "1", "--resume", run, *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True,
    )
    store = f"{run}/checkpoints"
    paths = [store]
    for name in ["0000000012", ".0000000012.tmp", ".0000000012.old", "0000000015", ".0000000015.tmp"]:
        folder = f"{store}/{name}"
        paths += [folder] + [f"{folder}/{file}" for file in FILES]
        paths += [f"{folder}/.{file}.{shell.pid}.tmp" for file in FILES]
    strace = subprocess.Popen(
        ["strace", "-f", "-p", str(shell.pid), "-o", "/dev/null", "-e", f"trace={calls}"]
        + [word for path in paths for word in ("-P", path)]
        + ["-e", f"inject={calls}:signal=KILL:when={number}"],
        stderr=subprocess.PIPE, text=True,
    )
    while "attached" not in strace.stderr.readline():
        assert strace.poll() is None, "strace cannot attach"
    shell.stdin.write("\n")
    shell.stdin.close()
    code = shell.wait(timeout=60)
    strace.wait(timeout=60)
    return code == -9 or code == 137


def main():
    if shutil.which("strace") is None:
        sys.exit("SKIPPED: strace is missing; apt-get install strace")
    failures = kills = 0
    with tempfile.TemporaryDirectory() as folder:
        first, run = f"{folder}/first", f"{folder}/run"
        job = ["--model", "linear", "--micro-batches", "1"]
        expected = {steps: sha(train(*job, "--steps", steps, "--output", f"{folder}/whole", "--overwrite")) for steps in ["15", "20"]}
        train(*job, "--steps", "12", "--output", first)
        for calls in CALLS:
            number = 1
            while True:
                shutil.rmtree(run, ignore_errors=True)
                shutil.copytree(first, run)
                was_killed = killed(run, calls, number, ["--steps", "15", "--keep", "1"])
                warned = "is skipped" in (result := train("--resume", run, "--steps", "20")).stderr
                good = result.returncode == 0 and sha(result) == expected["20"] and not warned
                if not good:
                    failures += 1
                    print(f"killed at {calls} {number}: {result.stderr}")
                if not was_killed:
                    break
                kills += 1
                number += 1
            print(f"{calls}: killed at each of {number - 1}", flush=True)
    print(f"{kills} kills, {failures} failures")
    sys.exit(1 if failures or kills == 0 else 0)


if __name__ == "__main__":
    main()
