#!/usr/bin/env python3
"""`lockstep launch` from one host to two others by real sshd, on a network of namespaces (Linux, as root).

    python3 Tests/EndToEndTests/launch.py --program .build/release/lockstep

Exits with 77 where network namespaces cannot be made or there is no sshd.
"""

import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "Benchmarks"))
import network  # noqa: E402

LIMIT = 60  # seconds
SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
# On a busy machine a worker may not run for seconds, and that is not what is tested here.
JOB = ["--epochs", "60", "--transport", "zmq", "--silence-limit", "30"]
# Longer than a new ssh connection takes on a busy machine.
LONG_JOB = ["--epochs", "300", *JOB[2:]]


def make_hosts(folder):
    """Host 1 launches; sshd serves 2 and 3, as b and c, to whoever has the key in `folder`."""
    network.begin()
    hosts = [network.Host(number, None) for number in [1, 2, 3]]
    pathlib.Path("/run/sshd").mkdir()
    for name in ["identity", "host_key"]:
        network.command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name))
    (folder / "known_hosts").write_text("".join(
        f"{network.address(number)} {(folder / 'host_key.pub').read_text()}" for number in [2, 3]))
    (folder / "sshd_config").write_text(
        f"HostKey {folder}/host_key\nAuthorizedKeysFile {folder}/identity.pub\nStrictModes no\n"
        f"PermitRootLogin prohibit-password\nPasswordAuthentication no\nPidFile none\n")
    (folder / "ssh_config").write_text("".join(
        f"Host {name}\n  HostName {network.address(number)}\n" for name, number in [("b", 2), ("c", 3)])
        + f"Host *\n  BatchMode yes\n  IdentityFile {folder}/identity\n  UserKnownHostsFile {folder}/known_hosts\n")
    for host in hosts[1:]:
        subprocess.Popen(["ip", "netns", "exec", host.name, SSHD, "-D", "-f", str(folder / "sshd_config")])
    return hosts


class Launch:
    """A `lockstep launch` on the first host, whose lines are kept as they come."""

    def __init__(self, program, hosts, folder, targets, *options):
        self.hosts, self.lines, self.said = hosts, [], threading.Condition()
        command = [program, "launch", "--hosts", targets, "--ssh", f"ssh -T -F {folder}/ssh_config", *options]
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", hosts[0].name, *command], cwd=folder, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            with self.said:
                self.lines.append(line.rstrip("\n"))
                self.said.notify_all()
        with self.said:
            self.lines.append("(end)")
            self.said.notify_all()

    @property
    def text(self):
        return "\n".join(self.lines)

    def wait_for(self, pattern):
        with self.said:
            found = self.said.wait_for(lambda: re.search(pattern, self.text), LIMIT)
        if not found:
            raise network.Failure(f"launch did not say '{pattern}':\n{self.text}")
        return found

    def finish(self, status):
        try:
            code = self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise network.Failure(f"launch did not end:\n{self.text}") from None
        self.reader.join(LIMIT)
        if code != status:
            raise network.Failure(f"launch ended with {code}, not {status}:\n{self.text}")
        self.expect_nothing_left()
        return self.text

    def workers(self, host=None):
        """The processes of workers on the hosts (or one of them)."""
        found = []
        for candidate in self.hosts[1:] if host is None else [self.hosts[host]]:
            for process in network.command("ip", "netns", "pids", candidate.name).split():
                try:
                    words = pathlib.Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
                except OSError:
                    continue
                if words[1:2] == [b"worker"]:
                    found.append((int(process), [word.decode() for word in words]))
        return found

    def expect_nothing_left(self):
        end = time.monotonic() + 10
        while self.workers():
            if time.monotonic() > end:
                raise network.Failure(f"launch has ended, and workers have not: {self.workers()}")
            time.sleep(0.05)


def digest(text):
    found = re.search(r"^parameters_sha256: (\w{64})$", text, re.MULTILINE)
    if not found:
        raise network.Failure(f"no parameters_sha256:\n{text}")
    return found[1]


def check(options, folder):
    program = options.program
    hosts = make_hosts(folder)
    wanted, wanted_of_long_job = [
        digest(network.command(program, "train", "--epochs", job[1], "--output", str(folder / f"local-{job[1]}")))
        for job in [JOB, LONG_JOB]]
    # sshd is there when it answers.
    for name in ["b", "c"]:
        end = time.monotonic() + LIMIT
        while subprocess.run(["ip", "netns", "exec", hosts[0].name, "ssh", "-F", f"{folder}/ssh_config", name, "true"],
                             capture_output=True).returncode != 0:
            if time.monotonic() > end:
                raise network.Failure(f"sshd does not let anyone in on {name}")

    def launch(*options):
        return Launch(program, hosts, folder, *options)

    def expect_equal(text, wanted=wanted):
        if digest(text) != wanted:
            raise network.Failure(f"not the bits of a local run:\n{text}")

    run = launch("b:1,c:2", "--output", "plain", *JOB)
    run.wait_for(r"epoch +1/")
    for _, words in run.workers():
        if words[words.index("--key") + 1] != "-":
            raise network.Failure(f"a key on a command line: {words}")
    text = run.finish(0)
    expect_equal(text)
    for line in [r"^\[b\] b/1: connecting to tcp://10\.77\.0\.1:\d+ with 1 thread$",
                 r"^\[c\] c/1: connecting to tcp://10\.77\.0\.1:\d+ with 2 threads$", r"^\[b\] done: the run is over$"]:
        if not re.search(line, text, re.MULTILINE):
            raise network.Failure(f"launch did not say '{line}':\n{text}")
    print("two hosts: equal, bit for bit")

    # The only worker: the run cannot end before it is back, however long ssh takes.
    run = launch("b", "--output", "killed", *JOB)
    run.wait_for(r"epoch +1/")
    os.kill(run.workers(1)[0][0], signal.SIGKILL)
    run.wait_for(r"b/1(\) has left)?: it ended with exit code 137: Killed; it is started again \(1 of 3 times\)")
    run.wait_for(r"\(b/1, start 2\) has joined")
    expect_equal(run.finish(0))
    print("a worker killed: started again, equal")

    # With another worker: the cut one says that it leaves, and a run whose last worker leaves ends.
    run = launch("b,c", "--output", "cut", *LONG_JOB)
    run.wait_for(r"epoch +1/")
    worker = run.workers(2)[0][0]
    parent = int(pathlib.Path(f"/proc/{worker}/stat").read_text().rsplit(")", 1)[1].split()[1])
    session = int(pathlib.Path(f"/proc/{parent}/stat").read_text().rsplit(")", 1)[1].split()[1])
    os.kill(session, signal.SIGKILL)
    run.wait_for(r"\(c/1, start 2\) has joined")
    expect_equal(run.finish(0), wanted_of_long_job)
    print("an ssh connection cut: started again, equal")

    run = launch("b,c", "--output", "interrupted", *JOB)
    run.wait_for(r"epoch +2/")
    run.process.send_signal(signal.SIGINT)
    text = run.finish(130)
    hint = re.search(r"go on with: lockstep (launch .*)$", text, re.MULTILINE)
    if not hint:
        raise network.Failure(f"launch does not say how to go on:\n{text}")
    words = shlex.split(hint[1])
    run = launch("b,c", *words[words.index("--resume"):], "--transport", "zmq")
    expect_equal(run.finish(0))
    print("interrupted and resumed: equal")

    run = launch("b,c", "--output", "ended", *JOB)
    run.wait_for(r"epoch +2/")
    os.kill(run.process.pid, signal.SIGKILL)
    run.finish(-signal.SIGKILL)
    print("launch killed: no worker is left")

    text = launch("b", "--remote-program", "/nowhere/lockstep", "--output", "nowhere", *JOB).finish(1)
    if not re.search(r"^error: .*/nowhere/lockstep: not found; --remote-program says", text, re.MULTILINE):
        raise network.Failure(f"launch does not say what is missing:\n{text}")
    text = launch("b,d.invalid", "--output", "unknown", *JOB).finish(0)
    expect_equal(text)
    if "warning: worker d.invalid/1: it ended with exit code 255: ssh: Could not resolve hostname d.invalid" not in text:
        raise network.Failure(f"launch does not say which host is wrong:\n{text}")
    print("hosts and programs that are not there: named")


if __name__ == "__main__":
    if SSHD is None:
        print("skipped: there is no sshd here (Debian: openssh-server)")
        sys.exit(77)
    sys.exit(network.main(__file__, __doc__, check))
