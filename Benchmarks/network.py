"""Hosts of a network, as network namespaces: veth pairs into one bridge, with limited bandwidth (Linux, as root)."""

import argparse
import pathlib
import re
import signal
import subprocess
import sys
import tempfile


class Failure(Exception):
    """What was not as it must be, for people."""


def command(*words):
    result = subprocess.run(words, capture_output=True, text=True)
    if result.returncode != 0:
        raise Failure(f"error: {' '.join(words)}: {result.stderr.strip()}")
    return result.stdout


def address(number):
    return f"10.77.0.{number}"


class Host:
    """A network namespace, on the bridge by a veth pair whose outer end has the namespace's name, with a bandwidth of
    `rate` Mbit/s each way; without a limit by None."""

    boots = 0

    def __init__(self, number, rate):
        self.number, self.rate = number, rate
        self.boot()

    def boot(self):
        Host.boots += 1
        self.name = f"host{Host.boots}"
        # The same hardware address each time, or the others would have to notice that it is another.
        hardware = f"02:00:00:00:00:{self.number:02x}"
        command("ip", "netns", "add", self.name)
        command("ip", "link", "add", "name", self.name, "type", "veth",
                "peer", "name", "eth0", "address", hardware, "netns", self.name)
        command("ip", "-n", self.name, "address", "add", f"{address(self.number)}/24", "dev", "eth0")
        for device in ["lo", "eth0"]:
            command("ip", "-n", self.name, "link", "set", device, "up")
        if self.rate is not None:
            self.limit(self.rate)
        command("ip", "link", "set", self.name, "master", "bridge", "up")

    def limit(self, rate):
        for words in [["tc"], ["tc", "-n", self.name]]:
            device = self.name if words == ["tc"] else "eth0"
            # Timers tick every 4 ms: what a link carries in that time must fit.
            burst = max(128, rate)
            command(*words, "qdisc", "replace", "dev", device, "root", "tbf",
                    "rate", f"{rate}mbit", "burst", f"{burst}kb", "limit", "2mb")

    def bytes(self):
        """Bytes that it has sent and received."""
        folder = pathlib.Path("/sys/class/net", self.name, "statistics")
        return int((folder / "rx_bytes").read_text()), int((folder / "tx_bytes").read_text())

    def payload_bytes(self):
        """The same without the headers of Ethernet, IP and TCP."""
        folder = pathlib.Path("/sys/class/net", self.name, "statistics")
        headers = 14 + 20 + 32
        sent, received = (int((folder / f"{way}_packets").read_text()) for way in ["rx", "tx"])
        return self.bytes()[0] - headers * sent, self.bytes()[1] - headers * received

    def reboot(self):
        """Loses its power and comes back, silent about the connections that it had; gives what ends the silence."""
        listing = command("ip", "netns", "exec", self.name, "ss", "-Htn")
        pairs = re.findall(r"10\.77\.0\.\d+:(\d+)\s+10\.77\.0\.\d+:(\d+)", listing)
        command("ip", "link", "set", self.name, "nomaster")
        yield
        self.boot()
        for source, target in pairs:
            command("ip", "-n", self.name, "rule", "add", "ipproto", "tcp", "sport", source, "dport", target,
                    "blackhole")
        yield
        for source, target in pairs:
            command("ip", "-n", self.name, "rule", "delete", "ipproto", "tcp", "sport", source, "dport", target,
                    "blackhole")
        yield


def begin():
    """Makes what the hosts' links come together in; once, before the first host."""
    command("ip", "link", "set", "lo", "up")
    command("ip", "link", "add", "name", "bridge", "type", "bridge")
    command("ip", "link", "set", "bridge", "up")


def remove_hosts():
    for line in command("ip", "netns", "list").splitlines():
        command("ip", "netns", "delete", line.split()[0])


def make_keys(program, folder):
    for name in ["coordinator.key", "worker.key"]:
        command(program, "keygen", str(folder / name))


def key_options(folder):
    """What a coordinator and a worker are given of the keys in `folder`."""
    return {
        "coordinator": ["--key", f"{folder}/coordinator.key", "--authorized-keys", f"{folder}/worker.key.pub"],
        "worker": ["--key", f"{folder}/worker.key", "--coordinator-key", f"{folder}/coordinator.key.pub"],
    }


def run_inside(script):
    """Runs `script` again, as this process was, with `--inside FOLDER`, in namespaces (network, processes, mounts) that end
    with it, however it ends; gives its exit code, or 77 where there can be none."""
    own = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c",
           'mount -t sysfs sysfs /sys && mount -t tmpfs tmpfs /run && exec "$0" "$@"']
    probe = ("ip netns add probe && ip link add name outer type veth peer name eth0 netns probe"
             " && tc qdisc add dev outer root tbf rate 1mbit burst 16kb limit 64kb"
             " && ip rule add ipproto tcp sport 1 dport 1 blackhole && ss -Htn")
    try:
        result = subprocess.run([*own, "sh", "-c", probe], capture_output=True, text=True)
        why = result.stderr.strip() if result.returncode != 0 else None
    except FileNotFoundError as error:
        why = str(error)
    if why is not None:
        print(f"skipped: network namespaces cannot be used here: {why}")
        return 77
    with tempfile.TemporaryDirectory(prefix="lockstep-hosts-") as folder:
        process = subprocess.Popen([*own, sys.executable, script, *sys.argv[1:], "--inside", folder])
        try:
            return process.wait()
        finally:
            process.kill()
            process.wait()


def main(script, description, body, add_options=lambda parser: None):
    """The main function of a script on hosts: runs `body(options, folder)` inside, where a Failure is told; gives an exit
    code."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    program = pathlib.Path(__file__).resolve().parent.parent / ".build/release/lockstep"
    parser.add_argument("--program", default=str(program))
    add_options(parser)
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.program = str(pathlib.Path(options.program).resolve())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if not options.inside:
        return run_inside(script)
    try:
        body(options, pathlib.Path(options.inside))
    except Failure as failure:
        print(failure)
        return 1
    return 0
