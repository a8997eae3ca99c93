#!/usr/bin/env python3
"""Attacks the page of a run that goes on: attack_page.py HOST:PORT PID

Ends with 0 if the server has answered a good request after every attack, and the process has not grown by more than 96 MB.
Sends nothing but to the address that it is given.
"""

import resource
import socket
import sys
import time

HOST, PORT = sys.argv[1].rsplit(":", 1)
PID = int(sys.argv[2])
GROWTH = 96 << 20


def connect(timeout=5):
    return socket.create_connection((HOST, int(PORT)), timeout)


def ask(text, timeout=10):
    """What is answered to `text` until the connection ends, or as much as came."""
    data = b""
    try:
        with connect(timeout) as link:
            link.sendall(text if isinstance(text, bytes) else text.encode())
            while chunk := link.recv(65536):
                data += chunk
    except OSError:
        pass
    return data


def get(path, *headers, host=None):
    lines = [f"GET {path} HTTP/1.1", f"Host: {host or HOST + ':' + PORT}", "Connection: close", *headers]
    return ask("\r\n".join(lines) + "\r\n\r\n")


def status(answer):
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else 0


def resident():
    with open(f"/proc/{PID}/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def descriptors():
    import os
    return len(os.listdir(f"/proc/{PID}/fd"))


def check(what, is_true):
    if not is_true:
        sys.exit(f"{what}")


def good(after):
    """The server must answer, though perhaps only when what holds its connections has been closed."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if status(get("/api/runs")) == 200:
            grown = resident() - start
            check(f"after {after} the process has grown by {grown >> 20} MB", grown < GROWTH)
            print(f"ok: {after}: {grown >> 20} MB more, {descriptors()} descriptors", flush=True)
            return
        time.sleep(0.2)
    sys.exit(f"after {after} a good request is not answered any more")


check("the page is not served", status(get("/")) == 200)
start = resident()

# Paths.
for path in ["/../../etc/passwd", "/..%2f..%2fetc/passwd", "//etc/passwd", "/job.yaml", "/%00", "/api/runs/0/../../x",
             "/api/runs/99999999999999999999", "/api/runs/0/curves?points=1e9", "/api/runs/0/curves?points=999999999",
             "/api/runs/0/curves?from=-1&to=-9223372036854775809", "http://evil.example/", "*", "/" + "a" * 60000]:
    answer = get(path)
    check(f"{path[:60]} is answered with {answer[:200]}", status(answer) in (0, 400, 404, 414, 431))
    check(f"{path[:60]} gives a file", b"root:" not in answer and b"learning-rate" not in answer)
good("strange paths")

# A page elsewhere.
check("a foreign Host is answered", status(get("/api/runs", host="evil.example")) == 421)
check("a foreign Origin is answered", status(get("/api/runs", "Origin: http://evil.example")) == 403)
check("two Hosts are answered", status(get("/api/runs", "Host: evil.example")) in (400, 421))
check("another page may read", b"access-control-allow-origin" not in get("/api/runs").lower())

# What is no request.
for text in [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
             b"GET / HTTP/9.9\r\n\r\n", b"GET\r\n\r\n", b"\r\n" * 1000, b"\x00" * 5000,
             b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
             b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
             b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
             b"GET / HTTP/1.1\r\nHost : a\r\n b\r\n\r\n", b"GET /\x80\xff HTTP/1.1\r\nHost: a\r\n\r\n"]:
    ask(text, 3)
for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW"]:
    check(f"{method} is answered", status(ask(f"{method} / HTTP/1.1\r\nHost: {HOST}\r\n\r\n", 3)) in (0, 400, 405))
good("what is no request")

# Headers without an end, as fast as they are taken.
for line in [b"X-A: " + b"a" * 65536, b"X-A: a\r\n" * 8192]:
    try:
        with connect() as link:
            link.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n")
            sent = 0
            while sent < 64 << 20:
                link.sendall(line)
                sent += len(line)
            sys.exit("64 MB of headers were taken")
    except OSError:
        pass
good("headers without an end")

# A body without an end.
try:
    with connect() as link:
        link.sendall(f"GET /api/runs HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 99999999999\r\n\r\n".encode())
        sent = 0
        while sent < 256 << 20:
            link.sendall(bytes(1 << 20))
            sent += 1 << 20
        sys.exit("256 MB of a body were taken")
except OSError:
    pass
good("a body without an end")

# Clients that ask much and read nothing.
links = []
for number in range(48):
    link = connect()
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    link.settimeout(1)
    try:
        link.sendall(f"GET /api/runs/0/curves?points=5000 HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode() * 200)
    except OSError:
        pass
    links.append(link)
good("48 clients that ask 200 times and do not read")
for link in links:
    link.close()
links = []
for number in range(48):
    link = connect()
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    link.sendall(f"GET /api/events HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
    links.append(link)
good("48 streams of events that are not read")
for link in links:
    link.close()

# Slow clients on all connections, which get no more than ten seconds.
links = []
for number in range(64):
    try:
        link = connect()
        link.sendall(b"GET / HT")
        links.append(link)
    except OSError:
        pass
good("slow clients on all connections")
for link in links:
    link.close()

# Ten thousand connections, as many at a time as this process may have.
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
atOnce = min(hard - 64, 10_000)
links, made, most = [], 0, 0
while made < 10_000:
    try:
        links.append(connect(10))
    except OSError:
        pass
    made += 1
    if made % 500 == 0:
        most = max(most, descriptors())
    if len(links) >= atOnce:
        for link in links:
            link.close()
        links = []
for link in links:
    link.close()
check(f"the process had {most} descriptors", most < 400)
good("ten thousand connections")
