"""What HTTP costs the server: ``python -m benchmarks.engine.http [--requests N]``.

A server in a process of its own answers cheap requests with the headers of the official SDK, over connections that stay
open; the figure is the CPU time of the server's process for each. The client's is not in it.
"""

import argparse
import os
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlparse

import orjson

HEADERS = """Host: localhost
X-API-Key: tml-benchmark
Accept: application/json
Accept-Encoding: gzip, deflate
User-Agent: AsyncTinker/Python 0.38.0
X-Stainless-Package-Version: 0.38.0
X-Stainless-OS: Linux
X-Stainless-Arch: x64
X-Stainless-Runtime: CPython
X-Stainless-Runtime-Version: 3.11.7
X-Stainless-Async: async:asyncio
x-stainless-retry-count: 0
x-stainless-read-timeout: 60
X-Idempotency-Key: stainless-python-retry-7c1c5ec3-3f0d-4d54-9e53-6a1d3f1c8a55
Content-Type: application/json
"""
CONNECTIONS = 20


@contextmanager
def server() -> Generator[tuple[int, tuple[str, int]]]:
    """Run ``tinkex serve``; its process id and address."""
    command = Path(sys.executable).with_name("tinkex")
    with subprocess.Popen([command, "serve"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url: str = process.stdout.readline().strip()
            address = urlparse(url)
            yield process.pid, (address.hostname or "", address.port or 0)
        finally:
            process.terminate()


def write(method: str, path: str, **body: object) -> bytes:
    """A request as the official SDK sends it."""
    content = orjson.dumps(body) if method == "POST" else b""
    length = f"Content-Length: {len(content)}\n" if content else ""
    head = f"{method} /api/v1/{path} HTTP/1.1\n{HEADERS}{length}\n"
    return head.replace("\n", "\r\n").encode() + content


def read(connection: socket.socket) -> bytes:
    """The body of one answer."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split()[0])
    while len(body) < length:
        body += connection.recv(65536)
    return body


def cpu_seconds(pid: int) -> float:
    """What a process has used so far, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(pid: int, address: tuple[str, int], request: bytes, count: int) -> float:
    """Microseconds of the server's CPU for each of *count* requests, `CONNECTIONS` at a time."""
    connections = [socket.create_connection(address) for _ in range(CONNECTIONS)]
    before = 0.0
    for number in range(count // CONNECTIONS + 1):
        for connection in connections:
            connection.sendall(request)
        for connection in connections:
            read(connection)
        if number == 0:  # connecting is not part of it
            before = cpu_seconds(pid)
    taken = cpu_seconds(pid) - before
    for connection in connections:
        connection.close()
    return taken / count * 1e6


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine.http", description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    options = parser.parse_args()
    with server() as (pid, address), socket.create_connection(address) as first:
        first.sendall(write("POST", "create_session", tags=[], user_metadata={}, sdk_version="0.38.0"))
        session_id = orjson.loads(read(first))["session_id"]
        requests = {
            "GET healthz": write("GET", "healthz"),
            "GET get_server_capabilities": write("GET", "get_server_capabilities"),
            "POST session_heartbeat": write("POST", "session_heartbeat", session_id=session_id),
        }
        print("| request | CPU µs | reach |\n|---|---:|---:|")
        for name, request in requests.items():
            print(f"| `{name}` | {measure(pid, address, request, options.requests):.0f} | <= 1000 |", flush=True)


if __name__ == "__main__":
    main()
