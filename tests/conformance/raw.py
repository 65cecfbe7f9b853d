"""
A client that hides nothing: bytes out, bytes in, and answers taken apart by their framing.

Written for these tests, so that an answer is judged by RFC 9112 and not by what a client library lets pass.
"""

from __future__ import annotations

import select
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from api_simulator.http import MockHttpServer
from tests.conformance.in_process import InProcessSocket, connect

#: Longer than any machine takes for what must happen; reached only when a claim is false.
PATIENCE_S = 30.0


@dataclass
class Reply:
    """
    An answer as it was on the wire.

    Attributes:
        fields: Pairs of name and value, in the order and case received.

        chunks: The chunks of a chunked body, None if it was not chunked.

        trailers: The fields behind a chunked body.
    """

    version: str
    status: int
    reason: str
    fields: list[tuple[str, str]]
    body: bytes = b""
    chunks: list[bytes] | None = None
    trailers: list[tuple[str, str]] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        """Return every value of a field, its name in any case."""
        return [value for known, value in self.fields if known.lower() == name.lower()]

    def get(self, name: str) -> str | None:
        """Return the one value of a field, None if it is not there."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} is there {len(values)} times"
        return values[0] if values else None


class Wire:
    """
    A connection to a server, to be used in a ``with`` block.

    Attributes:
        started: When the connection was begun, in seconds of the monotonic clock.
    """

    def __init__(self, server: MockHttpServer) -> None:
        self.started = time.monotonic()
        self.socket = connect(server, PATIENCE_S)
        self._received = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Go away, in order (FIN)."""
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def ask(self, path: str = "/", method: str = "GET", *fields: str, version: str = "1.1", body: bytes = b"") -> None:
        """Send a request without waiting for its answer; *fields* are whole header lines."""
        lines = [f"{method} {path} HTTP/{version}", "Host: test", *fields]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join([*lines, "", ""]).encode() + body)

    def call(
        self, path: str = "/", method: str = "GET", *fields: str, version: str = "1.1", body: bytes = b""
    ) -> Reply:
        """Send a request and return its answer."""
        self.ask(path, method, *fields, version=version, body=body)
        return self.reply(method)

    def _more(self) -> None:
        piece = self.socket.recv(65536)
        if not piece:
            raise EOFError(f"the connection ended after {bytes(self._received)!r}")
        self._received += piece

    def read(self, count: int) -> bytes:
        """Return exactly *count* bytes."""
        while len(self._received) < count:
            self._more()
        data = bytes(self._received[:count])
        del self._received[:count]
        return data

    def read_until(self, end: bytes) -> bytes:
        """Return the bytes up to the first *end*, with it."""
        while end not in self._received:
            self._more()
        return self.read(self._received.index(end) + len(end))

    def rest(self) -> bytes:
        """Return everything up to the end of the connection, which must come in order (FIN)."""
        while piece := self.socket.recv(65536):
            self._received += piece
        return self.read(len(self._received))

    def rest_until_reset(self) -> bytes:
        """Return everything up to the end of the connection, which must come by RST."""
        try:
            data = self.rest()
        except ConnectionResetError:
            return self.read(len(self._received))
        raise AssertionError(f"the connection was closed in order after {data!r}")

    def is_silent(self) -> bool:
        """Return whether nothing more has come until now, not even the end of the connection."""
        if self._received:
            return False
        if isinstance(self.socket, InProcessSocket):
            return self.socket.is_silent()
        return not select.select([self.socket], [], [], 0)[0]

    def reply(self, method: str = "GET") -> Reply:
        """Read one answer, interim or final, by its framing (RFC 9112, section 6.3)."""
        reply = self.head()
        if method == "HEAD" or reply.status < 200 or reply.status in (204, 304):
            return reply
        if reply.get("transfer-encoding") == "chunked":
            reply.chunks = []
            while size := int(self.read_until(b"\r\n"), 16):
                reply.chunks.append(self.read(size))
                assert self.read(2) == b"\r\n"
            reply.body = b"".join(reply.chunks)
            reply.trailers = self._fields()
        elif (length := reply.get("content-length")) is not None:
            reply.body = self.read(int(length))
        else:
            reply.body = self.rest()
        return reply

    def head(self) -> Reply:
        """Read status line and fields."""
        line = self.read_until(b"\r\n").decode("latin-1").removesuffix("\r\n")
        version, status, reason = line.split(" ", 2)
        return Reply(version, int(status), reason, self._fields())

    def _fields(self) -> list[tuple[str, str]]:
        fields = []
        while line := self.read_until(b"\r\n").decode("latin-1").removesuffix("\r\n"):
            name, colon, value = line.partition(":")
            assert colon, f"{line!r} is no field"
            fields.append((name, value.removeprefix(" ")))
        return fields


def taken_problems(server: MockHttpServer) -> list[tuple[str, str]]:
    """Return kind and text of what would fail the user's test; taken, so that it does not fail this one."""
    report = server.verdict(expectations=False)
    for problem in report.problems:
        problem.reported = True
    return [(problem.kind, problem.text) for problem in report.problems]


def call(
    server: MockHttpServer, path: str = "/", method: str = "GET", *fields: str, version: str = "1.1", body: bytes = b""
) -> Reply:
    """Send one request on a connection of its own."""
    with Wire(server) as wire:
        return wire.call(path, method, *fields, version=version, body=body)
