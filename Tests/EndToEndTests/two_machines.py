#!/usr/bin/env python3
"""The guide's walk-through of two machines, as written, on two hosts of a network (Linux, as root).

    python3 Tests/EndToEndTests/two_machines.py --program .build/release/lockstep

Its commands are the lines that begin with `a$` and `b$`. Exits with 77 where network namespaces cannot be made.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "Benchmarks"))
import network  # noqa: E402

LIMIT = 60  # seconds
ADDRESSES = {"a": "192.168.1.10", "b": "192.168.1.11"}


def commands():
    text = (ROOT / "Sources/Lockstep/Lockstep.docc/Clusters.md").read_text()
    section = text[text.index("## Two machines by hand"):].split("\n## ")[0]
    found = re.findall(r"^([ab])\$ (.*?)(?:\s+#.*)?$", section, re.MULTILINE)
    if len(found) != 4:
        raise network.Failure(f"Clusters.md, Two machines: four commands were expected, not {found}")
    return found


def make_hosts():
    network.command("ip", "link", "set", "lo", "up")
    for host in ADDRESSES:
        network.command("ip", "netns", "add", host)
    network.command("ip", "link", "add", "name", "eth0", "netns", "a", "type", "veth", "peer", "name", "eth0", "netns", "b")
    for host, address in ADDRESSES.items():
        network.command("ip", "-n", host, "address", "add", f"{address}/24", "dev", "eth0")
        for device in ["lo", "eth0"]:
            network.command("ip", "-n", host, "link", "set", device, "up")


def start(host, command, folder):
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    # Processes of its own as well, or memory would be shared.
    inside = ["ip", "netns", "exec", host, "unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    return subprocess.Popen([*inside, "sh", "-c", f"exec {command}"], cwd=folder / host, text=True, env=environment,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finish(process, command):
    try:
        output = process.communicate(timeout=LIMIT)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        raise network.Failure(f"{command}: did not end within {LIMIT} s: {process.communicate()[0]}") from None
    if process.returncode != 0:
        raise network.Failure(f"{command}: ended with {process.returncode}: {output}")
    return output


def walk(options, folder):
    make_hosts()
    (folder / "lockstep").symlink_to(options.program)
    for host in ADDRESSES:
        (folder / host).mkdir()
    *keygens, (first, coordinator), (second, worker) = commands()
    for host, command in keygens:
        finish(start(host, command, folder), command)
    shutil.copy(folder / "a/coordinator.key.pub", folder / "b")
    shutil.copy(folder / "b/worker.key.pub", folder / "a")
    processes = [start(first, coordinator, folder), start(second, worker, folder)]
    said = [finish(process, command) for process, command in zip(processes, [coordinator, worker])]
    if f"--connect tcp://{ADDRESSES['a']}:5555" not in said[0]:
        raise network.Failure(f"the coordinator does not say by which address it is reached: {said[0]}")
    local = finish(start("a", "lockstep train --output local", folder), "lockstep train")
    digest = re.compile(r"^parameters_sha256: (.*)$", re.MULTILINE)
    if digest.findall(said[0]) != digest.findall(local):
        raise network.Failure(f"not the bits of a local run:\n{said[0]}\n{local}")
    print("equal, bit for bit")


if __name__ == "__main__":
    sys.exit(network.main(__file__, __doc__, walk))
