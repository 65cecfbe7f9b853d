"""
Clients that load a server: ``http.client`` as users have it, a pipelining socket, and wrk.
"""

from __future__ import annotations

import http.client
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

REQUEST_HEADERS = "Host: localhost\r\nUser-Agent: bench\r\nAccept: */*\r\n"


class Client:
    """
    One ``http.client`` connection; it connects again when the server has closed it, as HTTP/1.0 servers do.
    """

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def get(self, path: str, *, status: int = 200) -> float:
        """Send a GET, read its answer, and return the milliseconds that took."""
        return self._send("GET", path, None, status)

    def post(self, path: str, body: str) -> float:
        """As :meth:`get`, with a JSON *body*."""
        return self._send("POST", path, body, 200)

    def _send(self, method: str, path: str, body: str | None, status: int) -> float:
        begin = time.perf_counter()
        self._connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        response = self._connection.getresponse()
        response.read()
        took_ms = (time.perf_counter() - begin) * 1000
        if response.status != status:
            raise RuntimeError(f"{method} {path}: expected status {status}, got {response.status}")
        return took_ms

    def close(self) -> None:
        self._connection.close()


class Pipeline:
    """
    A connection that sends many requests before it reads their answers.

    The cheapest client there is: one Python process of it keeps a server process busy. All answers
    must be of equal length, which replaces parsing them.
    """

    DEPTH = 64

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answer = b""

    def send(self, requests: Iterator[bytes], count: int) -> float:
        """Send the next *count* of *requests* and return how many were answered per second."""
        begin = time.perf_counter()
        if not self._answer:
            self._socket.sendall(next(requests))
            self._answer = self._socket.recv(65536)
        for start in range(0, count, self.DEPTH):
            depth = min(self.DEPTH, count - start)
            self._socket.sendall(b"".join(next(requests) for _ in range(depth)))
            self._expect(self._answer * depth)
        return count / (time.perf_counter() - begin)

    def _expect(self, wanted: bytes) -> None:
        received = bytearray()
        while len(received) < len(wanted):
            piece = self._socket.recv(1 << 20)
            if not piece:
                raise RuntimeError("the server closed the pipelined connection")
            received += piece
        if received != wanted:
            raise RuntimeError(f"answers differ from the first one, {self._answer[:60]!r}")

    def close(self) -> None:
        self._socket.close()


def forever(requests: Sequence[bytes]) -> Iterator[bytes]:
    while True:
        yield from requests


def get_bytes(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\n{REQUEST_HEADERS}\r\n".encode()


def post_bytes(path: str, body: bytes) -> bytes:
    fields = f"{REQUEST_HEADERS}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"POST {path} HTTP/1.1\r\n{fields}\r\n".encode() + body


@dataclass(frozen=True, slots=True)
class WrkRun:
    """
    What wrk reports.

    Attributes:
        failed: Answers that were not 2xx or 3xx.

        socket_errors: Connections that could not be made, read, written, or timed out.
    """

    requests_per_s: float
    failed: int
    socket_errors: int


def has_wrk() -> bool:
    return shutil.which("wrk") is not None


def wrk(port: int, path: str, seconds: int, *, connections: int = 32, body: str = "") -> WrkRun:
    """
    Load a server by so many connections from two threads, or from one if there is one connection.

    Args:
        body: JSON to post; GET without.
    """
    command = ["wrk", f"-c{connections}", f"-t{min(2, connections)}", f"-d{seconds}"]
    with tempfile.TemporaryDirectory() as folder:
        if body:
            script = Path(folder) / "post.lua"
            fields = 'wrk.headers["Content-Type"] = "application/json"'
            # Lua's long string: nothing in it needs escaping.
            script.write_text(f'wrk.method = "POST"\nwrk.body = [==[{body}]==]\n{fields}\n', encoding="utf-8")
            command.append(f"-s{script}")
        command.append(f"http://127.0.0.1:{port}{path}")
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    if rate is None:
        raise RuntimeError(f"wrk said nothing of requests per second:\n{text}")
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    errors = re.search(r"Socket errors: (.*)", text)
    return WrkRun(
        float(rate.group(1)),
        int(failed.group(1)) if failed else 0,
        sum(map(int, re.findall(r"\d+", errors.group(1)))) if errors else 0,
    )
