#!/usr/bin/env python3
"""A worker whose link is so slow that the run ends before it has read its last parameters: it must learn of the end.

    python3 Tests/EndToEndTests/late_worker.py --program .build/release/lockstep
"""

import argparse
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
LIMIT = 60  # seconds
PAUSE = 3  # seconds after the run's end in which nothing reaches the worker


class Link:
    """Brings bytes from one connection to the coordinator and back; the way back can be held."""

    def __init__(self, port):
        self.open = threading.Event()
        self.open.set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, args=[port], daemon=True).start()

    def serve(self, port):
        near = self.listener.accept()[0]
        far = socket.create_connection(("127.0.0.1", port))
        threading.Thread(target=self.carry, args=[near, far, False], daemon=True).start()
        self.carry(far, near, True)

    def carry(self, source, target, is_held):
        while True:
            if is_held:
                self.open.wait()
            data = source.recv(65536)
            if not data:
                target.shutdown(socket.SHUT_WR)
                return
            target.sendall(data)


def wait_for(stream, pattern):
    """Reads lines up to one that matches."""
    lines = []
    for line in stream:
        lines.append(line)
        if found := re.search(pattern, line):
            return found
    sys.exit(f"'{pattern}' was not said:\n{''.join(lines)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default=str(ROOT / ".build/release/lockstep"))
    options = parser.parse_args()

    def start(*arguments):
        return subprocess.Popen([options.program, *arguments], text=True, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    with tempfile.TemporaryDirectory() as folder:
        coordinator = start("coordinator", "--bind", "tcp://127.0.0.1:0", "--transport", "zmq", "--use-all-workers", "--silence-limit", "30",
                            "--model", "mlp:2048,2048", "--epochs", "2", "--output", folder)
        port = int(wait_for(coordinator.stdout, r"listening on tcp://127\.0\.0\.1:(\d+)")[1])
        link = Link(port)
        late = start("worker", "--connect", f"tcp://127.0.0.1:{link.port}", "--silence-limit", "30")
        wait_for(coordinator.stdout, r"^epoch 1/")
        link.open.clear()
        other = start("worker", "--connect", f"tcp://127.0.0.1:{port}")
        wait_for(coordinator.stdout, r"^done: ")
        time.sleep(PAUSE)
        link.open.set()
        codes = []
        for process in [other, late, coordinator]:
            try:
                said = process.communicate(timeout=LIMIT)[0]
            except subprocess.TimeoutExpired:
                process.kill()
                said = f"(it did not end)\n{process.communicate()[0]}"
            codes.append(process.returncode)
            if codes[-1] != 0:
                print(f"{process.args}: {said}")
    print("every worker has learned that the run is over" if codes == [0, 0, 0] else f"exit codes {codes}")
    return 0 if codes == [0, 0, 0] else 1


if __name__ == "__main__":
    sys.exit(main())
