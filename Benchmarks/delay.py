#!/usr/bin/env python3
"""Round trips a step where messages take long: between hosts, each way has a delay (Linux, as root).

    swift build -c release && python3 Benchmarks/delay.py [--milliseconds 20] [--cases star:4 chain:3]

Hosts are network namespaces without a limit of bandwidth. Every connection passes a proxy that hands bytes on so many
milliseconds later, in each direction. A case is a topology and a number of workers: `chain:3` has two workers behind
others, one after the other. Figures are the median step in round trips, over steps in which all workers took part.
Exits with 77 where namespaces cannot be made.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import threading

import network
from network import Failure, Host, command

LIMIT = 120  # seconds, of a run
WARM_UP = 10  # steps
COORDINATOR, WORKER = 5555, 5556  # ports


def proxy_address(number):
    """Where others reach the host with this number."""
    return network.address(100 + number)


async def hand_on(reader, writer, seconds):
    """Writes what is read, later."""
    loop = asyncio.get_running_loop()
    queue = asyncio.Queue()

    async def write():
        while True:
            due, data = await queue.get()
            await asyncio.sleep(max(0, due - loop.time()))
            if not data:
                writer.close()
                return
            writer.write(data)
            await writer.drain()

    writing = asyncio.create_task(write())
    try:
        while True:
            data = await reader.read(1 << 16)
            await queue.put((loop.time() + seconds, data))
            if not data:
                break
        await writing
    except ConnectionError:
        writer.close()


async def serve(number, port, seconds):
    """A proxy to a port of a host."""
    async def connected(reader, writer):
        try:
            other_reader, other_writer = await asyncio.open_connection(network.address(number), port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(hand_on(reader, other_writer, seconds), hand_on(other_reader, writer, seconds))

    await asyncio.start_server(connected, proxy_address(number), port)


def start_proxies(hosts, seconds):
    """Proxies to the coordinator, which is on the first host, and to the workers on the others."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    for host in hosts:
        port = COORDINATOR if host is hosts[0] else WORKER
        asyncio.run_coroutine_threadsafe(serve(host.number, port, seconds), loop).result()


def measure(options, folder, hosts, topology, workers):
    """The median step's seconds."""
    output = folder / f"{topology}-{workers}"
    commands = [[hosts[0], "coordinator", "--bind", f"tcp://{network.address(1)}:{COORDINATOR}", "--transport", "zmq",
                 "--topology", topology, "--use-all-workers", "--output", output, "--data", "digits", "--model",
                 "mlp:256,128", "--batch-size", "64", "--micro-batches", "8", "--steps", options.steps, "--insecure"]]
    for host in hosts[1:][:workers]:
        commands.append([host, "worker", "--connect", f"tcp://{proxy_address(1)}:{COORDINATOR}", "--bind",
                         f"tcp://0.0.0.0:{WORKER}", "--advertise", proxy_address(host.number), "--insecure"])
    processes = [subprocess.Popen(["ip", "netns", "exec", host.name, options.program, *map(str, words)],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                 for host, *words in commands]
    try:
        for process in processes:
            said, _ = process.communicate(timeout=LIMIT)
            if process.returncode != 0:
                raise Failure(f"{topology} of {workers}: {said}")
    except subprocess.TimeoutExpired:
        raise Failure(f"{topology} of {workers}: it has not ended after {LIMIT} s") from None
    finally:
        for process in processes:
            process.kill()
            process.wait()
    lines = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    steps = [line for line in lines if line["event"] == "step" and len(line["compute_seconds"]) == workers][WARM_UP:]
    if len(steps) < 20:
        raise Failure(f"{topology}: the {workers} workers have had too few steps together")
    return statistics.median(step["seconds"] for step in steps), len(steps)


def check(options, folder):
    network.begin()
    most = max(int(case.rsplit(":", 1)[1]) for case in options.cases)
    hosts = [Host(number, None) for number in range(1, most + 2)]
    for host in hosts:
        command("ip", "address", "add", f"{proxy_address(host.number)}/24", "dev", "bridge")
    start_proxies(hosts, options.milliseconds / 1000)
    for case in options.cases:
        topology, workers = case.rsplit(":", 1)
        seconds, steps = measure(options, folder, hosts, topology, int(workers))
        print(f"{topology:8} {workers:>2} workers  {seconds / (2 * options.milliseconds / 1000):5.2f} round trips a step "
              f"({1000 * seconds:.1f} ms; {steps} steps)", flush=True)


def add_options(parser):
    parser.add_argument("--milliseconds", type=float, default=20, help="one way")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--cases", nargs="+", metavar="TOPOLOGY:WORKERS",
                        default=["star:1", "star:4", "mesh:4", "chain:2", "chain:3", "tree:2:6"])


if __name__ == "__main__":
    sys.exit(network.main(__file__, __doc__, check, add_options))
